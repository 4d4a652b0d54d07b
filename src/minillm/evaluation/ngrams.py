"""Counting as a language model: n-grams with modified Kneser–Ney smoothing (Chen & Goodman 1999, section 3.4).

What a network has to beat. The probability of a token after n - 1 others is its discounted count there, and what the
discounts leave goes to the probability after n - 2 others, down to a uniform distribution. Lower orders count after how
many different tokens an n-gram was seen, not how often. N-grams are integers in sorted arrays, so that millions of
tokens are counted in seconds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ORDER = 4
Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class _Order:
    """The n-grams of one length: their keys, sorted, with discounted counts, and the same of their histories."""

    ngrams: Keys
    discounted: npt.NDArray[np.float64]
    histories: Keys
    totals: npt.NDArray[np.float64]  # counts of all n-grams after each history
    left: npt.NDArray[np.float64]  # the part of the total that the discounts leave


class NGramModel:
    """Probabilities of the next token; documents are sequences of ids below `size`, each on its own."""

    def __init__(self, documents: Sequence[Sequence[int]], size: int) -> None:
        self.size, self.base = size, size + 1
        self.order = min(ORDER, int(63 / math.log2(self.base)))  # more do not fit into an integer
        keys, counts = np.unique(self._keys(_flat(documents), self.order), return_counts=True)
        self.orders: list[_Order] = []
        for length in range(self.order, 0, -1):
            self.orders.insert(0, self._discounted(keys, counts.astype(float)))
            if length > 1:  # without its first token; how many different ones there were is what counts now
                keys, counts = np.unique(keys % np.uint64(self.base ** (length - 1)), return_counts=True)

    def nll(self, documents: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
        """Negative log-likelihood of each document, in nats."""
        flat = _flat(documents)
        probability = np.full(len(flat[0]), 1 / self.size)
        for length, order in enumerate(self.orders, start=1):
            keys = self._keys(flat, length)
            there, place = _find(order.histories, keys // np.uint64(self.base))
            seen, which = _find(order.ngrams, keys)
            own = np.where(seen, order.discounted[which], 0)
            smoothed = (own + order.left[place] * probability) / order.totals[place]
            probability = np.where(there, smoothed, probability)
        return np.bincount(flat[1], -np.log(probability), minlength=len(documents)).astype(float)

    def _keys(self, flat: tuple[Keys, npt.NDArray[np.int64], npt.NDArray[np.int64]], length: int) -> Keys:
        """The n-gram of `length` that ends at each token, as a number whose digits are the tokens.

        Before a document there is a token of its own, `size`, as often as needed.
        """
        ids, _, position = flat
        keys = ids.copy()
        for back in range(1, length):
            earlier = np.roll(ids, back)
            earlier[position < back] = self.size
            keys += earlier * np.uint64(self.base**back)
        return keys

    def _discounted(self, keys: Keys, counts: npt.NDArray[np.float64]) -> _Order:
        discount = np.array([0, *_discounts(counts)])[np.minimum(counts, 3).astype(int)]
        histories, start = np.unique(keys // np.uint64(self.base), return_index=True)
        return _Order(
            keys, counts - discount, histories, np.add.reduceat(counts, start), np.add.reduceat(discount, start)
        )


def _flat(documents: Sequence[Sequence[int]]) -> tuple[Keys, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """All tokens, and of each its document and its position there."""
    lengths = np.array([len(ids) for ids in documents], dtype=np.int64)
    ids = np.concatenate([np.asarray(ids, dtype=np.uint64) for ids in documents])
    document = np.repeat(np.arange(len(documents)), lengths)
    return ids, document, np.arange(len(ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _discounts(counts: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """What is taken from counts of 1, of 2 and of more, from how many n-grams have counts of 1, 2, 3 and 4."""
    one, two, three, four = (float((counts == number).sum()) for number in (1, 2, 3, 4))
    if min(one, two, three, four) > 0:
        share = one / (one + 2 * two)
        found = 1 - 2 * share * two / one, 2 - 3 * share * three / two, 3 - 4 * share * four / three
        if all(0 < value < number for number, value in enumerate(found, start=1)):
            return found
    return 0.5, 1.0, 1.5  # too few n-grams to tell: as KenLM falls back


def _find(keys: Keys, wanted: Keys) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Which of the wanted are among the sorted keys, and where (anywhere for those that are not)."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return keys[place] == wanted, place
