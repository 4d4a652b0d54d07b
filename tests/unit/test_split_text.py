"""Small corpora: nothing of the text is lost, splits are disjoint, and what is too small is refused."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.corpus.repeat_phrase import repeat_phrase
from minillm.corpus.split_text import PIECE, split_text
from minillm.text import normalise

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}


def split(
    folder: Path, text: str, source: str, shares: dict[str, float] = SHARES, seed: int = 1
) -> list[dict[str, Any]]:
    (folder / "text.txt").write_text(text, encoding="utf-8")
    split_text(folder / "text.txt", source, "CC0 1.0", shares, seed, folder / "articles.parquet")
    return pq.read_table(folder / "articles.parquet").to_pylist()


def test_each_line_is_a_document_once_and_chance_splits_them(tmp_path: Path) -> None:
    lines = [f"refrán  número {number} " for number in range(20)]
    rows = split(tmp_path, "\ufeff" + "\n\n".join([*lines, lines[3]]) + "\n", "lines")
    assert [row["text"] for row in rows] == [f"refrán número {number}" for number in range(20)]
    assert [row["page_id"] for row in rows] == list(range(1, 21))
    assert Counter(row["split"] for row in rows) == {"train": 14, "validation": 3, "test": 3}
    assert rows[0]["title"] == "refrán número 0"
    assert (rows[0]["words"], rows[0]["characters"], rows[0]["licence"]) == (3, 15, "CC0 1.0")
    splits = [row["split"] for row in rows]
    assert splits != sorted(splits, key=["train", "validation", "test"].index)
    assert [row["split"] for row in split(tmp_path, "\n".join(lines), "phrase")] == splits
    assert [row["split"] for row in split(tmp_path, "\n".join(lines), "lines", seed=2)] != splits


def test_a_book_is_cut_in_three_in_its_order(tmp_path: Path) -> None:
    text = "".join(f"verso {number:05}\n" for number in range(10_000))  # 12 characters each
    rows = split(tmp_path, text, "book", {"train": 0.9, "validation": 0.05, "test": 0.05})
    assert "\n".join(row["text"] for row in rows) + "\n" == text
    characters: Counter[str] = Counter()
    for row in rows:
        characters[row["split"]] += len(row["text"]) + 1
    assert characters == {"train": 108_000, "validation": 6_000, "test": 6_000}
    assert [row["split"] for row in rows] == ["train"] * 22 + ["validation"] * 2 + ["test"] * 2
    assert all(PIECE <= len(row["text"]) + 1 < PIECE + 12 for row in rows[:21])


@settings(max_examples=30, deadline=None)
@given(text=st.text(st.sampled_from("aé \n\u00a0.ñ"), min_size=400, max_size=800))
def test_no_word_of_a_book_is_lost(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("book")
    try:
        rows = split(folder, text, "book")
    except ValueError:
        return  # a split without a visible character
    joined = "".join(row["text"] for row in rows)
    assert "".join(joined.split()) == "".join(normalise(text).split())


@pytest.mark.parametrize(
    ("text", "source", "message"),
    [
        ("", "lines", r"text\.txt: too few lines for three splits \(train, validation, test would be empty\)"),
        ("\n \n", "lines", "too few lines"),
        ("uno\ndos\n", "lines", r"validation would be empty|test would be empty"),
        ("", "book", "too few characters for three splits"),
    ],
)
def test_too_little_is_refused(text: str, source: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        split(tmp_path, text, source)
    assert not (tmp_path / "articles.parquet").exists()


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes("Ñandú\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"text\.txt is not UTF-8 .* save it with that encoding"):
        split_text(tmp_path / "text.txt", "lines", "", SHARES, 1, tmp_path / "articles.parquet")


def test_a_phrase_is_repeated_from_each_of_its_words(tmp_path: Path) -> None:
    repeat_phrase(" hola  mundo ", 5, tmp_path / "lines.txt")
    lines = (tmp_path / "lines.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(set(lines)) == 5
    for number, line in enumerate(lines):
        endless = ("hola mundo " if number % 2 == 0 else "mundo hola ") * 20
        assert line == endless[: 120 + number].strip()
    with pytest.raises(ValueError, match="the phrase to repeat is empty"):
        repeat_phrase(" ", 5, tmp_path / "lines.txt")
