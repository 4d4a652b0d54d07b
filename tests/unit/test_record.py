"""Records survive the trip to disk; the bootstrap covers what it should and is paired."""

import math
from pathlib import Path

import numpy as np
import pytest

from minillm.evaluation import record
from minillm.evaluation.record import Interval, Record, Sums, bootstrap, read_records, write_records


def ratio(totals: Sums) -> np.ndarray:
    return totals["nll"] / totals["tokens"]


def bounds(interval: Interval) -> tuple[float, float]:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low, interval.high


def test_records_come_back(tmp_path: Path) -> None:
    records = [
        Record(metric="a", value=1 / 3, unit="bit", model="m", corpus="c", low=-1e-300, high=2.0, interval="95 %", n=3),
        Record(metric="b", value=0.0, unit="", model="ñ", corpus="c", split="test", seed="1", better="lower"),
    ]
    write_records(tmp_path / "r.json", records)
    assert read_records(tmp_path / "r.json") == records


def test_the_interval_of_a_mean_is_the_textbook_one() -> None:
    """Of 400 articles of equal size: the mean ± 1.96 standard errors."""
    nll = np.random.default_rng(0).gamma(3.0, size=400)
    low, high = bounds(bootstrap({"nll": nll, "tokens": np.ones(400)}, ratio))
    error = nll.std() / math.sqrt(400)
    assert low == pytest.approx(nll.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(nll.mean() + 1.96 * error, abs=0.1 * error)


def test_the_interval_covers_a_known_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 300 draws of 60 articles with a known rate of 2 nats a token, about 95 % cover it."""
    monkeypatch.setattr(record, "RESAMPLES", 500)
    random, covered = np.random.default_rng(1), 0
    for _ in range(300):
        tokens = random.integers(50, 500, size=60).astype(float)
        nll = tokens * random.normal(2.0, 0.3, size=60)
        low, high = bounds(bootstrap({"nll": nll, "tokens": tokens}, ratio))
        covered += low <= 2.0 <= high
    assert 0.90 <= covered / 300 <= 0.985


def test_articles_are_resampled_not_tokens() -> None:
    """Two kinds of article with nothing in between: with 20 articles the interval is wide, however long they are."""
    nll = np.repeat([1000.0, 3000.0], 10)
    low, high = bounds(bootstrap({"nll": nll, "tokens": np.full(20, 1000.0)}, ratio))
    error = 1 / math.sqrt(20)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_equal_articles_leave_no_doubt() -> None:
    found = bootstrap({"nll": np.full(10, 6.0), "tokens": np.full(10, 3.0)}, ratio)
    assert found == Interval(2, 2, "95 %, bootstrap over articles")


@pytest.mark.parametrize("articles", [1, 2, 9])
def test_few_articles_have_no_interval(articles: int) -> None:
    sums = {"nll": np.arange(1.0, articles + 1), "tokens": np.ones(articles)}
    assert bootstrap(sums, ratio) == Interval(None, None, "")


def test_differences_are_paired() -> None:
    """One model is 0.25 nats a token worse everywhere: of that there is no doubt, though each alone is uncertain."""
    random = np.random.default_rng(2)
    tokens = random.integers(10, 500, size=30).astype(float)
    one = tokens * random.normal(3, 1, size=30)
    other = one + 0.25 * tokens
    single = bounds(bootstrap({"nll": one, "tokens": tokens}, ratio))
    assert single[1] - single[0] > 0.3
    sums = {"one": one, "other": other, "tokens": tokens}
    together = bootstrap(sums, lambda t: (t["other"] - t["one"]) / t["tokens"], paired=True)
    assert bounds(together) == pytest.approx((0.25, 0.25))
    assert together.name == "95 %, paired bootstrap over articles"
    apart = bounds(bootstrap({"nll": other, "tokens": tokens}, ratio))  # the draw is the same for another call
    assert np.subtract(apart, single) == pytest.approx([0.25, 0.25])


def test_the_same_bytes_every_time() -> None:
    nll = np.random.default_rng(0).normal(size=11) ** 2
    sums = {"nll": nll, "tokens": np.arange(1.0, 12)}
    first = bootstrap(sums, ratio)
    np.random.default_rng().random(5)
    assert bootstrap(sums, ratio) == first


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_not_written(tmp_path: Path, value: float) -> None:
    records = [Record(metric="loss", value=value, unit="", model="m", corpus="c", split="test")]
    with pytest.raises(ValueError, match=f"the loss of m on the test split is {value}: nothing is written"):
        write_records(tmp_path / "loss.json", records)
    assert not list(tmp_path.iterdir())


def test_no_interval_where_some_resamples_have_nothing_to_divide_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "FEWEST_ARTICLES", 2)
    sums = {"hits": np.array([1.0, 0.0]), "tries": np.array([2.0, 0.0])}
    assert bootstrap(sums, lambda s: s["hits"] / s["tries"]) == Interval(None, None, "")
