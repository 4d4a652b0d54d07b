"""Marks to read bits per byte against: what needs no neural network at all.

A unigram model of each vocabulary (with [UNK] paid for, as for the models) and the xz compressor on the same test text.
"""

import lzma
from pathlib import Path
from typing import Any

import numpy as np

from minillm.corpus.tables import read_split
from minillm.evaluation.record import Record, bootstrap, write_records
from minillm.evaluation.sums import METRICS, Speller, text_sizes
from minillm.stage import run_stage
from minillm.vocabulary.tokenizer import load_tokenizer, vocabulary_size


def measure_scale(articles: Path, tokenizer: Path, vocabulary: str, corpus: str, records: Path) -> None:
    """Bits per byte on the test split of the unigram model of a vocabulary, and of xz."""
    loaded = load_tokenizer(tokenizer)
    train, test = read_split(articles, "train"), read_split(articles, "test")
    counts = np.ones(vocabulary_size(loaded))  # add-one smoothing
    for encoding in loaded.encode_batch_fast(train, add_special_tokens=False):
        counts += np.bincount(encoding.ids, minlength=len(counts))
    cost = -np.log(counts / counts.sum())
    speller = Speller(loaded, train)
    encodings = loaded.encode_batch(test, add_special_tokens=False)
    sums = {
        "nll": np.array([cost[encoding.ids].sum() for encoding in encodings]),
        "spelling": np.array([speller.cost(text, e) for text, e in zip(test, encodings, strict=True)]),
        **text_sizes(test),
    }
    statistic = METRICS["bits_per_byte"].of
    interval = bootstrap(sums, statistic)
    joined = "\n\n".join(test).encode()
    compressed = lzma.compress(joined, preset=9 | lzma.PRESET_EXTREME)
    shared: dict[str, Any] = {
        "metric": "bits_per_byte",
        "unit": "bit/byte",
        "split": "test",
        "corpus": corpus,
        "n": len(test),
    }
    unigram = float(statistic({name: column.sum(keepdims=True) for name, column in sums.items()})[0])
    write_records(
        records,
        [
            Record(
                model=f"unigram-{vocabulary}",
                value=unigram,
                low=interval.low,
                high=interval.high,
                interval=interval.name,
                better="lower",
                **shared,
            ),
            Record(model="xz", value=8 * len(compressed) / len(joined), better="lower", **shared),
        ],
    )


if __name__ == "__main__":
    run_stage(measure_scale)
