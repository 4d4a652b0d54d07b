"""BLEU worked out by hand and by brute force; the stage's floor, ceiling, intervals and signatures."""

import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.evaluation.bleu import ORDERS, bleu, chrf, evaluate_bleu
from minillm.evaluation.record import Record, read_records
from minillm.files import read_json, write_json

sentences = st.lists(st.lists(st.sampled_from("abcd"), min_size=4, max_size=9), min_size=1, max_size=4)


def bleu_scores(candidates: list[str], references: list[str]) -> list[float]:
    return [bleu(candidates, references, order).value for order in ORDERS]


def by_definition(candidates: list[list[str]], references: list[list[str]], order: int) -> float:
    """Papineni et al. 2002: clipped precisions over the corpus, their geometric mean, the brevity penalty."""
    logs = []
    for n in range(1, order + 1):
        matches = total = 0
        for candidate, reference in zip(candidates, references, strict=True):
            said = Counter(tuple(candidate[i : i + n]) for i in range(len(candidate) - n + 1))
            right = Counter(tuple(reference[i : i + n]) for i in range(len(reference) - n + 1))
            matches += (said & right).total()
            total += said.total()
        if not matches:
            return 0.0
        logs.append(math.log(matches / total))
    lengths = [sum(map(len, side)) for side in (candidates, references)]
    return math.exp(sum(logs) / order + min(0.0, 1 - lengths[1] / lengths[0]))


def test_by_hand() -> None:
    """«a b c x e f» for «a b c d e f»: 5/6, 3/5, 1/4, 0/3."""
    assert bleu_scores(["a b c x e f"], ["a b c d e f"]) == pytest.approx(
        [5 / 6, math.sqrt(5 / 6 * 3 / 5), (5 / 6 * 3 / 5 * 1 / 4) ** (1 / 3), 0]
    )
    assert bleu_scores(["a b c x e f"], ["a b c d e f"])[1:3] == pytest.approx([math.sqrt(0.5), 0.5])


def test_a_copy_is_perfect_and_a_stranger_is_nothing() -> None:
    text = "el río llega al mar azul."
    assert bleu_scores([text, "la villa es alta y verde"], [text, "la villa es alta y verde"]) == pytest.approx([1] * 4)
    assert bleu_scores(["uno dos tres cuatro"], [text]) == [0] * 4
    assert bleu_scores([""], [text]) == [0] * 4


def test_short_texts_pay_for_their_brevity() -> None:
    assert bleu_scores(["a b c d"], ["a b c d e f g h"]) == pytest.approx([math.exp(-1)] * 4)


def test_repeating_a_word_counts_it_once() -> None:
    assert bleu_scores(["a a a a"], ["a b c d"])[:2] == pytest.approx([1 / 4, 0])


def test_counts_are_of_the_corpus() -> None:
    """4 of 12 words: neither the mean of the texts, 1/2, nor zero for order 4."""
    candidates, references = ["a b c d", "x x x x x x x x"], ["a b c d", "e f g h i j k l"]
    assert bleu_scores(candidates, references) == pytest.approx(
        [
            4 / 12,
            math.sqrt(4 / 12 * 3 / 10),
            (4 / 12 * 3 / 10 * 2 / 8) ** (1 / 3),
            (4 / 12 * 3 / 10 * 2 / 8 / 6) ** 0.25,
        ]
    )


@given(sentences, st.data())
@settings(max_examples=50, deadline=None)
def test_against_the_definition(candidates: list[list[str]], data: st.DataObject) -> None:
    references = [data.draw(st.lists(st.sampled_from("abcd"), min_size=4, max_size=9)) for _ in candidates]
    found = bleu_scores([" ".join(row) for row in candidates], [" ".join(row) for row in references])
    assert found == pytest.approx([by_definition(candidates, references, order) for order in range(1, 5)], abs=1e-12)


TEXTS = [
    {
        "split": "test",
        "reference": f"la villa número {number} es alta",
        "later": f"el río número {number} es largo",
        "greedy": "la villa es alta" if number else "",
        "sampled": f"la villa número {number} es verde",
    }
    for number in range(12)
]


def evaluated(folder: Path, texts: list[dict[str, str]]) -> dict[str, Record]:
    write_json(folder / "continuations.json", [*texts, {"split": "train", "greedy": "el mar"}])
    evaluate_bleu(folder / "continuations.json", "toy", "tiny", "1", folder / "bleu.json", folder / "signatures.json")
    return {one.metric: one for one in read_records(folder / "bleu.json")}


def test_the_stage(tmp_path: Path) -> None:
    """Greedy, samples, the references of the next text (floor) and the later passages (ceiling); of test alone."""
    found = evaluated(tmp_path, TEXTS)
    references = [text["reference"] for text in TEXTS]
    expected = {
        "": [text["greedy"] for text in TEXTS],
        "_sampled": [text["sampled"] for text in TEXTS],
        "_floor": references[1:] + references[:1],
        "_ceiling": [text["later"] for text in TEXTS],
    }
    for suffix, candidates in expected.items():
        scores = [found[f"bleu{suffix}{order}"].value for order in ORDERS]
        assert scores == pytest.approx(bleu_scores(candidates, references))
        assert found[f"chrf{suffix}"].value == pytest.approx(chrf(candidates, references).value)
    assert len(found) == 20
    assert all(one.n == 12 and one.split == "test" for one in found.values())
    assert {metric for metric, one in found.items() if one.better == "higher"} == {
        *(f"bleu{suffix}{order}" for suffix in ("", "_sampled") for order in ORDERS),
        *("chrf", "chrf_sampled"),
    }
    assert found["bleu_sampled1"].value == pytest.approx(5 / 6), "five of six words"
    # Precision 1 of 4-word texts, 11 of 12 of them, for 6-word references: 44 against 72 words.
    assert found["bleu1"].value == pytest.approx(math.exp(1 - 72 / 44))


def test_intervals_are_those_of_enough_texts(tmp_path: Path) -> None:
    for count, there in ((12, True), (9, False)):
        found = evaluated(tmp_path, TEXTS[:count])
        one = found["bleu1"]
        assert (one.low is not None, bool(one.interval)) == (there, there)
        if one.low is not None and one.high is not None:
            assert one.low < one.value < one.high < 1


def test_a_score_of_nothing_has_no_interval(tmp_path: Path) -> None:
    found = evaluated(tmp_path, [{**text, "greedy": ""} for text in TEXTS])
    for metric in ("bleu1", "bleu4", "chrf"):
        assert (found[metric].value, found[metric].low, found[metric].interval) == (0, None, "")


def test_the_signature_says_all(tmp_path: Path) -> None:
    """sacreBLEU leaves the order of the n-grams out."""
    evaluated(tmp_path, TEXTS)
    signatures = read_json(tmp_path / "signatures.json")
    assert len(signatures) == 20
    for order in ORDERS:
        assert "tok:13a|smooth:none|" in signatures[f"bleu_floor{order}"]
        assert signatures[f"bleu_floor{order}"].endswith(f"|order:{order}")
    assert "|nc:6|nw:2|" in signatures["chrf"]


def test_the_order_of_the_texts_does_not_matter(tmp_path: Path) -> None:
    """But to the floor, which takes the next text's."""
    first, second = evaluated(tmp_path, TEXTS), evaluated(tmp_path, TEXTS[::-1])
    for metric, one in first.items():
        if "floor" not in metric:
            assert second[metric].value == pytest.approx(one.value)


def test_chrf_by_hand() -> None:
    """«abc» for «abd»: characters 2/3, 1/2 and 0/1, words 0/1; equally long, so recall is precision."""
    assert chrf(["abc"], ["abd"]).value == pytest.approx((2 / 3 + 1 / 2 + 0 + 0) / 4)
