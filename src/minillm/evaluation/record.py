"""The one shape in which a measured number is kept, and the interval that goes with it."""

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from minillm.files import read_json, write_json

RESAMPLES = 10_000
_RESAMPLES_AT_ONCE = 500  # bounds the memory of the bootstrap
FEWEST_ARTICLES = 10  # resampling fewer says nothing about other articles

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
    """Write the records of one stage as JSON. Raises ValueError, naming it, for a number that is none."""
    records = list(records)
    for record in records:
        if not math.isfinite(record.value):
            where = f"{record.model} on the {record.split} split" if record.split else record.model
            raise ValueError(f"{path}: the {record.metric} of {where} is {record.value}: nothing is written")
    write_json(path, [dataclasses.asdict(record) for record in records])


def read_records(path: Path) -> list[Record]:
    """Read what `write_records` wrote."""
    return [Record(**values) for values in read_json(path)]


@dataclass(frozen=True)
class Interval:
    """The bounds of an interval and how it was made; no bounds where it would mean nothing."""

    low: float | None
    high: float | None
    name: str


NO_INTERVAL = Interval(None, None, "")


def bootstrap(
    sums: Sums,
    statistic: Callable[[Sums], npt.NDArray[np.float64]],
    *,
    units: str = "articles",
    paired: bool = False,
) -> Interval:
    """The 95 % percentile interval of a statistic of sums over articles or other units (Efron 1979).

    `sums` holds arrays (articles,); `statistic` takes arrays of totals (resamples,) and returns (resamples,). Articles
    are resampled whole, since the tokens of an article are not independent. The draw is the same for every call with
    as many articles. `paired` says that the statistic is a difference between models on the same articles.
    """
    articles = len(next(iter(sums.values())))
    if articles < FEWEST_ARTICLES:
        return NO_INTERVAL
    random = np.random.default_rng(20_000 + articles)
    values = []
    for _ in range(RESAMPLES // _RESAMPLES_AT_ONCE):
        weights = random.multinomial(articles, np.full(articles, 1 / articles), size=_RESAMPLES_AT_ONCE)
        with np.errstate(divide="ignore", invalid="ignore"):
            values.append(statistic({name: weights @ column for name, column in sums.items()}))
    low, high = np.percentile(np.concatenate(values), [2.5, 97.5])
    if not np.isfinite([low, high]).all():  # some resamples have nothing to divide by
        return NO_INTERVAL
    return Interval(float(low), float(high), f"95 %, {'paired ' if paired else ''}bootstrap over {units}")


def estimate(
    metric: str,
    sums: Sums,
    statistic: Callable[[Sums], npt.NDArray[np.float64]],
    *,
    units: str = "articles",
    paired: bool = False,
    **details: Any,
) -> Record:
    """A statistic of the totals of sums over articles or other units, with its interval (see `bootstrap`).

    `n` is the number of units; `details` are the other fields of the record.
    """
    interval = bootstrap(sums, statistic, units=units, paired=paired)
    return Record(
        metric=metric,
        value=float(statistic({name: column.sum(keepdims=True) for name, column in sums.items()})[0]),
        low=interval.low,
        high=interval.high,
        interval=interval.name,
        n=len(next(iter(sums.values()))),
        **details,
    )
