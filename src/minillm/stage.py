"""What every stage of the workflow shares: its command line and its manners when something fails.

A stage is one plain function. `run_stage(function)` turns its parameters into named options, so that a rule can
call `python -m minillm.corpus.clean_articles --raw … --output …` and a test can call the function itself. Standard
error is the log (Snakemake redirects it to the rule's log file); standard output is the screen. An exception leaves
its traceback in the log and one line on the screen.
"""

import argparse
import dataclasses
import inspect
import json
import logging
import os
import sys
import traceback
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any


def run_stage(function: Callable[..., object]) -> None:
    """Run a stage from the command line and exit with 0, or with 1 and one line on the screen."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s: %(message)s")
    arguments = _parse(function, sys.argv[1:])
    try:
        function(**arguments)
    except Exception as error:
        traceback.print_exc()
        message = " ".join(str(error).split()) or type(error).__name__
        if not isinstance(error, (ValueError, OSError)):
            message = f"{type(error).__name__}: {message}"
        print(f"miniLLM, {function.__name__}: {message}{_where_the_log_is()}", flush=True)
        sys.exit(1)


def _read_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _where_the_log_is() -> str:
    """The name of the file that standard error goes to, where the system tells it (Linux)."""
    try:
        log = Path("/proc/self/fd/2").readlink()
    except OSError:
        return ""
    return f" (log: {os.path.relpath(log)})" if log.is_file() else ""


def _parse(function: Callable[..., object], argv: list[str]) -> dict[str, Any]:
    """Options of the signature: paths, numbers, strings, booleans, lists of these, and JSON for everything else."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {function.__module__}",
        description=inspect.getdoc(function),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    hints = typing.get_type_hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        required = parameter.default is inspect.Parameter.empty
        kind, many = _element(hints[name])
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=_reader(kind),
            nargs="*" if many else None,
            required=required,
            default=None if required else parameter.default,
        )
    return vars(parser.parse_args(argv))


def _element(hint: Any) -> tuple[Any, bool]:
    """The type of one value and whether the option takes several: `list[Path]` is (Path, True)."""
    if isinstance(hint, types.UnionType):
        hint = next(arm for arm in typing.get_args(hint) if arm is not types.NoneType)
    if typing.get_origin(hint) is list:
        return typing.get_args(hint)[0], True
    return hint, False


def _reader(kind: Any) -> Callable[[str], Any]:
    if kind is bool:
        return _read_bool
    if kind in (str, int, float, Path):
        return typing.cast(Callable[[str], Any], kind)
    if dataclasses.is_dataclass(kind):
        return lambda text: kind(**json.loads(text))  # type: ignore[operator]
    return json.loads
