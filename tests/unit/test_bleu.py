"""BLEU worked out by hand and by brute force; the stage's floor, ceiling and texts."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.evaluation.bleu import bleu_scores, evaluate_bleu
from minillm.evaluation.record import read_records
from minillm.files import read_json

sentences = st.lists(st.lists(st.sampled_from("abcd"), min_size=4, max_size=9), min_size=1, max_size=4)


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


def run(toy_corpus: Path, save_tiny: Callable[..., tuple[Path, Path]], folder: Path, prompt_words: int) -> None:
    weights, description = save_tiny(280)
    evaluate_bleu(
        weights,
        description,
        toy_corpus / "bpe.json",
        toy_corpus / "articles.parquet",
        "toy",
        "tiny",
        "1",
        threads=1,
        device="cpu",
        prompts=2,
        prompt_words=prompt_words,
        continuation_words=6,
        records=folder / "bleu.json",
        texts=folder / "texts.json",
    )


def test_the_stage(toy_corpus: Path, save_tiny: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    """Prompts of five words and references of six, by eye; the floor is the other text, the ceiling what follows."""
    run(toy_corpus, save_tiny, tmp_path, prompt_words=5)
    texts = read_json(tmp_path / "texts.json")
    assert [(row["prompt"], row["reference"]) for row in texts["texts"]] == [
        ("La villa es alta y", "la sierra es verde. El puente"),
        ("El río es azul y", "el mar es largo. La playa"),
    ]
    references = [row["reference"] for row in texts["texts"]]
    found = {one.metric: one for one in read_records(tmp_path / "bleu.json")}
    expected = {
        "bleu": [row["generated"] for row in texts["texts"]],
        "bleu_floor": references[::-1],
        "bleu_ceiling": ["cruza el valle, pero el castillo", "llega a la torre y la"],
    }
    for name, candidates in expected.items():
        scores = [found[f"{name}{order}"].value for order in range(1, 5)]
        assert scores == pytest.approx(bleu_scores(candidates, references))
    assert len(found) == 12
    assert found["bleu_floor1"].value > 0
    assert all(0 <= one.value <= 1 and one.n == 2 for one in found.values())
    assert {one.better for metric, one in found.items() if "_" in metric} == {"neither"}
    assert all(len(row["generated"].split()) <= 6 for row in texts["texts"])
    assert "tok:13a|smooth:none" in texts["signature"]


def test_texts_that_are_too_short_are_one_clear_error(
    toy_corpus: Path, save_tiny: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"at least 112 words and found 0: lower evaluation\.bleu\.prompt_words"):
        run(toy_corpus, save_tiny, tmp_path, prompt_words=100)
    assert not (tmp_path / "bleu.json").exists()
