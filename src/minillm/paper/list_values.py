"""List every name that the article's templates know, with its value: what to write in a text of one's own."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from minillm.files import write_text
from minillm.paper.latex import Quantity
from minillm.paper.manifest import MEASURED
from minillm.paper.markdown import escape
from minillm.paper.values import gather
from minillm.results import Metrics
from minillm.stage import run_stage

LONGEST = 80  # characters of a text that are shown

HEAD = r"""# What the article of the run `{run}` can print

Written by the workflow. In a template, `\VAR{{models.{model}.title}}` prints a text, and
`\VAR{{metric("bits_per_byte", "{model}", "test") | interval(2)}}` a number with two decimals and its interval; filters
and what each name means are in `paper/README.md`. Of a list of things with names of their own the first is shown.

- `metric(name, model, split)` gives a number of the tables below, crossed out where a leak flatters it.
- `audit(model, name)` gives one of the split `test`, never crossed out.
- `measured(name, model, split)` says whether there is such a number.
- `studied(name, model, split)`, also with `audited=true`, and `measured_in_study` do the same for the studies, and
  `against(name, model, split, stated)` says on which side of a stated number that of a study lies.
"""
MEASURED_HEAD = """
# What is measured in time or memory

These values change from one machine, and from one moment, to the next.
"""


def list_values(
    settings: dict[str, Any],
    metrics: list[Path],
    checks: Path,
    selection: Path,
    statistics: list[Path],
    descriptions: list[Path],
    outcomes: list[Path],
    generations: list[Path],
    copies: list[Path],
    machine: Path,
    provenance: Path,
    studies: list[Path],
    study_metrics: list[Path],
    output: Path,
) -> None:
    """Write tables in Markdown, sorted by name; what is measured in time or memory is apart, at the end."""
    values = gather(
        settings,
        metrics,
        checks,
        selection,
        statistics,
        descriptions,
        outcomes,
        generations,
        copies,
        machine,
        provenance,
        studies,
        study_metrics,
    )
    steady = [path for path in metrics if path.name not in MEASURED]
    timed = [path for path in metrics if path.name in MEASURED]
    parts = [HEAD.format(run=settings["run"], model=next(iter(settings["models"])))]
    parts += [
        _facts(name, value) for name, value in sorted(values.items()) if name != "machine" and not callable(value)
    ]
    parts += [_numbers("metric", values["metric"], steady), _numbers("studied", values["studied"], study_metrics)]
    parts += [MEASURED_HEAD, _facts("machine", values["machine"]), _numbers("metric", values["metric"], timed)]
    write_text(output, "".join(parts))


def _facts(name: str, value: Any) -> str:
    """A table of everything under one name."""
    return _table(f"`{name}`", ("name", "value"), _flat(name, value))


def _numbers(function: str, of: Any, tables: list[Path]) -> str:
    """A table of the numbers that a function of the templates gives."""
    rows = []
    for key in Metrics(*tables).names():
        number: Quantity = of(*key)
        value = f"~~{_shown(number.value)}~~" if number.struck else _shown(number.value)
        bounds = "" if number.low is None else f"{_shown(number.low)} to {_shown(number.high)}"
        arguments = ", ".join(f'"{argument}"' for argument in (key if key[2] else key[:2]))
        rows.append((f"`{function}({arguments})`", value, escape(number.unit), bounds, _shown(number.n)))
    return _table(f"`{function}(name, model, split)`", ("name", "value", "unit", "interval", "n"), rows)


def _table(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["", f"## {title}", "", f"| {' | '.join(columns)} |", f"| {' | '.join('---' for _ in columns)} |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), ""])


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """The names under a name, each with its value, as a template writes them."""
    if isinstance(value, SimpleNamespace):
        value = vars(value)
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from _flat(f"{name}.{key}" if str(key).isidentifier() else f'{name}["{key}"]', value[key])
    elif isinstance(value, list) and value and isinstance(value[0], SimpleNamespace | dict):
        yield from _flat(f"{name}[0]", value[0])
        yield f"`{name} | length`".replace("|", r"\|"), str(len(value))
    else:
        yield f"`{name}`", _shown(value)


def _shown(value: Any) -> str:
    """A value on one line: numbers with six digits at most, the beginning of long texts."""
    if value is None:
        return ""
    if isinstance(value, Quantity):
        return _shown(value.value)
    if isinstance(value, float):
        return str(int(value)) if value == int(value) else f"{value:.6g}"
    if isinstance(value, list | tuple | dict):
        return ", ".join(map(_shown, value)) or "none"
    text = str(value)
    return escape(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")


if __name__ == "__main__":
    run_stage(list_values)
