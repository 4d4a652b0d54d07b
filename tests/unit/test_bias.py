"""Token-count bias: what holds for any predictions at all, and one small case by hand."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.evaluation.bias import evaluate_bias
from minillm.evaluation.record import Record, read_records


def bias_of(
    true: Sequence[int],
    predicted: Sequence[int],
    *,
    expected: Sequence[float] | None = None,
    on_padding: Sequence[int] | None = None,
    unknown: int | None = None,
) -> dict[str, Record]:
    """The records of these counts; without others the model expects what is true and predicts nothing on padding."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame = pd.DataFrame({"token": range(len(true)), "true": true, "predicted": predicted})
        frame["predicted_on_padding"] = [0] * len(true) if on_padding is None else on_padding
        frame["expected"] = true if expected is None else expected
        frame["unknown"] = frame["token"] == unknown
        frame.to_csv(folder / "counts.csv", index=False)
        evaluate_bias(folder / "counts.csv", "c", "m", "1", folder / "bias.json")
        return {found.metric: found for found in read_records(folder / "bias.json")}


positions = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=60)


@given(positions)
@settings(max_examples=60, deadline=None)
def test_what_holds_for_any_predictions(pairs: list[tuple[int, int]]) -> None:
    """Over the whole vocabulary the mean is 0, and the total variation is at most the share of errors."""
    gold, said = np.array(pairs).T
    found = bias_of(np.bincount(gold, minlength=12).tolist(), np.bincount(said, minlength=12).tolist())
    errors = (gold != said).mean()
    assert found["bias_mean_vocabulary"].value == 0
    assert 0 <= found["total_variation"].value <= errors + 1e-12
    shares = [np.bincount(side, minlength=12) / len(side) for side in (gold, said)]
    assert found["total_variation"].value == pytest.approx(sum(np.maximum(shares[1] - shares[0], 0)))
    assert found["bias_mean_predicted"].value >= 0, "what is never predicted is left out: the rest is predicted more"
    assert found["coverage"].value == len(set(gold) & set(said)) / len(set(gold))
    assert found["total_variation"].n == len(pairs)
    assert 0 <= found["jensen_shannon"].value <= 1
    # The report's own numbers break neither of these: by Cauchy, and because every error adds at most two.
    for support in ("vocabulary", "union", "predicted", "true"):
        mean, size = found[f"bias_mean_absolute_{support}"].value, found[f"bias_mean_{support}"].n
        assert size is not None
        assert mean * size <= 2 * (gold != said).sum() + 1e-9
        moment = found[f"bias_variance_{support}"].value + found[f"bias_mean_{support}"].value ** 2
        assert moment >= mean**2 - 1e-9


def test_by_hand() -> None:
    """Differences 3, -1, -2, 0 over the vocabulary; 3, -1 over what was predicted."""
    found = {metric: one.value for metric, one in bias_of([1, 2, 2, 0], [4, 1, 0, 0]).items()}
    assert found["bias_mean_absolute_vocabulary"] == pytest.approx(1.5)
    assert found["bias_variance_vocabulary"] == pytest.approx(14 / 4)
    assert found["bias_mean_predicted"] == pytest.approx(1)
    assert found["bias_mean_absolute_predicted"] == pytest.approx(2)
    assert found["bias_variance_predicted"] == pytest.approx(4)
    assert found["total_variation"] == pytest.approx(3 / 5)
    assert found["coverage"] == pytest.approx(2 / 3)
    assert found["band_1-10"] == 0  # 5 said, 5 true


def test_four_supports_by_hand() -> None:
    """True 1, 2, 2, 0, 0; predicted 4, 1, 0, 0, 0; the differences are 3, -1, -2, 0, 0."""
    found = {metric: one.value for metric, one in bias_of([1, 2, 2, 0, 0], [4, 1, 0, 0, 0]).items()}
    means = {support: found[f"bias_mean_absolute_{support}"] for support in ("vocabulary", "union", "true")}
    assert means == pytest.approx({"vocabulary": 6 / 5, "union": 2, "true": 2})
    assert found["bias_mean_true"] == 0
    mostly_new = {metric: one.value for metric, one in bias_of([0, 3, 0], [2, 1, 0]).items()}
    assert mostly_new["bias_mean_true"] == -2
    assert mostly_new["bias_mean_predicted"] == 0
    assert mostly_new["bias_mean_union"] == 0


def test_padding_raises_the_mean_over_the_whole_vocabulary() -> None:
    """Twelve predictions where nothing is to be predicted: 12 too many, over 4 tokens or over 2 that are predicted."""
    found = {metric: one.value for metric, one in bias_of([2, 2, 1, 0], [2, 2, 1, 0], on_padding=[0, 8, 0, 4]).items()}
    assert found["bias_mean_vocabulary"] == 0
    assert found["bias_mean_vocabulary_padding"] == 3
    assert found["bias_mean_predicted_padding"] == 3
    assert found["bias_variance_vocabulary_padding"] == pytest.approx((64 + 16) / 4 - 9)
    assert found["bias_mean_true_padding"] == pytest.approx(8 / 3)
    assert found["total_variation"] == 0, "distances leave padding out"


def test_distances_by_hand() -> None:
    """Halves against one half and two quarters; what is expected is further away than what is predicted."""
    found = bias_of([2, 2, 0], [2, 1, 1], expected=[0.0, 0.0, 4.0])
    assert found["total_variation"].value == pytest.approx(1 / 4)
    # The middle is 1/2, 3/8, 1/8: in bits 1/2 log 4/3 to the truth, 1/4 log 2/3 + 1/4 log 2 to the prediction.
    divergence = (0.5 * math.log2(4 / 3) + 0.25 * math.log2(2 / 3) + 0.25 * math.log2(2)) / 2
    assert found["jensen_shannon"].value == pytest.approx(math.sqrt(divergence))
    assert found["total_variation_expected"].value == 1
    assert found["jensen_shannon_expected"].value == pytest.approx(1)


def test_the_unknown_is_a_band_of_its_own() -> None:
    found = bias_of([50, 9, 1], [200, 9, 1], unknown=0)
    assert found["band_unknown"].value == pytest.approx(2)
    assert found["band_1-10"].value == 0
    assert found["band_1-10"].n == 10


def test_perfect_predictions_have_no_bias() -> None:
    found = bias_of([3, 0, 5, 1], [3, 0, 5, 1])
    assert {one.value for metric, one in found.items() if metric != "coverage"} == {0.0}
    assert found["coverage"].value == 1


def test_bands_are_ranks_of_the_true_counts() -> None:
    """150 tokens: the first ten are said twice as often, the next ninety half as often, the rest as often."""
    order = np.random.default_rng(0).permutation(150)
    true, said = np.zeros(150, dtype=int), np.zeros(150, dtype=int)
    true[order] = np.repeat([400, 40, 4], [10, 90, 50])
    said[order] = np.repeat([800, 20, 4], [10, 90, 50])
    found = bias_of(true.tolist(), said.tolist())
    assert {metric: one.value for metric, one in found.items() if metric.startswith("band")} == pytest.approx(
        {"band_1-10": 1, "band_11-100": -1, "band_101-1000": 0}
    )
    assert found["band_11-100"].n == 3600


def test_a_band_that_is_never_predicted_has_no_number() -> None:
    """Its logarithm would be minus infinity; what is there is finite."""
    true, said = [9] * 10 + [1] * 5, [10] * 9 + [5] + [0] * 5
    found = bias_of(true, said)
    assert "band_11-100" not in found
    assert all(math.isfinite(one.value) for one in found.values())
