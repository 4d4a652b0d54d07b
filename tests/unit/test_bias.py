"""Token-count bias: what holds for any predictions at all, and one small case by hand."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.evaluation.bias import evaluate_bias
from minillm.evaluation.record import Record, read_records
from minillm.files import write_csv


def bias_of(true: Sequence[int], predicted: Sequence[int]) -> dict[str, Record]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [{"token": i, "true": t, "predicted": p} for i, (t, p) in enumerate(zip(true, predicted, strict=True))]
        write_csv(folder / "counts.csv", ["token", "true", "predicted"], rows)
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
