"""Marks to read bits per byte against: what needs no neural network at all.

For each vocabulary a unigram model and one of n-grams, with [UNK] paid for as for the models, and the xz compressor on
the same test text.
"""

import lzma
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from minillm.corpus.tables import read_split
from minillm.evaluation.ngrams import NGramModel
from minillm.evaluation.record import Record, estimate, write_records
from minillm.evaluation.sums import METRICS, Speller, text_sizes
from minillm.stage import run_stage
from minillm.vocabulary.tokenizer import decode, load_tokenizer, vocabulary_size


def measure_scale(articles: Path, tokenizer: Path, vocabulary: str, corpus: str, records: Path) -> None:
    """Measure the n-gram models of a vocabulary and xz on the test split, and whether the vocabulary loses text."""
    loaded = load_tokenizer(tokenizer)
    train, test = read_split(articles, "train"), read_split(articles, "test")
    speller = Speller(loaded, train)
    encodings = loaded.encode_batch(test, add_special_tokens=False)
    train_ids = [encoding.ids for encoding in loaded.encode_batch_fast(train, add_special_tokens=False)]
    test_ids = [encoding.ids for encoding in encodings]
    counts = np.ones(vocabulary_size(loaded))  # add-one smoothing
    for ids in train_ids:
        counts += np.bincount(ids, minlength=len(counts))
    cost = -np.log(counts / counts.sum())
    spelling = np.array([speller.cost(text, e) for text, e in zip(test, encodings, strict=True)])
    bits = METRICS["bits_per_byte"]
    shared: dict[str, Any] = {"split": "test", "corpus": corpus}
    comparable = {**shared, "unit": bits.unit, "better": bits.better}
    found = [
        estimate(
            "bits_per_byte",
            {"nll": nll, "spelling": spelling, **text_sizes(test)},
            bits.of,
            model=f"{name}-{vocabulary}",
            **comparable,
        )
        for name, nll in (
            ("unigram", np.array([cost[ids].sum() for ids in test_ids])),
            ("ngram", NGramModel(train_ids, len(counts)).nll(test_ids)),
        )
    ]
    joined = "\n\n".join(test).encode()
    compressed = lzma.compress(joined, preset=9 | lzma.PRESET_EXTREME)
    size = 8 * len(compressed) / len(joined)
    found.append(Record(metric="bits_per_byte", model="xz", value=size, n=len(test), **comparable))
    given_back = [gives_back(loaded, speller, text, e) for text, e in zip(test, encodings, strict=True)]
    share = float(np.mean(given_back))
    found.append(Record(metric="round_trip", model=vocabulary, value=share, unit="", n=len(test), **shared))
    write_records(records, found)


def gives_back(tokenizer: Tokenizer, speller: Speller, text: str, encoding: Encoding) -> bool:
    """Whether the tokens of a text are the text, what is unknown apart, which is spelled as it stands there."""
    pieces: list[str] = []
    known: list[int] = []
    for id_, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        if id_ == speller.unknown:
            pieces += [decode(tokenizer, known), text[start:end]]
            known = []
        else:
            known.append(id_)
    return "".join(pieces) + decode(tokenizer, known) == text


if __name__ == "__main__":
    run_stage(measure_scale)
