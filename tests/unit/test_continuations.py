"""Continuations: which articles, which words of them, and as many words as asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from minillm.closure import code
from minillm.corpus.tables import ARTICLES, write_table
from minillm.evaluation import continuations
from minillm.evaluation.continuations import beginnings, generate_continuations
from minillm.files import read_json
from minillm.vocabulary.tokenizer import EOS


def articles(folder: Path, texts: list[str], split: str = "test") -> Path:
    filler = {field.name: "" if field.type == "string" else 0 for field in ARTICLES}
    rows = [
        {**filler, "page_id": number, "title": f"Título {number}", "split": split, "text": text}
        for number, text in enumerate(texts)
    ]
    write_table(folder / "some.parquet", rows, ARTICLES)
    return folder / "some.parquet"


def test_the_words_of_an_article(tmp_path: Path) -> None:
    """By hand; one of nine words is too short for two, three and as many again, after which nothing is read."""
    path = articles(
        tmp_path, ["uno dos.\n\nTres cuatro, cinco seis siete ocho nueve diez", "a b c d e f g", "1 2 3 4 5 6 7 8"]
    )
    found = beginnings(path, "test", prompts=9, prompt_words=2, continuation_words=3)
    assert [(row["page_id"], row["title"], row["prompt"], row["reference"], row["later"]) for row in found] == [
        (0, "Título 0", "uno dos.", "Tres cuatro, cinco", "seis siete ocho"),
        (2, "Título 2", "1 2", "3 4 5", "6 7 8"),
    ]
    assert {row["split"] for row in found} == {"test"}


@pytest.mark.parametrize(("prompts", "expected"), [(2, [0, 10]), (3, [0, 5, 10]), (6, [0, 2, 4, 6, 8, 10])])
def test_articles_are_evenly_spaced(tmp_path: Path, prompts: int, expected: list[int]) -> None:
    path = articles(tmp_path, ["a b c d e"] * 11)
    assert [row["page_id"] for row in beginnings(path, "test", prompts, 1, 2)] == expected


@pytest.mark.parametrize("split", ["test", "train"])
def test_articles_that_are_too_short_are_one_clear_error(tmp_path: Path, split: str) -> None:
    path = articles(tmp_path, ["a b c d e", "a b c d"], split)
    message = rf"two {split} articles of at least 5 words, and .*some\.parquet has 1: lower prompt_words"
    with pytest.raises(ValueError, match=message):
        beginnings(path, split, 4, 1, 2)


@pytest.fixture
def run(toy_corpus: Path, save_tiny: Callable[..., tuple[Path, Path]], tmp_path: Path) -> Callable[..., list[Any]]:
    def stage(vocabulary: str = "bpe.json", size: int = 280, words: int = 6, seed: int = 1) -> list[Any]:
        weights, description = save_tiny(size)
        generate_continuations(
            weights,
            description,
            toy_corpus / vocabulary,
            toy_corpus / "articles.parquet",
            prompts=2,
            prompt_words=5,
            continuation_words=words,
            temperature=0.9,
            seed=seed,
            threads=1,
            device="cpu",
            output=tmp_path / "continuations.json",
        )
        texts: list[Any] = read_json(tmp_path / "continuations.json")
        return texts

    return stage


def test_the_stage(run: Callable[..., list[Any]]) -> None:
    """Two of three test articles, by eye, and as many of train, of which no sample is taken."""
    texts = run()
    assert [(row["split"], row["prompt"], row["reference"]) for row in texts[:2]] == [
        ("test", "La villa es alta y", "la sierra es verde. El puente"),
        ("test", "La costa es verde. El", "molino está en el valle y"),
    ]
    assert [(row["split"], "sampled" in row) for row in texts] == [("test", True)] * 2 + [("train", False)] * 2
    assert texts == run()
    other = run(seed=2)
    assert [row["greedy"] for row in texts] == [row["greedy"] for row in other]
    assert [row.get("sampled") for row in texts] != [row.get("sampled") for row in other]


def test_a_text_has_its_words_and_no_more(run: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A word vocabulary writes a word or a mark with each token: none is left half way, none is too many."""
    told: dict[str, Any] = {}

    def watched(*arguments: Any) -> list[list[int]]:
        told["most"] = arguments[2]
        told["ids"] = original(*arguments)
        return told["ids"]  # type: ignore[no-any-return]

    original = continuations.generate
    monkeypatch.setattr(continuations, "generate", watched)
    monkeypatch.setattr(torch.Tensor, "argmax", never_eos(torch.Tensor.argmax))
    for row in run("words.json", 24, words=5):
        assert 1 <= len(row["greedy"].split()) <= 5
    # Five words of the references take at most seven tokens («la sierra es verde. El»: six).
    assert told["most"] <= 14
    assert all(len(ids) <= told["most"] for ids in told["ids"])


def never_eos(argmax: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def chosen(logits: torch.Tensor, dim: int) -> torch.Tensor:
        logits[:, EOS] = -torch.inf
        return argmax(logits, dim)

    return chosen


def test_a_model_that_ends_at_once_writes_nothing(
    run: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuations, "generate", lambda _, encoded, *rest: [[] for _ in encoded])
    assert {row["greedy"] for row in run()} == {""}


def test_what_is_measured_of_the_texts_needs_no_model() -> None:
    """A change of the networks or of torch's part of the code measures nothing anew that the texts do not change."""
    for stage in ("bleu", "repetition", "memorisation", "overlap"):
        files = code(f"minillm.evaluation.{stage}")
        assert not [file for file in files if "import torch" in Path(file).read_text(encoding="utf-8")]
