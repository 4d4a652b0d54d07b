"""A table of numbers as a page to browse: sorted by a click on a column, narrowed down by a word."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from minillm.paper.values import is_flattered
from minillm.report.pages import count, number, write_page
from minillm.stage import run_stage

Row = dict[str, str]


@dataclass(frozen=True)
class Cell:
    """What a cell prints, and the number to sort it by, if it is one."""

    text: str
    value: float | None


def write_table_page(template: Path, tables: list[Path], title: str, output: Path) -> None:
    """Show CSV files that have the same columns as one table; what all rows share is said once, above it.

    Of a table of metrics, the numbers that a leak flatters are struck out, as in the article.
    """
    rows: list[Row] = []
    for table in tables:
        with table.open(encoding="utf-8", newline="") as stream:
            rows += list(csv.DictReader(stream))
    first, *others = rows or [{}]
    shared = {column: text for column, text in first.items() if others and all(row[column] == text for row in others)}
    columns = [column for column in first if column not in shared]
    numeric = [column for column in columns if all(_is_number(row[column]) for row in rows if row[column])]
    values = {
        "title": title,
        "names": [table.name for table in tables],
        "shared": {column: text for column, text in shared.items() if text},
        "columns": columns,
        "numeric": numeric,
        "rows": [[_cell(row[column], column in numeric) for column in columns] for row in rows],
        "struck": _flattered(rows),
    }
    write_page(template, values, output)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _cell(text: str, is_number: bool) -> Cell:
    if not is_number or not text:
        return Cell(text, None)
    value = float(text)
    return Cell(count(int(text)) if text.isdecimal() else number(value), value)


def _flattered(rows: list[Row]) -> list[bool]:
    """For each row, whether its model sees the future and is measured with the text in the input.

    What the audit found is true of such a model too.
    """
    leaking = {row["model"] for row in rows if row.get("metric") == "leaks" and float(row["value"]) > 0}
    audited = {row["metric"] for row in rows if row.get("source", "").endswith("/causality.json")}
    return [
        row.get("model") in leaking and row["metric"] not in audited and is_flattered(row["metric"], row["split"])
        for row in rows
    ]


if __name__ == "__main__":
    run_stage(write_table_page)
