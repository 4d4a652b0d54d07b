"""One table of all numbers: means over seeds with Student's t by hand, differences with their sign and pairing."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from minillm.evaluation import record
from minillm.evaluation.record import FIELDS, Record, write_records
from minillm.evaluation.summary import over_seeds, summarise_metrics
from minillm.evaluation.sums import COLUMNS


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "RESAMPLES", 500)
    monkeypatch.setattr(record, "FEWEST_ARTICLES", 2)


def a_record(metric: str, value: float, seed: str, model: str = "m", split: str = "test") -> Record:
    return Record(metric=metric, value=value, unit="u", model=model, corpus="c", split=split, seed=seed, n=40, low=0.0)


def write_documents(folder: Path, model: str, seed: str, nll: list[float], shuffled: bool = False) -> Path:
    """Five test articles of 100, 200, … bytes and a train article that must not count."""
    size = 100.0 * np.arange(1, 6)
    frame = pd.DataFrame({name: np.zeros(5) for name in COLUMNS})
    frame = frame.assign(page_id=range(5), split="test", nll=nll, tokens=size / 4, bytes=size, words=size / 5)
    frame = pd.concat([frame, frame.iloc[:1].assign(split="train", nll=1e9)])
    path = folder / model / f"seed-{seed}" / "documents.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    (frame.iloc[::-1] if shuffled else frame).to_csv(path, index=False)
    return path


def summarise(folder: Path, records: dict[str, list[Record]], documents: list[Path]) -> pd.DataFrame:
    paths = []
    for name, found in records.items():
        paths.append(folder / f"{name}.json")
        write_records(paths[-1], found)
    (folder / "cost").mkdir(exist_ok=True)
    write_records(folder / "cost" / "cost.json", [a_record("latency", 3.0, "1", split="")])
    summarise_metrics(
        paths, [folder / "cost" / "cost.json"], documents, "base", folder / "metrics.csv", folder / "cost.csv"
    )
    return pd.read_csv(folder / "metrics.csv", keep_default_na=False, dtype={"seed": str})


def test_the_mean_over_seeds_by_hand() -> None:
    """1, 2, 4: mean 7/3, deviation √(7/3), and Student's t of two degrees is 4.302653."""
    records = [a_record("loss", value, str(seed)) for seed, value in enumerate([1.0, 2.0, 4.0])]
    (found,) = over_seeds(records)
    half = 4.302652729911275 * math.sqrt(7 / 3) / math.sqrt(3)
    assert (found.value, found.low, found.high) == pytest.approx((7 / 3, 7 / 3 - half, 7 / 3 + half))
    assert (found.n, found.seed, found.interval) == (40, "all", "95 %, Student's t over 3 seeds")
    assert (found.metric, found.unit, found.split, found.model) == ("loss", "u", "test", "m")


def test_two_seeds_have_one_degree_of_freedom() -> None:
    (found,) = over_seeds([a_record("loss", 1.0, "1"), a_record("loss", 2.0, "2")])
    assert found.high == pytest.approx(1.5 + 12.706204736432095 / 2)


def test_only_what_belongs_together_is_averaged() -> None:
    records = [a_record(metric, 1.0, seed) for metric in ("loss", "accuracy") for seed in ("1", "2")]
    records += [a_record("loss", 5.0, seed, model="other") for seed in ("1", "2")]
    records += [a_record("loss", 9.0, seed, split="train") for seed in ("1", "2")]
    records += [a_record("bits_per_byte", 9.0, "", model="xz"), a_record("alone", 1.0, "1")]
    found = {(one.metric, one.model, one.split): one.value for one in over_seeds(records)}
    assert found == {
        ("loss", "m", "test"): 1,
        ("accuracy", "m", "test"): 1,
        ("loss", "other", "test"): 5,
        ("loss", "m", "train"): 9,
    }


def test_exponentials_are_not_averaged() -> None:
    """The perplexity over seeds is exp of the loss over seeds, and so are its bounds."""
    losses = [1.0, 2.0, 4.0]
    records = [a_record("loss", loss, str(seed)) for seed, loss in enumerate(losses)]
    records += [a_record("perplexity", math.exp(loss), str(seed)) for seed, loss in enumerate(losses)]
    loss, perplexity = over_seeds(records)
    assert perplexity.value == pytest.approx(math.exp(7 / 3))
    assert loss.low is not None
    assert loss.high is not None
    assert (perplexity.low, perplexity.high) == pytest.approx((math.exp(loss.low), math.exp(loss.high)))


@pytest.mark.parametrize("metric", ["word_perplexity", "parallel_perplexity", "incremental_perplexity"])
def test_every_perplexity_is_averaged_by_its_logarithm(metric: str) -> None:
    """2 and 8: the middle is 4, one factor of 2 from each."""
    (found,) = over_seeds([a_record(metric, 2.0, "1"), a_record(metric, 8.0, "2")])
    half = 12.706204736432095 * math.log(2)  # Student's t of one degree; the standard error is ln 2
    assert found.value == pytest.approx(4)
    assert (found.low, found.high) == pytest.approx((4 * math.exp(-half), 4 * math.exp(half)))


def test_a_difference_of_perplexities_may_be_negative() -> None:
    """It is no perplexity: its mean is the plain one."""
    (found,) = over_seeds([a_record("word_perplexity_difference", value, str(value)) for value in (-3.0, 1.0)])
    assert found.value == -1
    assert (found.low, found.high) == pytest.approx((-1 - 2 * 12.706204736432095, -1 + 2 * 12.706204736432095))


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_says_over_how_many_seeds(seeds: int) -> None:
    """And `n` stays what each seed was measured on."""
    (found,) = over_seeds([a_record("loss", float(seed), str(seed)) for seed in range(seeds)])
    assert (found.interval, found.n) == (f"95 %, Student's t over {seeds} seeds", 40)


def test_equal_seeds_leave_no_doubt() -> None:
    (found,) = over_seeds([a_record("perplexity", 5.0, "1"), a_record("perplexity", 5.0, "2")])
    assert (found.value, found.low, found.high) == pytest.approx((5, 5, 5))


def test_the_quartiles_of_a_time_have_no_mean() -> None:
    records = [dataclasses.replace(a_record("latency", 3.0 + n, str(n)), unit="ms", high=9.0) for n in (1, 2)]
    (found,) = over_seeds(records)
    assert (found.value, found.low, found.high, found.interval) == (4.5, None, None, "")


@pytest.mark.parametrize("shuffled", [False, True])
def test_differences_by_hand(tmp_path: Path, shuffled: bool) -> None:
    """Half a nat a byte less than the reference, in every article: 0.5/ln 2 bits a byte better, without doubt."""
    size = 100.0 * np.arange(1, 6)
    base = size * [1.0, 2.0, 0.8, 1.5, 1.2]
    documents = [
        write_documents(tmp_path, "base", "1", base.tolist()),
        write_documents(tmp_path, "new", "1", (base - 0.5 * size).tolist(), shuffled),
    ]
    table = summarise(tmp_path, {"a": [a_record("loss", 1.0, "1")]}, documents).set_index("metric")
    row = table.loc["bits_per_byte_difference"]
    assert row["value"] == pytest.approx(-0.5 / math.log(2))
    assert [float(row["low"]), float(row["high"])] == pytest.approx([-0.5 / math.log(2)] * 2)
    assert (row["model"], row["seed"], row["split"], row["source"]) == ("new", "1", "test", "paired difference")
    assert int(row["n"]) == 5
    words = size.sum() / 5
    expected = math.exp((base - 0.5 * size).sum() / words) - math.exp(base.sum() / words)
    row = table.loc["word_perplexity_difference"]
    assert row["value"] == pytest.approx(expected)
    assert float(row["low"]) <= expected <= float(row["high"]) < 0


def test_a_worse_model_has_a_positive_difference_and_its_own_seed(tmp_path: Path) -> None:
    """Each seed is compared with the reference's of the same seed; the mean of both is there too."""
    base = np.array([100.0, 150, 300, 420, 500])
    documents = [write_documents(tmp_path, "base", "1", base.tolist())]
    documents += [write_documents(tmp_path, "base", "2", (base + 10).tolist())]
    documents += [write_documents(tmp_path, "new", "1", (base + 15).tolist())]
    documents += [write_documents(tmp_path, "new", "2", (base + 40).tolist())]
    table = summarise(tmp_path, {"a": [a_record("loss", 1.0, "1")]}, documents)
    rows = table[table["metric"] == "bits_per_byte_difference"].set_index("seed")
    bits = 1500 * math.log(2)
    assert rows["value"].to_dict() == pytest.approx({"1": 75 / bits, "2": 150 / bits, "all": 112.5 / bits})
    assert rows["source"].to_dict() == {"1": "paired difference", "2": "paired difference", "all": "mean over seeds"}
    assert "base" not in set(rows["model"])


def test_the_table(tmp_path: Path) -> None:
    """Every record in one row with its source, sorted, all digits kept; costs in a table of their own."""
    one, two = a_record("loss", 1 / 3, "2"), a_record("accuracy", 0.1, "10")
    table = summarise(
        tmp_path,
        {"b": [one, two], "a": [a_record("loss", 2.0, "1")]},
        [write_documents(tmp_path, "base", "1", [1] * 5)],
    )
    assert list(table.columns) == [*FIELDS, "source"]
    assert table[["metric", "seed"]].values.tolist() == [
        ["accuracy", "10"],
        ["loss", "1"],
        ["loss", "2"],
        ["loss", "all"],
    ]
    assert table["value"].tolist() == [0.1, 2.0, 1 / 3, (2 + 1 / 3) / 2]
    assert [Path(source).name for source in table["source"]] == ["b.json", "a.json", "b.json", "mean over seeds"]
    assert (tmp_path / "metrics.csv").read_bytes().count(b"\n") == 5
    assert pd.read_csv(tmp_path / "cost.csv")["metric"].tolist() == ["latency"]
