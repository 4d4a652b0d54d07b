"""The command line of a stage: options from a signature, and what is said when it fails."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from minillm.stage import run_stage


@dataclass(frozen=True)
class Shape:
    """A dataclass as a stage takes it."""

    width: int
    names: list[str] = field(default_factory=list)


def run(monkeypatch: pytest.MonkeyPatch, hints: dict[str, Any], *arguments: str) -> dict[str, Any]:
    """What a stage with these parameters receives from these arguments."""
    received: dict[str, Any] = {}

    def stage(value: Any) -> None:
        received["value"] = value

    stage.__annotations__.update(hints)
    monkeypatch.setattr(sys, "argv", ["stage", *arguments])
    run_stage(stage)
    return received


@pytest.mark.parametrize(
    ("kind", "arguments", "expected"),
    [
        (Path, ["a/b c.txt"], Path("a/b c.txt")),
        (list[Path], ["a", "b", "c"], [Path("a"), Path("b"), Path("c")]),
        (list[Path], [], []),
        (list[int], ["3", "5"], [3, 5]),
        (str, ["1"], "1"),
        (str, ["CC BY-SA 4.0"], "CC BY-SA 4.0"),
        (int, ["-7"], -7),
        (float, ["3e-4"], 0.0003),
        (float, ["2"], 2.0),
        (bool, ["True"], True),
        (bool, ["False"], False),
        (bool, ["false"], False),
        (dict[str, float], ['{"train": 0.7, "ñ": 1}'], {"train": 0.7, "ñ": 1}),
        (dict[str, Any], ['{"a": {"b": [null, true]}}'], {"a": {"b": [None, True]}}),
        (Shape, ['{"width": 3, "names": ["x"]}'], Shape(3, ["x"])),
        (Shape, ['{"width": 3}'], Shape(3, [])),
        (int | None, ["5"], 5),
        (Path | None, ["a"], Path("a")),
        (list[str] | None, ["a", "b"], ["a", "b"]),
    ],
)
def test_a_value_of_each_type(
    monkeypatch: pytest.MonkeyPatch, kind: Any, arguments: list[str], expected: object
) -> None:
    value = run(monkeypatch, {"value": kind}, "--value", *arguments)["value"]
    assert value == expected
    assert type(value) is type(expected)


def test_defaults_and_names(monkeypatch: pytest.MonkeyPatch) -> None:
    received = []

    def stage(batch_size: int, ratio: float = 0.5, limit: int | None = None, *, strict: bool = False) -> None:
        received.append((batch_size, ratio, limit, strict))

    for arguments in (["--batch-size", "8"], ["--strict", "true", "--batch-size", "9", "--limit", "0"]):
        monkeypatch.setattr(sys, "argv", ["stage", *arguments])
        run_stage(stage)
    assert received == [(8, 0.5, None, False), (9, 0.5, 0, True)]


@pytest.mark.parametrize(
    "arguments",
    [
        [],  # missing
        ["--val", "1"],  # abbreviated: would change its meaning when a stage gets a new option
        ["--value", "one"],
        ["--value", "1", "--other", "2"],
        ["--value", "1", "2"],
    ],
)
def test_a_wrong_command_line_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        run(monkeypatch, {"value": int}, *arguments)
    assert exit_.value.code == 2
    assert "--value" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "argument"), [(dict[str, int], "{"), (Shape, '{"wdth": 3}')])
def test_wrong_json_is_refused(monkeypatch: pytest.MonkeyPatch, kind: Any, argument: str) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, {"value": kind}, "--value", argument)


def test_a_boolean_is_true_or_false(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, {"value": bool}, "--value", "yes")


SCRIPT = """
import logging
from minillm.stage import run_stage

class Odd(Exception):
    pass

def make_tea(cups: int) -> None:
    logging.getLogger("tea").info("kettle on")
    if cups == 0:
        raise ValueError("no cups,\\n  and  no\\ttea")
    if cups == 1:
        raise Odd("x\\ny")
    if cups == 2:
        raise ValueError
    if cups == 3:
        raise FileNotFoundError(2, "No such file", "cups.txt")
    if cups == 4:
        print(1 / 0)

if __name__ == "__main__":
    run_stage(make_tea)
"""


@pytest.mark.parametrize(
    ("cups", "line"),
    [
        (0, "miniLLM, make_tea: no cups, and no tea\n"),
        (1, "miniLLM, make_tea: Odd: x y\n"),
        (2, "miniLLM, make_tea: ValueError\n"),
        (3, "miniLLM, make_tea: [Errno 2] No such file: 'cups.txt'\n"),
        (4, "miniLLM, make_tea: ZeroDivisionError: division by zero\n"),
    ],
)
def test_a_failure_is_one_line_on_the_screen_and_a_traceback_in_the_log(tmp_path: Path, cups: int, line: str) -> None:
    script = tmp_path / "tea.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script, "--cups", str(cups)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == line
    assert done.stderr.startswith("INFO: kettle on\nTraceback (most recent call last):\n")


def test_success_is_silent_on_the_screen(tmp_path: Path) -> None:
    script = tmp_path / "tea.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script, "--cups", "9"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "INFO: kettle on\n")
