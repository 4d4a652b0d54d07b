"""What a result means, in one word: the sentences of the article that depend on a result are chosen by it."""

from typing import Literal

from minillm.results import Number

Outcome = Literal["better", "worse", "unclear"]


def compare(difference: Number) -> Outcome:
    """The outcome of a difference (own value minus the reference's) in a metric where less is better.

    `unclear` if the interval holds zero. Raises ValueError for a difference without an interval, which says nothing.
    """
    if difference.low is None or difference.high is None:
        raise ValueError("a difference without an interval cannot be judged")
    if difference.high < 0:
        return "better"
    if difference.low > 0:
        return "worse"
    return "unclear"


def flattered(parallel: Number, incremental: Number) -> bool:
    """Whether scoring a text at once makes a model look at least twice as good, in perplexity, as token by token."""
    return incremental.value >= 2 * parallel.value
