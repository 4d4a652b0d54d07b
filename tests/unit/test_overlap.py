"""Test articles that were read in training are noticed."""

from pathlib import Path

import pytest

from minillm.corpus.tables import ARTICLES, write_table
from minillm.evaluation.overlap import measure_overlap
from minillm.evaluation.record import Record, read_records


def measured(folder: Path, train: list[str], test: list[str]) -> Record:
    filler = {field.name: "" if field.type == "string" else 0 for field in ARTICLES}
    rows = [{**filler, "split": s, "text": text} for s, texts in (("train", train), ("test", test)) for text in texts]
    write_table(folder / "articles.parquet", rows, ARTICLES)
    measure_overlap(folder / "articles.parquet", "toy", folder / "overlap.json")
    (record,) = read_records(folder / "overlap.json")
    return record


def words(*numbers: int) -> str:
    return " ".join(map(str, numbers))


def test_by_hand(tmp_path: Path) -> None:
    """Of 20 words the first 15 are in train: 3 runs of 13 out of 8; the text of 13 is all new, that of 12 has none."""
    test = [words(*range(20)), words(*range(100, 113)), words(*range(12))]
    record = measured(tmp_path, [words(99, *range(15), 99)], test)
    assert record.value == pytest.approx(3 / 9)
    assert (record.metric, record.split, record.model, record.n) == ("overlap_13", "test", "", 2)


def test_a_test_split_out_of_train(tmp_path: Path) -> None:
    texts = [words(*range(start, start + 30)) for start in range(0, 600, 50)]
    assert measured(tmp_path, texts, texts).value == 1
    clean = measured(tmp_path, texts, [words(*range(start, start + 30)) for start in range(1000, 1600, 50)])
    assert (clean.value, clean.low, clean.high) == (0, 0, 0)


def test_articles_that_are_too_short_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.parquet has no test article of 13 words: give more or longer articles"):
        measured(tmp_path, [words(*range(20))], ["a b c"])
    assert not (tmp_path / "overlap.json").exists()
