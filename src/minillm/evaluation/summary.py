"""Collect every number of a run in one table, and add what needs several models or seeds.

Differences between models are paired over the same resampled articles; with several training seeds their mean gets
an interval of Student's t over seeds. The two kinds of uncertainty are never mixed in one interval.
"""

import dataclasses
import math
import statistics
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from minillm.evaluation.record import FIELDS, Record, Sums, estimate, read_records
from minillm.evaluation.sums import METRICS
from minillm.files import write_csv
from minillm.results import ALL_SEEDS
from minillm.stage import run_stage

COMPARED = ["bits_per_byte", "word_perplexity"]  # comparable between models with different vocabularies


def summarise_metrics(
    records: list[Path], cost: list[Path], documents: list[Path], reference: str, output: Path, cost_output: Path
) -> None:
    """Write one row for each number, sorted, with its source; what is measured in time or memory into `cost_output`.

    `documents` are the sums of every article, at `…/<model>/seed-<seed>/documents.csv`; `reference` is the model that
    the others are compared with.
    """
    found = [(record, str(path)) for path in records for record in read_records(path)]
    found += [(record, "paired difference") for record in differences(documents, reference, found[0][0].corpus)]
    write_numbers(output, found)
    write_numbers(cost_output, [(record, str(path)) for path in cost for record in read_records(path)])


def write_numbers(path: Path, found: list[tuple[Record, str]]) -> None:
    """Write one row for each number with its source, sorted, and the means over seeds."""
    found = found + [(record, "mean over seeds") for record in over_seeds([record for record, _ in found])]
    rows = {_key(record): {**dataclasses.asdict(record), "source": source} for record, source in found}
    write_csv(path, [*FIELDS, "source"], (rows[key] for key in sorted(rows)))


def _key(record: Record) -> tuple[str, ...]:
    return record.metric, record.split, record.model, record.seed, record.corpus


def differences(documents: list[Path], reference: str, corpus: str) -> list[Record]:
    """For each other model and seed: its metrics on the test split minus the reference's of the same seed."""
    sums = {(path.parent.parent.name, path.parent.name.removeprefix("seed-")): _test_sums(path) for path in documents}
    found = []
    for (model, seed), own in sums.items():
        if model == reference:
            continue
        both = {f"own_{name}": column for name, column in own.items()}
        both |= {f"reference_{name}": column for name, column in sums[reference, seed].items()}
        for metric in COMPARED:
            definition = METRICS[metric]

            def difference(totals: Sums, of=definition.of) -> np.ndarray:  # type: ignore[no-untyped-def]
                return of(_part(totals, "own_")) - of(_part(totals, "reference_"))

            details = {"unit": definition.unit, "split": "test", "corpus": corpus, "model": model, "seed": seed}
            found.append(estimate(f"{metric}_difference", both, difference, paired=True, better="lower", **details))
    return found


def _test_sums(path: Path) -> Sums:
    frame = pd.read_csv(path)
    frame = frame[frame["split"] == "test"].sort_values("page_id")
    return {name: frame[name].to_numpy(dtype=float) for name in frame.columns if name not in ("page_id", "split")}


def _part(sums: Sums, prefix: str) -> Sums:
    return {name.removeprefix(prefix): column for name, column in sums.items() if name.startswith(prefix)}


def over_seeds(records: list[Record]) -> list[Record]:
    """The mean over training seeds of every number that was measured with several.

    A perplexity is never averaged, its logarithm is. The interval of a time (quartiles) has no mean and is dropped.
    """
    groups: defaultdict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        if record.seed:
            groups[record.metric, record.split, record.model, record.corpus].append(record)
    return [_mean(group) for group in groups.values() if len(group) > 1]


def _mean(group: list[Record]) -> Record:
    exponential = group[0].metric.endswith("perplexity")
    values = [math.log(record.value) if exponential else record.value for record in group]
    mean = statistics.fmean(values)
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    value, low, high = (math.exp(x) if exponential else x for x in (mean, mean - half, mean + half))
    if group[0].unit == "ms":
        return dataclasses.replace(group[0], value=value, low=None, high=None, interval="", seed=ALL_SEEDS)
    interval = f"95 %, Student's t over {len(values)} seeds"
    return dataclasses.replace(group[0], value=value, low=low, high=high, interval=interval, seed=ALL_SEEDS)


if __name__ == "__main__":
    run_stage(summarise_metrics)
