"""Look numbers up in `metrics.csv` and `cost.csv`: for the figures and the article, which read results and compute none."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ALL_SEEDS = "all"


@dataclass(frozen=True)
class Number:
    """A measured number with its unit, the interval it lies in and how many units it was taken over."""

    value: float
    unit: str
    low: float | None
    high: float | None
    interval: str
    n: int | None


class Metrics:
    """The tables of a run. Where a model was trained with several seeds, its numbers are the means over them."""

    def __init__(self, *paths: Path) -> None:
        empty = {"low": [""], "high": [""], "n": [""]}
        tables = [pd.read_csv(path, keep_default_na=False, na_values=empty, dtype={"seed": str}) for path in paths]
        table = pd.concat(tables)
        averaged = set(table[table["seed"] == ALL_SEEDS]["model"])
        table = table[~table["model"].isin(averaged) | table["seed"].isin([ALL_SEEDS, ""])]
        self._paths = " and ".join(map(str, paths))
        self._rows = {(row.metric, row.model, row.split): row for row in table.itertuples()}

    def has(self, metric: str, model: str, split: str = "") -> bool:
        """Whether there is such a number."""
        return (metric, model, split) in self._rows

    def get(self, metric: str, model: str, split: str = "") -> Number:
        """The number of a model on a split. Raises ValueError, naming it, if there is none."""
        if not self.has(metric, model, split):
            raise ValueError(f"{self._paths} has no {metric} of {model} on the split {split!r}")
        row = self._rows[metric, model, split]
        low, high = (None if pd.isna(bound) else float(bound) for bound in (row.low, row.high))
        n = None if pd.isna(row.n) else int(row.n)
        return Number(float(row.value), row.unit, low, high, row.interval, n)

    def models(self, metric: str, split: str = "") -> list[str]:
        """The models that have this number, sorted."""
        return sorted(model for name, model, part in self._rows if (name, part) == (metric, split))
