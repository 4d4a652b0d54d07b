"""The list of what templates can print: every name once, as it is written, and what is measured in time apart."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minillm.files import write_json
from minillm.paper.list_values import list_values


@pytest.fixture
def listed(results: dict[str, Any], tmp_path: Path) -> Callable[[], str]:
    def run() -> str:
        list_values(**results, output=tmp_path / "values.md")
        return (tmp_path / "values.md").read_text(encoding="utf-8")

    return run


def test_names_with_their_values(listed: Callable[[], str]) -> None:
    """By hand: as a template writes them, text escaped, what has no value empty, numbers short."""
    lines = listed().splitlines()
    for line in (
        "| `run.name` | prueba |",
        "| `models.base.title` | Línea base |",
        "| `models.base.parameters` | 1003 |",
        "| `models.base.width` |  |",
        "| `models.tramposo.leaks` | True |",
        "| `seeds` | 3, 4 |",
        "| `corpus.dropped` | redirecciones, 3, casi duplicados, 2 |",
        r"| `generations.base[0].greedy` | es 3 % ñ\_ |",
        r"| `generations.base \| length` | 1 |",
        r'| `studies.hello_world.reported["10"]` | 1.2 |',
        "| `marks[0].bits_per_byte` | 2.9 |",
        "| `left_out.shakespeare` | falta su texto |",
        "| `unwritten` | none |",
    ):
        assert lines.count(line) == 1, line


def test_numbers_with_unit_interval_and_n(listed: Callable[[], str]) -> None:
    lines = listed().splitlines()
    assert '| `metric("bits_per_byte", "base", "test")` | 2.25 | bit/byte | 2.24 to 2.26 | 12 |' in lines
    assert '| `metric("bits_per_byte", "tramposo", "test")` | ~~0.015~~ | bit/byte | 0.005 to 0.025 | 12 |' in lines
    assert '| `metric("bits_per_byte", "xz", "test")` | 2.9 | bit/byte |  |  |' in lines
    assert '| `metric("parallel_perplexity", "base", "test")` | 12345.6 |  |  |  |' in lines
    assert '| `studied("loss", "honrado", "test")` | 1.5 |  | 1.4 to 1.6 |  |' in lines
    assert '| `studied("loss", "con fuga", "test")` | ~~0.1~~ |  |  |  |' in lines
    rows = [line for line in lines if line.startswith("| `metric(")]
    steady = rows[:-2]
    assert steady == sorted(steady)
    assert len(set(rows)) == len(rows) == 18


def test_what_is_measured_in_time_is_apart(listed: Callable[[], str]) -> None:
    steady, timed = listed().split("# What is measured in time or memory")
    assert "latency" not in steady
    assert "machine." not in steady
    assert '`metric("latency", "base")` | 3.5 | ms | 3.25 to 4 |' in timed
    assert "| `machine.processor` | Z80 |" in timed
    assert "bits_per_byte" not in timed


def test_text_breaks_no_table(listed: Callable[[], str], results: dict[str, Any]) -> None:
    results["settings"]["models"]["base"]["title"] = "a | b\n`c` <d>"
    results["settings"]["corpus"]["name"] = "x" * 200
    write_json(results["machine"], {"processor": "Z|80\n## no"})
    text = listed()
    assert r"| `models.base.title` | a \| b \`c\` \<d\> |" in text
    assert f"| `corpus.name` | {'x' * 79}… |" in text
    assert r"| `machine.processor` | Z\|80 \#\# no |" in text


def test_the_same_bytes_every_time(listed: Callable[[], str], results: dict[str, Any]) -> None:
    first = listed()
    for name in ("descriptions", "outcomes", "generations", "copies"):
        results[name] = results[name][::-1]
    assert listed() == first
