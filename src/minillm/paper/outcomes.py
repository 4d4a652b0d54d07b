"""What a result means, in one word: the sentences of the article that depend on a result are chosen by it."""

from collections.abc import Sequence
from typing import Literal

from minillm.results import Number

Outcome = Literal["better", "worse", "unclear"]
Side = Literal["above", "below", "unclear"]


def compare(differences: Sequence[Number]) -> Outcome:
    """The outcome of differences (own value minus the reference's) in a metric where less is better.

    With several training seeds there is one for each seed (interval over articles) and their mean (interval over
    seeds); `better` and `worse` take all intervals to agree. `unclear` if one holds zero or there is none.
    """
    bounds = [(number.low, number.high) for number in differences]
    if bounds and all(high is not None and high < 0 for _, high in bounds):
        return "better"
    if bounds and all(low is not None and low > 0 for low, _ in bounds):
        return "worse"
    return "unclear"


def side(own: Sequence[Number], other: Sequence[Number]) -> Side:
    """On which side of other numbers one's own lie: with each training seed, and their mean where there are several.

    `unclear` if not all agree, if intervals touch or if one has none.
    """
    found = {_side(first, second) for first, second in zip(own, other, strict=True)}
    return found.pop() if len(found) == 1 else "unclear"


def _side(own: Number, other: Number) -> Side:
    if own.low is None or own.high is None or other.low is None or other.high is None:
        return "unclear"
    if own.low > other.high:
        return "above"
    return "below" if own.high < other.low else "unclear"


def flattered(parallel: Number, incremental: Number) -> bool:
    """Whether scoring a text at once makes a model look at least twice as good, in perplexity, as token by token."""
    return incremental.value >= 2 * parallel.value
