"""Look numbers up in `metrics.csv` and `cost.csv`, for the figures and the article: they compute none."""

import csv
from dataclasses import dataclass
from pathlib import Path

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
    """The tables of a run: of one training seed, or else the means over them of a model that has several."""

    def __init__(self, *paths: Path, seed: str = ALL_SEEDS) -> None:
        rows = []
        for path in paths:
            with path.open(encoding="utf-8", newline="") as stream:
                rows += list(csv.DictReader(stream))
        averaged = {row["model"] for row in rows if row["seed"] == ALL_SEEDS}
        self._paths = " and ".join(map(str, paths))
        self._all = rows
        self._rows = {
            (row["metric"], row["model"], row["split"]): row
            for row in rows
            if row["seed"] in (seed, "") or (seed == ALL_SEEDS and row["model"] not in averaged)
        }

    def names(self) -> list[tuple[str, str, str]]:
        """Metric, model and split of every number, sorted."""
        return sorted(self._rows)

    def has(self, metric: str, model: str, split: str = "") -> bool:
        """Whether there is such a number."""
        return (metric, model, split) in self._rows

    def get(self, metric: str, model: str, split: str = "") -> Number:
        """The number of a model on a split. Raises ValueError, naming it, if there is none."""
        if not self.has(metric, model, split):
            raise ValueError(f"{self._paths} has no {metric} of {model} on the split {split!r}")
        return _number(self._rows[metric, model, split])

    def each(self, metric: str, model: str, split: str = "") -> list[Number]:
        """The number with each seed and, where there are several, their mean."""
        wanted = metric, model, split
        return [_number(row) for row in self._all if (row["metric"], row["model"], row["split"]) == wanted]

    def models(self, metric: str, split: str = "") -> list[str]:
        """The models that have this number, sorted."""
        return sorted(model for name, model, part in self._rows if (name, part) == (metric, split))


def _number(row: dict[str, str]) -> Number:
    low, high = (float(row[bound]) if row[bound] else None for bound in ("low", "high"))
    n = int(row["n"]) if row["n"] else None
    return Number(float(row["value"]), row["unit"], low, high, row["interval"], n)
