"""Set-up on machines that lack something: one message, never an error, never sudo."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT, Project

TEX = {"latexmk", "pdflatex", "kpsewhich"}


def path_without_tex(folder: Path, **scripts: str) -> str:
    """A PATH that holds every command of this machine but TeX's, and these scripts instead of some."""
    folder.mkdir()
    for name, text in scripts.items():
        (folder / name.replace("_", "-")).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name.replace("_", "-")).chmod(0o755)
    for directory in os.environ["PATH"].split(os.pathsep):
        for command in Path(directory).glob("*") if Path(directory).is_dir() else []:
            if (
                command.name not in TEX
                and not (folder / command.name).is_symlink()
                and not (folder / command.name).exists()
            ):
                (folder / command.name).symlink_to(command)
    return str(folder)


def test_without_tex_the_bundle_is_the_result(empty: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", path_without_tex(tmp_path / "bin"))
    planned = empty.planned()
    assert planned["render_article"] == planned["write_manifest"] == 1
    assert not {"compile_article", "check_article"} & set(planned)


def test_a_user_who_is_not_root_is_told_what_to_install(tmp_path: Path) -> None:
    path = path_without_tex(tmp_path / "bin", id="echo 1000", apt_get="touch called", sudo="touch called")
    result = run_script(tmp_path, path)
    assert result.returncode == 0
    assert result.stdout.startswith("No TeX here: the article comes out as article.zip")
    assert "sudo apt-get install --no-install-recommends latexmk" in result.stdout
    assert not (tmp_path / "called").exists()


def test_root_goes_on_when_the_packages_cannot_be_had(tmp_path: Path) -> None:
    path = path_without_tex(tmp_path / "bin", id="echo 0", apt_get="echo no network; exit 100")
    result = run_script(tmp_path, path)
    assert result.returncode == 0
    assert "no network" in result.stdout
    assert "TeX Live could not be installed; going on without" in result.stdout


@pytest.mark.tex
@pytest.mark.skipif(shutil.which("latexmk") is None, reason="latexmk is not installed")
def test_with_tex_there_is_nothing_to_say(tmp_path: Path) -> None:
    result = run_script(tmp_path, os.environ["PATH"])
    assert (result.returncode, result.stdout) == (0, "")


def run_script(folder: Path, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "system-packages.sh"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
