"""Collect every number of the studies in one table, as `metrics.csv` has those of the main models."""

from pathlib import Path

from minillm.evaluation.record import read_records
from minillm.evaluation.summary import write_numbers
from minillm.stage import run_stage


def summarise_studies(records: list[Path], output: Path) -> None:
    """Write one row for each number, sorted, with its source and the means over seeds."""
    write_numbers(output, [(record, str(path)) for path in records for record in read_records(path)])


if __name__ == "__main__":
    run_stage(summarise_studies)
