"""The one shape in which a measured number is kept, and the interval that goes with it."""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from minillm.files import read_json, write_json

RESAMPLES = 10_000
_RESAMPLES_AT_ONCE = 500  # bounds the memory of the bootstrap
INTERVAL = "95 %, bootstrap over articles"

Sums = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One number: what it is, of what, over what, and how sure it is.

    `low` and `high` bound the interval described by `interval`; `n` counts the units it was taken over. `seed` is the
    training seed as text, empty for what was not trained.
    """

    metric: str
    value: float
    unit: str
    model: str
    corpus: str
    split: str = ""
    seed: str = ""
    low: float | None = None
    high: float | None = None
    interval: str = ""
    n: int | None = None
    better: Literal["higher", "lower", "neither"] = "neither"


FIELDS = [field.name for field in dataclasses.fields(Record)]


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write the records of one stage as JSON."""
    write_json(path, [dataclasses.asdict(record) for record in records])


def read_records(path: Path) -> list[Record]:
    """Read what `write_records` wrote."""
    return [Record(**values) for values in read_json(path)]


def bootstrap(sums: Sums, statistic: Callable[[Sums], npt.NDArray[np.float64]]) -> tuple[float, float]:
    """The 95 % percentile interval of a statistic of sums over articles.

    `sums` holds arrays (articles,); `statistic` takes arrays of totals (resamples,) and returns (resamples,). Articles
    are resampled whole, since the tokens of an article are not independent. The draw is the same for every call with
    as many articles, so that differences between models are paired.
    """
    articles = len(next(iter(sums.values())))
    random = np.random.default_rng(20_000 + articles)
    values = []
    for _ in range(RESAMPLES // _RESAMPLES_AT_ONCE):
        weights = random.multinomial(articles, np.full(articles, 1 / articles), size=_RESAMPLES_AT_ONCE)
        values.append(statistic({name: weights @ column for name, column in sums.items()}))
    low, high = np.percentile(np.concatenate(values), [2.5, 97.5])
    return float(low), float(high)
