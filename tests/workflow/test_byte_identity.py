"""The same inputs give the same bytes, whatever the folder is called; what is measured in time or memory is apart."""

import shutil
from pathlib import Path

from minillm.files import read_json

from .conftest import Project

RESULTS = Path("results/smoke")


def manifest(project: Project) -> dict[str, str]:
    """The SHA-256 of every file of the run, by path."""
    return {row["path"]: row["sha256"] for row in read_json(project.folder / RESULTS / "manifest.json")["files"]}


def test_two_clean_builds(finished: Project, empty: Project) -> None:
    result = empty.snakemake("all")
    assert result.returncode == 0, result.stdout
    rows = read_json(finished.folder / RESULTS / "manifest.json")["files"]
    measured = {row["path"] for row in rows if row["measured"]}
    first, second = manifest(finished), manifest(empty)
    assert first.keys() == second.keys()
    assert {path for path in first if first[path] != second[path]} <= measured

    # With the same seconds and bytes of memory, the article made of them is the same too. It comes out again, as does
    # whatever else follows from them, because they are newer.
    for path in measured:
        if RESULTS / "paper" not in Path(path).parents:
            shutil.copyfile(finished.folder / path, empty.folder / path)
    assert empty.planned()["render_article"] == 1
    result = empty.snakemake("all")
    assert result.returncode == 0, result.stdout
    assert manifest(empty) == first
