"""The three lists of packages say the same: what is declared, what conda installs, what is pinned."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINS = [line for line in LOCK.splitlines() if line and not line.startswith("#")]

# What conda-forge and bioconda call what PyPI calls otherwise.
ON_CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base", "snakemake": "snakemake-minimal"}


def bounds(requirements: list[str]) -> dict[str, str]:
    """The version range of each package, by its canonical name."""
    parsed = [Requirement(requirement) for requirement in requirements]
    return {canonicalize_name(requirement.name): str(requirement.specifier) for requirement in parsed}


def test_environment_is_in_step_with_the_project() -> None:
    lines = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    (from_pip,) = [line["pip"] for line in lines if isinstance(line, dict)]
    assert "--editable ." in from_pip
    found = bounds([line for line in [*lines, *from_pip] if isinstance(line, str) and not line.startswith("--")])
    assert found.pop("pip") == ""
    assert found.pop("python") == str(Requirement(f"python{PROJECT['requires-python']}").specifier)
    assert found == {ON_CONDA.get(name, name): bound for name, bound in bounds(PROJECT["dependencies"]).items()}


def test_every_dependency_has_a_lower_bound_that_the_lock_satisfies() -> None:
    pinned = bounds(PINS)
    for requirement in map(Requirement, PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]):
        assert any(bound.operator == ">=" for bound in requirement.specifier), requirement
        version = pinned[canonicalize_name(requirement.name)].removeprefix("==")
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement}: {version} is locked"


@pytest.mark.parametrize("line", PINS)
def test_the_lock_pins_exactly(line: str) -> None:
    """No ranges, hashes, paths, URLs, options, markers or local builds: a name and a public version."""
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9]+(\.[0-9]+)*(\.?(a|b|rc|post|dev)[0-9]+)?", line)


def test_the_lock_has_this_torch_and_no_package_twice() -> None:
    assert "torch==2.13.0" in PINS
    names = [canonicalize_name(Requirement(pin).name) for pin in PINS]
    assert sorted(names) == sorted(set(names))
    assert "minillm" not in names
