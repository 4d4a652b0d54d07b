"""Repetition, variety and distances, each worked out by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.evaluation.record import Record, read_records
from minillm.evaluation.repetition import (
    between,
    distinct,
    evaluate_repetition,
    jensen_shannon,
    repeated,
    total_variation,
    zipf_slope,
)
from minillm.files import write_json

texts = st.lists(st.lists(st.sampled_from("abc"), min_size=2, max_size=6), min_size=1, max_size=4)


def test_repeated_ngrams_by_hand() -> None:
    """«a b a b a»: pairs ab ba ab ba, two of four repeated; triples aba bab aba, one of three."""
    words = list("ababa")
    assert repeated(words, 2) == pytest.approx(2 / 4)
    assert repeated(words, 3) == pytest.approx(1 / 3)
    assert repeated(words, 4) == 0
    assert repeated(words, 5) == 0
    assert repeated(words, 6) is None
    assert repeated([], 2) is None


def test_one_word_again_and_again() -> None:
    assert repeated(["a"] * 100, 4) == pytest.approx(96 / 97)
    assert distinct([["a"] * 50, ["a"] * 50], 1) == 1 / 100


def test_distinct_ngrams_by_hand() -> None:
    """Over all texts together: a b c of six words; no pair crosses from one text to the next."""
    pair = ["abab", "bc"]
    assert distinct(pair, 1) == pytest.approx(3 / 6)
    assert distinct(pair, 2) == pytest.approx(3 / 4)
    assert distinct(pair, 3) == 1
    assert distinct(pair, 5) is None


def test_the_slope_of_zipf() -> None:
    """Frequencies 60, 30, 20, 15, 12 are 60 over the rank: slope -1; all equal: 0; only a hundred words count."""
    words = [word for word, times in zip("abcde", (60, 30, 20, 15, 12), strict=True) for _ in range(times)]
    assert zipf_slope([words]) == pytest.approx(-1)
    assert zipf_slope([list("abcd")]) == pytest.approx(0, abs=1e-12)
    tail = [f"{number}" for number in range(500)]
    assert zipf_slope([[*(f"w{n}" for n in range(100) for _ in range(2)), *tail]]) == pytest.approx(0, abs=1e-12)
    assert zipf_slope([["a", "a"]]) is None
    assert zipf_slope([]) is None


def test_distances_by_hand() -> None:
    """(1/2, 1/2, 0) and (1/2, 0, 1/2): half of the mass differs, and the divergence is half a bit."""
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.0, 0.5])
    assert total_variation(p, q) == pytest.approx(0.5)
    assert jensen_shannon(p, q) == pytest.approx(math.sqrt(0.5))
    assert total_variation(p[:2], np.array([1.0, 0.0])) == pytest.approx(0.5)


def test_distances_between_texts() -> None:
    """Shares of the words of each side, however much it wrote; pairs within a text only."""
    assert between(total_variation, ["ab"], ["aaab"], 1) == pytest.approx(0.25)
    assert between(total_variation, [["a", "b"], ["c", "d"]], [["a", "b", "c", "d"]], 2) == pytest.approx(1 / 3)
    assert between(total_variation, [["a"]], [["b"]], 1) == 1
    assert between(jensen_shannon, [["a"]], [["b"]], 1) == pytest.approx(1)
    assert between(total_variation, [[]], [["b"]], 1) is None


@given(texts, texts)
def test_distances_are_distances(one: list[list[str]], other: list[list[str]]) -> None:
    for distance in (total_variation, jensen_shannon):
        for order in (1, 2):
            found = between(distance, one, other, order)
            assert found is not None
            assert 0 <= found <= 1 + 1e-12
            assert between(distance, other, one, order) == pytest.approx(found)
            assert between(distance, one, one[::-1], order) == pytest.approx(0, abs=1e-7)


def evaluated(folder: Path, rows: list[dict[str, str]]) -> dict[str, Record]:
    write_json(folder / "continuations.json", [*rows, {"split": "train", "greedy": "nada"}])
    evaluate_repetition(folder / "continuations.json", "toy", "tiny", "1", folder / "repetition.json")
    return {one.metric: one for one in read_records(folder / "repetition.json")}


ROWS = [
    {
        "split": "test",
        "reference": f"el río {number} nace aquí",
        "later": f"la villa {number} está lejos",
        "greedy": "el mar el mar el",
        "sampled": f"el río {number} el río",
    }
    for number in range(12)
]


def test_the_stage(tmp_path: Path) -> None:
    """By hand from the rows: «el mar el mar el» has two of four pairs twice, «el río n el río» one of four."""
    found = evaluated(tmp_path, ROWS)
    values = {
        "written_words": 5,
        "seq_rep2": 2 / 4,
        "seq_rep3": 1 / 3,
        "seq_rep4": 0,
        "seq_rep_sampled2": 1 / 4,
        "seq_rep_human2": 0,
        "distinct1": 2 / 60,
        "distinct2": 2 / 48,
        "distinct_human1": 16 / 60,
        "distinct_sampled1": 14 / 60,
        "text_variation1": 1 - 1 / 5,  # of the shares of the human words: el 1/5, which the model exceeds
        "text_variation2": 1,
        "text_variation_human1": 1 - 1 / 5,  # only the numbers are in both
        "text_variation_sampled1": 2 / 5,  # el and río are a fifth each too many; nace, aquí are missing
    }
    assert {metric: found[metric].value for metric in values} == pytest.approx(values)
    assert all(one.n == 12 and one.split == "test" for one in found.values())
    assert found["seq_rep2"].low == pytest.approx(found["seq_rep2"].high), "all texts are alike"
    assert {metric for metric, one in found.items() if one.interval} == {
        f"seq_rep{way}{order}" for way in ("", "_sampled", "_human") for order in (2, 3, 4)
    }
    assert len(found) == 3 * (1 + 3 + 3 + 1) + 3 * 4


def test_the_order_of_the_texts_does_not_matter(tmp_path: Path) -> None:
    first, second = evaluated(tmp_path, ROWS), evaluated(tmp_path, ROWS[::-1])
    assert {name: one.value for name, one in second.items()} == pytest.approx(
        {name: one.value for name, one in first.items()}
    )


def test_what_was_not_written_is_not_measured(tmp_path: Path) -> None:
    """One text of two words, the others empty: of runs of three words nothing is known, and no number is made up."""
    rows = [{**row, "greedy": "" if number else "el mar"} for number, row in enumerate(ROWS)]
    found = evaluated(tmp_path, rows)
    assert found["written_words"].value == pytest.approx(2 / 12)
    assert (found["seq_rep2"].value, found["seq_rep2"].n) == (0, 1)
    assert not {"seq_rep3", "distinct3"} & set(found)
    nothing = evaluated(tmp_path, [{**row, "greedy": ""} for row in ROWS])
    assert {name for name in nothing if "_sampled" not in name and "_human" not in name} == {"written_words"}
