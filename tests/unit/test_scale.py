"""Unigrams by counting, and what a compressor makes of the same text."""

import bz2
import lzma
import math
import zlib
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from minillm.evaluation import record
from minillm.evaluation.ngrams import NGramModel
from minillm.evaluation.record import Record, read_records
from minillm.evaluation.scale import gives_back, measure_scale
from minillm.evaluation.spelling import SpellingModel
from minillm.evaluation.sums import Speller
from minillm.vocabulary.tokenizer import UNK, load_tokenizer


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "RESAMPLES", 500)
    monkeypatch.setattr(record, "FEWEST_ARTICLES", 2)


def scale_of(corpus: Path, kind: str, folder: Path) -> dict[str, Record]:
    measure_scale(corpus / "articles.parquet", corpus / f"{kind}.json", kind, "toy", folder / "scale.json")
    return {found.model: found for found in read_records(folder / "scale.json")}


@pytest.mark.parametrize(("kind", "size"), [("words", 24), ("bpe", 280)])
def test_the_unigram_model(toy_corpus: Path, tmp_path: Path, kind: str, size: int) -> None:
    """Counts of the train split plus one, shared over the vocabulary; unknown pieces are spelled."""
    table = pd.read_parquet(toy_corpus / "articles.parquet")
    train, test = (table[table["split"] == split]["text"] for split in ("train", "test"))
    tokenizer = load_tokenizer(toy_corpus / f"{kind}.json")
    counts, unknown = Counter[int](), Counter[str]()
    for text in train:
        encoding = tokenizer.encode(text)
        counts.update(encoding.ids)
        unknown.update(text[a:b] for i, (a, b) in zip(encoding.ids, encoding.offsets, strict=True) if i == UNK)
    bits = 0.0
    for text in test:
        encoding = tokenizer.encode(text)
        for id_, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            bits -= math.log2((counts[id_] + 1) / (counts.total() + size))
            if id_ == UNK:
                bits += SpellingModel(unknown).nll(text[start:end]) / math.log(2)
    found = scale_of(toy_corpus, kind, tmp_path)[f"unigram-{kind}"]
    assert found.value == pytest.approx(bits / sum(len(text.encode()) for text in test))
    assert (found.metric, found.unit, found.split, found.n, found.seed) == ("bits_per_byte", "bit/byte", "test", 3, "")
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize(("kind", "size"), [("words", 24), ("bpe", 280)])
def test_the_ngram_model_spells_what_is_unknown(toy_corpus: Path, tmp_path: Path, kind: str, size: int) -> None:
    table = pd.read_parquet(toy_corpus / "articles.parquet")
    train, test = (table[table["split"] == split]["text"].tolist() for split in ("train", "test"))
    tokenizer = load_tokenizer(toy_corpus / f"{kind}.json")
    nats = NGramModel([tokenizer.encode(text).ids for text in train], size).nll([tokenizer.encode(t).ids for t in test])
    length = sum(len(text.encode()) for text in test)
    found = scale_of(toy_corpus, kind, tmp_path)
    unspelled = nats.sum() / math.log(2) / length
    if kind == "bpe":
        assert found["ngram-bpe"].value == pytest.approx(unspelled)
    else:
        assert found["ngram-words"].value > unspelled + 1, "22 of 74 pieces are unknown"
    assert found[f"ngram-{kind}"].value < found[f"unigram-{kind}"].value


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_texts_are_given_back(toy_corpus: Path, tmp_path: Path, kind: str) -> None:
    assert scale_of(toy_corpus, kind, tmp_path)[kind].value == 1


def test_a_vocabulary_that_drops_spaces_is_found() -> None:
    lossy = Tokenizer(models.WordLevel({"[UNK]": 0, "La": 1, "villa": 2}, unk_token="[UNK]"))
    lossy.pre_tokenizer = pre_tokenizers.Whitespace()
    lossy.decoder = decoders.Fuse()
    speller = Speller(lossy, ["La casa"])
    for text, same in (("La villa", False), ("casa", True), ("", True), ("La casa", False)):
        assert gives_back(lossy, speller, text, lossy.encode(text)) == same


def test_the_compressor(toy_corpus: Path, tmp_path: Path) -> None:
    """The whole test split as one text; near what other compressors need, and it can be undone."""
    table = pd.read_parquet(toy_corpus / "articles.parquet")
    text = "\n\n".join(table[table["split"] == "test"]["text"]).encode()
    found = scale_of(toy_corpus, "bpe", tmp_path)["xz"]
    size = found.value * len(text) / 8
    assert size == pytest.approx(round(size))
    assert len(zlib.compress(text, 9)) * 0.8 < size < len(bz2.compress(text)) * 1.6
    assert size <= len(lzma.compress(text, preset=0))
    assert found.low is None
    assert found.n == 3


def test_the_compressor_is_the_same_for_every_vocabulary(toy_corpus: Path, tmp_path: Path) -> None:
    values = [scale_of(toy_corpus, kind, tmp_path)["xz"].value for kind in ("words", "bpe")]
    assert values[0] == values[1]
