"""What is made beside the article: the table of ablations, and the curves in the terminal."""

import csv
import subprocess
import sys
from pathlib import Path

from minillm.files import read_json

from .conftest import Project


def test_the_table_of_ablations_is_one_job_more(copy_of_finished: Project) -> None:
    assert copy_of_finished.planned("ablations") == {"tabulate_ablations": 1, "ablations": 1}
    result = copy_of_finished.snakemake("ablations")
    assert result.returncode == 0, result.stdout
    results = copy_of_finished.folder / "results/smoke"
    with (results / "ablations.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["model"]: row for row in csv.DictReader(stream)}
    assert list(rows) == ["baseline", "unmasked", "improved"]
    assert rows["unmasked"]["changed"] == "causal True → False"
    assert "architecture minigpt → qwen" in rows["improved"]["changed"]
    with (results / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        (expected,) = (
            row["value"]
            for row in csv.DictReader(stream)
            if (row["metric"], row["model"]) == ("bits_per_byte_difference", "improved")
        )
    assert rows["improved"]["difference"] == expected
    lines = (results / "ablations.md").read_text(encoding="utf-8").splitlines()
    assert [line.count("|") for line in lines[:5]] == [8] * 5


def test_watch_reads_what_the_trainer_writes(finished: Project) -> None:
    found = subprocess.run(
        [Path(sys.executable).with_name("minillm"), "watch", "smoke"],
        cwd=finished.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    for model in ("baseline", "unmasked", "improved"):
        (line,) = (line for line in found.stdout.splitlines() if f"{model}, seed 1" in line)
        outcome = read_json(finished.folder / f"results/smoke/models/encyclopedia/{model}/seed-1/outcome.json")
        assert f"{outcome['steps']} of 12" in line
        assert line.endswith("done")
