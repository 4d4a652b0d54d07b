"""Where texts repeat others word for word: the longest run of words from each place that also occurs in a source.

All places of the sources and of the texts are sorted together by the words that follow them, as in a suffix array
(Manber and Myers 1993), by doubling the number of words that are looked at. Then a place of a text stands beside the
place of the sources with which it has most in common. Exact, and n log n in the number of words: no hash can collide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import pandas as pd

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Runs:
    """For each word of one text: how many words from there on occur in a source as well, and in which (its number).

    The source of a run without words means nothing.
    """

    lengths: Numbers
    sources: Numbers


def longest_runs(texts: Sequence[Sequence[str]], sources: Sequence[Sequence[str]], limit: int) -> list[Runs]:
    """The longest runs of each text that occur in one of the sources; runs of more than `limit` words are cut there."""
    documents = [*sources, *texts]
    sizes = np.array([len(words) for words in documents], dtype=np.int64)
    ends = np.cumsum(sizes + 1)  # after each document comes a mark of its own, so that no run crosses it
    total = int(ends[-1]) if len(ends) else 0
    words_N, place_of = np.empty(total, dtype=np.int64), np.ones(total, dtype=bool)
    place_of[ends - 1] = False
    words_N[place_of] = pd.factorize(np.array(list(chain.from_iterable(documents)), dtype=object))[0] + len(documents)
    words_N[~place_of] = np.arange(len(documents))
    document_N = np.repeat(np.arange(len(documents)), sizes + 1)

    order_N = np.argsort(_ranks(words_N, limit), kind="stable")
    is_source_N = document_N[order_N] < len(sources)
    nothing = total  # stands for «there is no source on this side»
    before_N = _nearest(np.where(is_source_N, order_N, -1))
    after_N = _nearest(np.where(is_source_N, order_N, -1)[::-1])[::-1]
    asked_N = ~is_source_N
    places = order_N[asked_N]
    lengths, found = np.zeros(total, dtype=np.int64), np.zeros(total, dtype=np.int64)
    for neighbours in (before_N[asked_N], after_N[asked_N]):
        common = _common(words_N, places, np.where(neighbours < 0, nothing, neighbours), limit)
        better = common > lengths[places]
        lengths[places[better]] = common[better]
        found[places[better]] = document_N[neighbours[better]]
    starts = ends - sizes - 1
    return [
        Runs(lengths[start : start + size], found[start : start + size])
        for start, size in zip(starts[len(sources) :], sizes[len(sources) :], strict=True)
    ]


def _ranks(words_N: Numbers, limit: int) -> Numbers:
    """The rank of each place by the (at least `limit`) words from there on; equal words, equal rank."""
    rank_N, looked_at = np.unique(words_N, return_inverse=True)[1].astype(np.int64), 1
    while looked_at < limit and rank_N.max(initial=0) + 1 < len(rank_N):
        next_N = np.zeros_like(rank_N)
        next_N[:-looked_at] = rank_N[looked_at:] + 1
        rank_N = np.unique(rank_N * (len(rank_N) + 1) + next_N, return_inverse=True)[1].astype(np.int64)
        looked_at *= 2
    return rank_N


def _nearest(places_N: Numbers) -> Numbers:
    """Each -1 replaced by the last number before it that is not -1, if there is one."""
    last_N = np.maximum.accumulate(np.where(places_N >= 0, np.arange(len(places_N)), -1))
    return np.where(last_N >= 0, places_N[last_N], -1)


def _common(words_N: Numbers, one: Numbers, other: Numbers, limit: int) -> Numbers:
    """How many words two places have in common from there on, at most `limit`; marks are in common with nothing."""
    padded = np.append(words_N, -1)
    lengths, equal = np.zeros(len(one), dtype=np.int64), np.arange(len(one))
    for step in range(limit):
        beyond = other[equal] + step
        same = padded[one[equal] + step] == padded[np.minimum(beyond, len(words_N))]
        equal = equal[same]
        if not len(equal):
            break
        lengths[equal] += 1
    return lengths
