"""The table of a run that asks what each part of a model does: one row a model, as CSV and in Markdown.

Everything but the time is looked up in `metrics.csv`, where means over seeds, their intervals and differences paired by
seed already are. The time is what the machine took, and is marked so.
"""

import csv
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minillm.files import read_json, write_csv, write_text
from minillm.results import Metrics
from minillm.stage import run_stage

COLUMNS = [
    "model",
    "title",
    "changed",  # settings that are not the reference's
    "leaks",  # whether the audit found, with any seed, that it sees the future
    "parameters",
    "tokens",  # seen in training, the mean over seeds
    "epochs",
    "bits_per_byte",  # on the test split
    "low",
    "high",
    "difference",  # to the reference, in bits per byte
    "difference_low",
    "difference_high",
    "interval",  # how both were made
    "seeds",
    "seconds_measured",  # of training, the mean over seeds; depends on the machine and on what else ran
]


def tabulate_ablations(
    metrics: Path,
    descriptions: list[Path],
    outcomes: list[Path],
    timings: list[Path],
    settings: dict[str, dict[str, Any]],
    output: Path,
    markdown: Path,
) -> None:
    """Write a row for each trained model, in the order of `settings`, whose first is the one that it is compared with.

    `settings` are those of each model as in the config; paths end in `<model>/seed-<seed>/<file>`.
    """
    table, reference = Metrics(metrics), next(iter(settings))
    rows = []
    for model, own in settings.items():
        described, ended = ([read_json(path) for path in _of(model, paths)] for paths in (descriptions, outcomes))
        if not ended:  # a pretrained model
            continue
        bits = table.get("bits_per_byte", model, "test")
        difference = None if model == reference else table.get("bits_per_byte_difference", model, "test")
        rows.append(
            {
                "model": model,
                "title": own["title"],
                "changed": "; ".join(_changes(settings[reference], own)),
                "leaks": table.get("leaks", model, "test").value > 0,
                "parameters": described[0]["parameters"],
                "tokens": round(statistics.fmean(outcome["tokens"] for outcome in ended)),
                "epochs": statistics.fmean(outcome["epochs"] for outcome in ended),
                "bits_per_byte": bits.value,
                "low": bits.low,
                "high": bits.high,
                "difference": difference and difference.value,
                "difference_low": difference and difference.low,
                "difference_high": difference and difference.high,
                "interval": bits.interval,
                "seeds": len(ended),
                "seconds_measured": statistics.fmean(_seconds(path) for path in _of(model, timings)),
            }
        )
    write_csv(output, COLUMNS, rows)
    write_text(markdown, _markdown(rows, reference))


def _of(model: str, paths: list[Path]) -> list[Path]:
    return [path for path in paths if path.parent.parent.name == model]


def _changes(reference: Mapping[str, Any], own: Mapping[str, Any], place: str = "") -> list[str]:
    """The settings of `own` that the reference does not have or has otherwise, each with both values."""
    found = []
    for key, value in own.items():
        if isinstance(value, Mapping):
            found += _changes(reference.get(key, {}), value, f"{place}{key}.")
        elif key not in reference:
            found.append(f"{place}{key} {value}")
        elif value != reference[key] and key != "title":
            found.append(f"{place}{key} {reference[key]} → {value}")
    return found


def _seconds(timing: Path) -> float:
    with timing.open(encoding="utf-8", newline="") as stream:
        return float(list(csv.DictReader(stream))[-1]["seconds"])


def _markdown(rows: list[dict[str, Any]], reference: str) -> str:
    lines = [
        f"| model | what is not as in `{reference}` | parameters | tokens seen | bits per byte, test [95 %] |"
        " difference [95 %] | training, s (measured) |",
        "| --- | --- | ---: | ---: | --- | --- | ---: |",
    ]
    for row in rows:
        title = f"{row['title']} (`{row['model']}`)" + (", **invalid: sees the future**" if row["leaks"] else "")
        bits = _with_interval(row["bits_per_byte"], row["low"], row["high"])
        difference = _with_interval(row["difference"], row["difference_low"], row["difference_high"], sign="+")
        lines.append(
            f"| {title} | {row['changed']} | {row['parameters']:,} | {row['tokens']:,} | {bits} | {difference} |"
            f" {row['seconds_measured']:.0f} |"
        )
    intervals = ", ".join(sorted({row["interval"] for row in rows if row["interval"]}))
    return "\n".join([*lines, "", f"Intervals: {intervals or 'none'}. Less is better.", ""])


def _with_interval(value: float | None, low: float | None, high: float | None, sign: str = "") -> str:
    if value is None:
        return ""
    interval = "" if low is None or high is None else f" [{low:{sign}.3f}; {high:{sign}.3f}]"
    return f"{value:{sign}.3f}{interval}".replace("-", "−")


if __name__ == "__main__":
    run_stage(tabulate_ablations)
