"""Set-up on machines that lack something: one message, never an error, never sudo."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT, Project

TEX = {"latexmk", "pdflatex", "kpsewhich"}
SCRIPT = ROOT / "system-packages.sh"
# A machine that has what tests need but MediaWiki, and on which downloading and unpacking succeed.
UNPACKING = {"hunspell": "exit 0", "php": "exit 0", "id": "echo 1000", "apt-get": "touch a.deb", "dpkg": "mkdir $3"}


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


@pytest.mark.parametrize("broken", ["apt-get", "dpkg", "mktemp"])
def test_tests_go_on_when_mediawiki_cannot_be_unpacked(tmp_path: Path, broken: str) -> None:
    path = path_without_tex(tmp_path / "bin", **{**UNPACKING, broken: "echo 'no room' >&2; exit 1"})
    shutil.copy2(SCRIPT, tmp_path)
    result = run_script(tmp_path, path, "test", script=tmp_path / SCRIPT.name)
    assert result.returncode == 0
    assert "MediaWiki could not be unpacked; the tests that need it are skipped." in result.stdout
    assert list((tmp_path / ".venv").iterdir()) == []


def test_mediawiki_is_unpacked_once(tmp_path: Path) -> None:
    path = path_without_tex(tmp_path / "bin", **UNPACKING)
    shutil.copy2(SCRIPT, tmp_path)
    first, second = (run_script(tmp_path, path, "test", script=tmp_path / SCRIPT.name) for _ in range(2))
    assert (first.returncode, first.stdout) == (0, "Unpacking MediaWiki into .venv/mediawiki (once) ...\n")
    assert (second.returncode, second.stdout) == (0, "")
    assert [path.name for path in (tmp_path / ".venv").iterdir()] == ["mediawiki"]


def test_a_user_who_is_not_root_is_told_what_tests_need(tmp_path: Path) -> None:
    path = path_without_tex(
        tmp_path / "bin", id="echo 1000", hunspell="exit 1", apt_get="touch called", sudo="touch called"
    )
    result = run_script(tmp_path, path, "test")
    assert result.returncode == 0
    assert result.stdout.startswith("Some tests are skipped. To run them too: sudo apt-get install")
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize("contact", ["ana@example.org", "$(shell touch called)`touch called`$HOME\"; touch called; '"])
def test_make_wikipedia_passes_the_contact_on_letter_by_letter(tmp_path: Path, contact: str) -> None:
    shutil.copy2(ROOT / "Makefile", tmp_path)
    for name in ("requirements.lock", "pyproject.toml", ".venv/installed"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name, text in (("system-packages.sh", ""), (".venv/bin/snakemake", "printf '%s\\n' \"$@\"")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    result = run_script(tmp_path, os.environ["PATH"], "wikipedia", f"CONTACT={contact}", script=Path("make"))
    assert result.returncode == 0, result.stderr
    assert f"\nconfig/wikipedia.yaml\n--config\ncontact={contact}\n" in result.stdout
    assert not (tmp_path / "called").exists()


def test_make_wikipedia_says_what_is_missing(tmp_path: Path) -> None:
    shutil.copy2(ROOT / "Makefile", tmp_path)
    result = run_script(tmp_path, os.environ["PATH"], "wikipedia", script=Path("make"))
    assert result.returncode != 0
    (line,) = result.stdout.splitlines()
    assert "make wikipedia CONTACT=you@example.org" in line
    assert not (tmp_path / ".venv").exists()


def run_script(folder: Path, path: str, *arguments: str, script: Path = SCRIPT) -> subprocess.CompletedProcess[str]:
    # `make test` tells what it calls that it is called by make, which then names the folders it enters.
    outside_of_make = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS")}
    return subprocess.run(
        [script, *arguments],
        cwd=folder,
        env={**outside_of_make, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
