"""How much generated text repeats itself, how varied it is and how far its words are from a person's.

Of every continuation, greedy, sampled and human: the share of repeated n-grams (seq-rep-n, Welleck et al. 2020,
arXiv:1908.04319); over all of them, the share of distinct n-grams (distinct-n, Li et al. 2016, N16-1014) and the slope
of the rank-frequency line (Zipf). The distance between the words that the model and the person used is meant to be read
beside the distance between two texts of the same people, which is far from 0 because both are short (Meister and
Cotterell 2021, 2021.acl-long.414).

Words are what white space separates, as written. Only seq-rep has an interval: what counts distinct words is not a
function of sums over texts, and resampling texts with replacement repeats words, which biases all of it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from minillm.evaluation.distances import Counts, jensen_shannon, total_variation
from minillm.evaluation.record import Record, estimate, write_records
from minillm.files import read_json
from minillm.stage import run_stage

Words = Sequence[str]
ZIPF_WORDS = 100  # most frequent words that the line is fitted to: of so little text, rarer ones occur once or twice


def evaluate_repetition(continuations: Path, corpus: str, model: str, seed: str, records: Path) -> None:
    """Measure the continuations of test articles beside the human ones.

    What cannot be measured, because there are no n-grams at all, has no record.
    """
    texts = [text for text in read_json(continuations) if text["split"] == "test"]
    human, later = ([text[part].split() for text in texts] for part in ("reference", "later"))
    found: list[Record] = []

    shared: dict[str, Any] = {"unit": "", "split": "test", "corpus": corpus, "model": model, "seed": seed}

    def add(metric: str, value: float | None, n: int) -> None:
        if value is not None:
            found.append(Record(metric=metric, value=value, n=n, **shared))

    ways = {"": [text["greedy"].split() for text in texts], "_sampled": [text["sampled"].split() for text in texts]}
    for suffix, written in {**ways, "_human": human}.items():
        add(f"written_words{suffix}", float(np.mean([len(text) for text in written])), len(written))
        for order in (2, 3, 4):
            shares = np.array([share for text in written if (share := repeated(text, order)) is not None])
            if len(shares):
                sums = {"repeated": shares, "texts": np.ones(len(shares))}
                found.append(
                    estimate(
                        f"seq_rep{suffix}{order}", sums, lambda totals: totals["repeated"] / totals["texts"], **shared
                    )
                )
        for order in (1, 2, 3):
            add(f"distinct{suffix}{order}", distinct(written, order), len(written))
        add(f"zipf{suffix}", zipf_slope(written), len(written))
    for suffix, written in {**ways, "_human": later}.items():
        for order in (1, 2):
            for metric, distance in (("text_variation", total_variation), ("text_divergence", jensen_shannon)):
                add(f"{metric}{suffix}{order}", between(distance, written, human, order), len(written))
    write_records(records, found)


def ngrams(words: Words, order: int) -> list[tuple[str, ...]]:
    """All runs of `order` words, in order."""
    return list(zip(*(words[start:] for start in range(order)), strict=False))


def repeated(words: Words, order: int) -> float | None:
    """seq-rep-n: the share of the n-grams of a text that are not the first of their kind; None if it has none."""
    grams = ngrams(words, order)
    return 1 - len(set(grams)) / len(grams) if grams else None


def distinct(texts: Sequence[Words], order: int) -> float | None:
    """distinct-n: the kinds of n-grams of all texts over their number (comparable for as much text); None if none."""
    grams = list(chain.from_iterable(ngrams(words, order) for words in texts))
    return len(set(grams)) / len(grams) if grams else None


def zipf_slope(texts: Sequence[Words]) -> float | None:
    """Slope of the least-squares line of log frequency over log rank; None with fewer than two kinds of words."""
    frequencies = sorted(Counter(chain.from_iterable(texts)).values(), reverse=True)[:ZIPF_WORDS]
    if len(frequencies) < 2:
        return None
    return float(np.polyfit(np.log(np.arange(1, len(frequencies) + 1)), np.log(frequencies), 1)[0])


def between(
    distance: Callable[[Counts, Counts], float], one: Sequence[Words], other: Sequence[Words], order: int
) -> float | None:
    """A distance between the n-grams of two sets of texts; None if one has none."""
    counts = [Counter(chain.from_iterable(ngrams(words, order) for words in texts)) for texts in (one, other)]
    if not all(counts):
        return None
    kinds = sorted(counts[0] | counts[1])
    first, second = (np.array([count[kind] for kind in kinds], dtype=float) for count in counts)
    return distance(first, second)


if __name__ == "__main__":
    run_stage(evaluate_repetition)
