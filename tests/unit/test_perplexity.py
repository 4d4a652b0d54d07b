"""Perplexity and its family: two texts by hand, a uniform model by closed form, and a real one token by token."""

import math
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TEXTS

from minillm.evaluation import record
from minillm.evaluation.loading import load_network
from minillm.evaluation.perplexity import evaluate_perplexity, split_records
from minillm.evaluation.record import Record, read_records
from minillm.evaluation.spelling import SpellingModel
from minillm.evaluation.sums import METRICS, text_sizes
from minillm.files import read_json, sha256, write_json
from minillm.training.saved import load_model
from minillm.vocabulary.tokenizer import BOS, EOS, PAD, load_tokenizer, train_tokenizer

LN2 = math.log(2)
SIZES = {"words": 24, "bpe": 280}

# The pieces of the toy corpus that its vocabulary of 24 words does not know, read off by eye.
UNKNOWN_TRAIN = ["El", " nace", " valle", " verde", " valle", " largo", ",", " pero", " no"]
UNKNOWN_TRAIN += ["El", " azul", "\n\n", " larga", " torre", " de", " puente", " cruza", " a"]
UNKNOWN_TEST = [
    [" verde", " puente", " cruza", " valle", ",", " pero", " castillo", " no"],
    ["El", " azul", " largo", " a", " torre", " torre"],
    [" verde", "\n\n", "El", " molino", " valle", " molino", " no", " pequeño"],
]


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "RESAMPLES", 500)
    monkeypatch.setattr(record, "FEWEST_ARTICLES", 2)


@pytest.fixture
def evaluate(toy_corpus: Path, save_tiny: Callable[..., tuple[Path, Path]], tmp_path: Path) -> Callable[..., Path]:
    """Runs the stage on a tiny model; the folder with its outputs and the model."""

    def run(kind: str, uniform: bool = False, sample_articles: int = 50) -> Path:
        weights, description = save_tiny(SIZES[kind], uniform=uniform)
        evaluate_perplexity(
            weights,
            description,
            toy_corpus / f"{kind}.json",
            toy_corpus / "articles.parquet",
            "toy",
            "tiny",
            "1",
            threads=1,
            device="cpu",
            sample_articles=sample_articles,
            records=tmp_path / "perplexity.json",
            documents=tmp_path / "documents.csv",
            token_counts=tmp_path / "counts.csv",
            confidences=tmp_path / "confidences.parquet",
        )
        return tmp_path

    return run


def numbers(folder: Path) -> dict[tuple[str, str], Record]:
    return {(found.metric, found.split): found for found in read_records(folder / "perplexity.json")}


def texts_of(corpus: Path, split: str) -> list[str]:
    table = pd.read_parquet(corpus / "articles.parquet")
    return table[table["split"] == split]["text"].tolist()


def test_two_texts_by_hand() -> None:
    """«sí» and «a ñu»: 3 + 5 bytes, 2 + 4 characters, 1 + 2 words; 16 bits of tokens and 8 bits of spelling."""
    sizes = text_sizes(["sí", "a ñu"])
    assert {name: column.tolist() for name, column in sizes.items()} == {
        "bytes": [3, 5],
        "characters": [2, 4],
        "words": [1, 2],
    }
    sums = {
        "nll": np.array([6 * LN2, 10 * LN2]),
        "spelling": np.array([0, 8 * LN2]),
        "tokens": np.array([3.0, 5.0]),
        "unknown": np.array([0.0, 2.0]),
        "nll_unknown": np.array([0.0, 4 * LN2]),
        "brier": np.array([1.0, 3.0]),
        "correct": np.array([1.0, 1.0]),
        "in_top5": np.array([2.0, 4.0]),
        **sizes,
    }
    found = split_records(sums, corpus="c", model="m", seed="1", split="test")
    assert {one.metric: one.value for one in found} == pytest.approx(
        {
            "bits_per_byte": 24 / 8,
            "bits_per_character": 24 / 6,
            "word_perplexity": 2.0 ** (24 / 3),
            "loss": 2 * LN2,
            "perplexity": 4,
            "accuracy": 2 / 8,
            "top5_accuracy": 6 / 8,
            "unknown_rate": 2 / 8,
            "brier": 4 / 8,
            "perplexity_known": 4,  # 12 bits for 6 known tokens
            "bits_per_byte_uncharged": 16 / 8,
        }
    )
    assert all(one.n == 2 for one in found)
    assert {one.metric for one in found if one.better == "higher"} == {"accuracy", "top5_accuracy"}
    bits = next(one for one in found if one.metric == "bits_per_byte")
    # resamples are one text twice, or both: 6/3 = 2, 18/5 = 3.6 or 3 bits per byte
    assert (bits.low, bits.high) == pytest.approx((2, 3.6))


def test_words_are_separated_by_any_white_space() -> None:
    assert text_sizes(["El río\n\nEl mar.\nFin"])["words"].tolist() == [5]


def test_a_uniform_model_by_closed_form(evaluate: Callable[..., Path], toy_corpus: Path) -> None:
    """ln 24 a token, and every unknown piece is paid for by a model of the train split's unknown pieces."""
    folder = evaluate("words", uniform=True)
    found = numbers(folder)
    tokens, unknown = [25, 24, 25], UNKNOWN_TEST
    spelling = SpellingModel(Counter(UNKNOWN_TRAIN))
    price = sum(spelling.nll(piece) for row in unknown for piece in row)
    size = sum(len(text.encode()) for text in texts_of(toy_corpus, "test"))
    bits = sum(tokens) * math.log2(24)
    assert found["loss", "test"].value == pytest.approx(math.log(24))
    assert found["perplexity", "test"].value == pytest.approx(24)
    assert found["unknown_rate", "test"].value == pytest.approx(22 / 74)
    assert found["bits_per_byte_uncharged", "test"].value == pytest.approx(bits / size)
    assert found["bits_per_byte", "test"].value == pytest.approx((bits + price / LN2) / size)
    assert price > 22, "spelling is too cheap to be paid for at all"
    documents = pd.read_csv(folder / "documents.csv").query("split == 'test'")
    assert documents["tokens"].tolist() == tokens
    assert documents["unknown"].tolist() == [len(row) for row in unknown]
    assert documents["spelling"].tolist() == pytest.approx([sum(map(spelling.nll, row)) for row in unknown])


def test_bytes_of_a_model_without_unknown_text(evaluate: Callable[..., Path], toy_corpus: Path) -> None:
    found = numbers(evaluate("bpe", uniform=True))
    size = sum(len(text.encode()) for text in texts_of(toy_corpus, "test"))
    assert found["bits_per_byte", "test"].value == pytest.approx((68 + 59 + 71) * math.log2(280) / size)
    assert found["bits_per_byte", "test"].value == found["bits_per_byte_uncharged", "test"].value
    assert found["unknown_rate", "test"].value == 0


@torch.no_grad()
@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_a_real_model_token_by_token(evaluate: Callable[..., Path], toy_corpus: Path, kind: str) -> None:
    folder = evaluate(kind)
    model = load_model(folder / "model.safetensors", folder / "config.json", torch.device("cpu"))
    tokenizer = load_tokenizer(toy_corpus / f"{kind}.json")
    said, gold, losses, hits5 = Counter[int](), Counter[int](), [], []
    per_document = []
    for text in texts_of(toy_corpus, "test"):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        full = [BOS, *ids]
        start = len(losses)
        for position, target in enumerate(ids):
            last = min((position // 8 + 1) * 8, len(ids))
            logits = model(torch.tensor([full[max(0, last - 8) : position + 1]]))[0, -1].double()
            losses.append(-logits.log_softmax(-1)[target].item())
            hits5.append(target in logits.topk(5).indices.tolist())
            said[logits.argmax().item()] += 1
            gold[target] += 1
        per_document.append(sum(losses[start:]))
    found = numbers(folder)
    assert found["loss", "test"].value == pytest.approx(np.mean(losses), rel=1e-5)
    assert found["top5_accuracy", "test"].value == pytest.approx(np.mean(hits5))
    documents = pd.read_csv(folder / "documents.csv").query("split == 'test'")
    assert documents["nll"].tolist() == pytest.approx(per_document, rel=1e-5)
    counts = pd.read_csv(folder / "counts.csv", index_col="token")
    assert len(counts) == SIZES[kind]
    assert {token: n for token, n in counts["true"].items() if n} == gold
    assert {token: n for token, n in counts["predicted"].items() if n} == said
    assert not counts.loc[[PAD, BOS, EOS], "true"].any()


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_what_must_be_true_of_every_split(evaluate: Callable[..., Path], split: str) -> None:
    folder = evaluate("words")
    found = {metric: one for (metric, part), one in numbers(folder).items() if part == split}
    assert found["perplexity"].value == pytest.approx(math.exp(found["loss"].value), rel=1e-12)
    sums = pd.read_csv(folder / "documents.csv").query("split == @split").sum(numeric_only=True)
    paid = sums["nll"] + sums["spelling"]
    assert found["bits_per_byte"].value == pytest.approx(paid / LN2 / sums["bytes"])
    assert 2 ** found["bits_per_byte"].value == pytest.approx(math.exp(paid / sums["bytes"]))
    assert found["loss"].value == pytest.approx(sums["nll"] / sums["tokens"])
    for metric in METRICS:
        one = found[metric]
        assert one.low is not None
        assert one.high is not None
        assert one.low <= one.value <= one.high
        assert (one.corpus, one.model, one.seed) == ("toy", "tiny", "1")


def test_samples_are_spread_over_the_split_and_the_test_split_is_whole(evaluate: Callable[..., Path]) -> None:
    folder = evaluate("words", sample_articles=2)
    documents = pd.read_csv(folder / "documents.csv")
    by_split = {split: rows["page_id"].tolist() for split, rows in documents.groupby("split")}
    assert by_split == {"train": [1, 4], "validation": [5, 6], "test": [7, 8, 9]}
    assert numbers(folder)["loss", "train"].n == 2


def test_generalisation(evaluate: Callable[..., Path]) -> None:
    found = numbers(evaluate("words"))
    for metric, name in (("loss", "loss"), ("bits_per_byte", "bits")):
        train, validation = (found[metric, split].value for split in ("train", "validation"))
        assert found[f"generalisation_gap_{name}", "validation"].value == pytest.approx(validation - train)
        assert found[f"generalisation_ratio_{name}", "validation"].value == pytest.approx(validation / train)
    assert found["generalisation_gap_bits", "validation"].unit == "bit/byte"


@torch.no_grad()
@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_what_is_written_of_every_token_and_position(
    evaluate: Callable[..., Path], toy_corpus: Path, kind: str
) -> None:
    """Expected counts, confidences and what is predicted on padding, with a context of 8, window by window."""
    folder = evaluate(kind)
    model = load_model(folder / "model.safetensors", folder / "config.json", torch.device("cpu"))
    tokenizer = load_tokenizer(toy_corpus / f"{kind}.json")
    expected, on_padding = np.zeros(SIZES[kind]), Counter[int]()
    sure, right = [], []
    for text in texts_of(toy_corpus, "test"):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        full = [BOS, *ids]
        for position, target in enumerate(ids):
            last = min((position // 8 + 1) * 8, len(ids))
            p = model(torch.tensor([full[max(0, last - 8) : position + 1]]))[0, -1].double().softmax(-1)
            expected += p.numpy()
            sure.append(p.max().item())
            right.append(p.argmax().item() == target)
        rest = full[len(ids) // 8 * 8 : -1]
        if rest:
            padded = model(torch.tensor([rest + [PAD] * (8 - len(rest))]))[0].argmax(-1).tolist()
            on_padding.update(padded[len(rest) :])
    counts = pd.read_csv(folder / "counts.csv", index_col="token")
    np.testing.assert_allclose(counts["expected"], expected, rtol=1e-4)
    assert {token: n for token, n in counts["predicted_on_padding"].items() if n} == on_padding
    assert on_padding.total() > 0
    assert counts.index[counts["unknown"]].tolist() == ([1] if kind == "words" else [])
    positions = pd.read_parquet(folder / "confidences.parquet")
    np.testing.assert_allclose(positions["confidence"], sure, rtol=1e-4)
    assert positions["correct"].tolist() == right
    temperature = next(one for one in read_records(folder / "perplexity.json") if one.metric == "temperature")
    assert (positions["tempered"] < positions["confidence"]).mean() > 0.99, "random weights are far too sure"
    assert temperature.value > 1


@pytest.fixture
def with_texts(toy_corpus: Path, tmp_path: Path) -> Callable[[dict[str, list[str]]], Path]:
    """A folder like the toy corpus, with other texts in some splits."""

    def write(texts: dict[str, list[str]]) -> Path:
        table = pd.read_parquet(toy_corpus / "articles.parquet")
        kept = table[~table["split"].isin(texts)]
        new = [table.iloc[0].to_dict() | {"split": split, "text": text} for split in texts for text in texts[split]]
        frame = pd.concat([kept, pd.DataFrame(new)]).reset_index(drop=True)
        frame["page_id"] = range(len(frame))
        folder = tmp_path / "other"
        folder.mkdir()
        frame.to_parquet(folder / "articles.parquet")
        for kind in SIZES:
            (folder / f"{kind}.json").write_bytes((toy_corpus / f"{kind}.json").read_bytes())
        return folder

    return write


STRANGE = ["", "é", "a\u00a0b 🙂 \ufffd\r\n" * 9, "El río es azul. " * 20]


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_strange_texts_change_no_others(
    with_texts: Callable[..., Path], save_tiny: Callable[..., tuple[Path, Path]], tmp_path: Path, kind: str
) -> None:
    """Empty, of one token, longer than the context, with emoji and U+FFFD; in any order the same sums."""
    weights, description = save_tiny(SIZES[kind])
    found = []
    for number, texts in enumerate((STRANGE, STRANGE[::-1], STRANGE[1:])):
        corpus = with_texts({"test": texts})
        folder = tmp_path / str(number)
        evaluate_perplexity(
            weights,
            description,
            corpus / f"{kind}.json",
            corpus / "articles.parquet",
            "toy",
            "tiny",
            "1",
            threads=1,
            device="cpu",
            sample_articles=50,
            records=folder / "perplexity.json",
            documents=folder / "documents.csv",
            token_counts=folder / "counts.csv",
            confidences=folder / "confidences.parquet",
        )
        sums = pd.read_csv(folder / "documents.csv").query("split == 'test'").drop(columns=["page_id", "split"])
        found.append(sums.to_numpy())
        shutil.rmtree(corpus)
    assert (found[0][0] == 0).all(), "the empty text"
    np.testing.assert_allclose(found[0], found[1][::-1], rtol=1e-6)
    np.testing.assert_allclose(found[0][1:], found[2], rtol=1e-6)


def test_a_split_without_articles(with_texts: Callable[..., Path], save_tiny: Callable[..., tuple[Path, Path]]) -> None:
    corpus = with_texts({"test": []})
    with pytest.raises(ValueError, match="the test split has no articles"):
        evaluate_perplexity(
            *save_tiny(24), corpus / "words.json", corpus / "articles.parquet", "toy", "tiny", "1", 1, "cpu", 5,
            *(corpus / name for name in ("records", "documents", "counts", "confidences")),
        )  # fmt: skip
    assert not (corpus / "records").exists()


def test_the_tokenizer_of_another_model(toy_corpus: Path, save_tiny: Callable[..., tuple[Path, Path]]) -> None:
    with pytest.raises(ValueError, match=r"words\.json has 24 tokens, and the model of .* was made for 280"):
        load_network(*save_tiny(280), toy_corpus / "words.json", threads=1, device="cpu")


def test_the_same_bytes_twice(evaluate: Callable[..., Path]) -> None:
    names = "perplexity.json", "documents.csv", "counts.csv", "confidences.parquet"
    first = [(evaluate("words") / name).read_bytes() for name in names]
    assert [(evaluate("words") / name).read_bytes() for name in names] == first


def test_another_tokenizer_of_the_same_size(
    toy_corpus: Path, save_tiny: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    weights, description = save_tiny(24)
    other = tmp_path / "other.json"
    train_tokenizer(TEXTS["test"], "words", 24).save(str(other))
    load_network(weights, description, other, threads=1, device="cpu")  # nothing is known of its tokenizer
    saved = read_json(description)
    write_json(description, {**saved, "tokenizer": sha256(toy_corpus / "words.json")})
    load_network(weights, description, toy_corpus / "words.json", threads=1, device="cpu")
    with pytest.raises(ValueError, match=r"other\.json is not the tokenizer that the model of .* was trained with"):
        load_network(weights, description, other, threads=1, device="cpu")
