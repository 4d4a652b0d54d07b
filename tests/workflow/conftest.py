"""A copy of the project in a temporary folder, run by Snakemake with the smoke config.

The first run of the session makes everything once; tests that change something work on a copy of it, so that they do
not disturb each other.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # no test asks the hub

ROOT = Path(__file__).parents[2]
COPIED = [
    "Snakefile",
    "workflow",
    "config",
    "profiles",
    "paper",
    "src",
    "data/sample",
    "environment.yml",
    "system-packages.sh",
]


@dataclass
class Project:
    """A folder that holds a copy of the project."""

    folder: Path

    def snakemake(self, *arguments: str, overlay: str = "config/smoke.yaml") -> subprocess.CompletedProcess[str]:
        """Run Snakemake as a user would; standard error is part of the output."""
        return subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments, "--configfile", overlay],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder / "src"), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def planned(self, *arguments: str, overlay: str = "config/smoke.yaml") -> dict[str, int]:
        """How many jobs of each rule a run would start."""
        result = self.snakemake(*(arguments or ("all",)), "--dry-run", "--quiet", "rules", overlay=overlay)
        assert result.returncode == 0, result.stdout
        return {
            rule: int(count)
            for rule, count in re.findall(r"^(\w+) +(\d+)$", result.stdout, re.MULTILINE)
            if rule not in ("total", "all")
        }

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that must be there."""
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")


def copy_project(folder: Path) -> Project:
    """A fresh copy without any result."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copy2(source, target)
    return Project(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which everything has been made. Do not change it."""
    project = copy_project(tmp_path_factory.mktemp("finished") / "project")
    result = project.snakemake("all")
    assert result.returncode == 0, result.stdout
    return project


@pytest.fixture
def copy_of_finished(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project, results and Snakemake's records included, to change at will."""
    shutil.copytree(finished.folder, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


@pytest.fixture
def empty(tmp_path: Path) -> Project:
    """A fresh project without results."""
    return copy_project(tmp_path / "project")
