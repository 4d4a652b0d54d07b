"""The table of ablations: numbers from where they are, what was changed, and no leak without its mark."""

import csv
from pathlib import Path
from typing import Any

import pytest

from minillm.evaluation.ablations import COLUMNS, tabulate_ablations
from minillm.evaluation.record import FIELDS
from minillm.files import write_csv, write_json

TRAINING: dict[str, Any] = {"steps": 9, "weight_decay": 0.1, "schedule": "decay"}
QWEN: dict[str, Any] = {"architecture": "qwen", "width": 8, "rope_theta": 1e4, "training": TRAINING}
SETTINGS = {
    "improved": {"title": "El mejor", **QWEN},
    "decayed": {"title": "Más decaimiento", **QWEN, "training": {**TRAINING, "weight_decay": 0.4, "ema_decay": 0.9}},
    "hub": {"title": "Preentrenado", "pretrained": "x/y"},
    "other": {"title": "MiniGPT", "architecture": "minigpt", "width": 8, "norm": "before", "training": TRAINING},
}


def metric(name: str, model: str, seed: str, value: float, *bounds: float) -> dict[str, Any]:
    low, high = bounds or ("", "")
    interval = "95 %, Student's t over 2 seeds" if seed == "all" and bounds else ""
    row = {"metric": name, "model": model, "seed": seed, "split": "test", "value": value, "low": low, "high": high}
    return {**row, "interval": interval}


@pytest.fixture
def tables(tmp_path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of the CSV and the lines of the Markdown, of three trained models with two seeds and one pretrained."""
    rows = []
    for model, bits, leaks in (("improved", 2.0, 0.0), ("decayed", 1.75, 0.0), ("other", 2.5, 0.5), ("hub", 1.0, 0.0)):
        rows += [metric("bits_per_byte", model, "1", 7.0, 6.0, 8.0), metric("bits_per_byte", model, "2", 9.0)]
        rows += [metric("bits_per_byte", model, "all", bits, bits - 0.125, bits + 0.25)]
        rows += [metric("leaks", model, "1", 1.0 if leaks else 0.0), metric("leaks", model, "all", leaks)]
        if model != "improved":
            rows += [metric("bits_per_byte_difference", model, "1", 9.0)]
            rows += [metric("bits_per_byte_difference", model, "all", bits - 2, bits - 2.0625, bits - 1.9375)]
    write_csv(tmp_path / "metrics.csv", [*FIELDS, "source"], rows)
    files: dict[str, list[Path]] = {"config.json": [], "outcome.json": [], "timing.csv": []}
    for number, model in enumerate(("improved", "decayed", "other")):
        for seed in (1, 2):
            folder = tmp_path / model / f"seed-{seed}"
            write_json(folder / "config.json", {"parameters": 1000 + number})
            write_json(folder / "outcome.json", {"tokens": 5000 * seed, "epochs": 0.5 * seed})
            timing = [{"step": step, "seconds": step * seed * (number + 1)} for step in (1, 10)]
            write_csv(folder / "timing.csv", ["step", "seconds"], timing)
            for name, paths in files.items():
                paths.append(folder / name)
    output, markdown = tmp_path / "ablations.csv", tmp_path / "ablations.md"
    tabulate_ablations(tmp_path / "metrics.csv", *files.values(), SETTINGS, output, markdown)
    with output.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream)), markdown.read_text(encoding="utf-8").splitlines()


def test_every_number_is_the_one_over_seeds(tables: tuple[list[dict[str, str]], list[str]]) -> None:
    rows, _ = tables
    assert [row["model"] for row in rows] == ["improved", "decayed", "other"]
    assert list(rows[0]) == COLUMNS
    reference, decayed, _ = rows
    assert [reference[key] for key in ("bits_per_byte", "low", "high")] == ["2.0", "1.875", "2.25"]
    assert [reference[key] for key in ("difference", "difference_low", "difference_high")] == ["", "", ""]
    assert [decayed[key] for key in ("difference", "difference_low", "difference_high")] == [
        "-0.25",
        "-0.3125",
        "-0.1875",
    ]
    assert [row["parameters"] for row in rows] == ["1000", "1001", "1002"]
    assert {(row["tokens"], row["epochs"], row["seeds"]) for row in rows} == {("7500", "0.75", "2")}
    assert [row["seconds_measured"] for row in rows] == ["15.0", "30.0", "45.0"]
    assert {row["interval"] for row in rows} == {"95 %, Student's t over 2 seeds"}
    assert [row["leaks"] for row in rows] == ["False", "False", "True"]


def test_what_is_changed_is_read_from_the_settings(tables: tuple[list[dict[str, str]], list[str]]) -> None:
    rows, _ = tables
    assert [row["changed"] for row in rows] == [
        "",
        "training.weight_decay 0.1 → 0.4; training.ema_decay 0.9",
        "architecture qwen → minigpt; norm before",
    ]


def test_a_reader_sees_it_all(tables: tuple[list[dict[str, str]], list[str]]) -> None:
    _, lines = tables
    header, _, reference, decayed, other, _, below = lines
    assert header.count("|") == reference.count("|") == decayed.count("|") == other.count("|") == 8
    assert reference == "| El mejor (`improved`) |  | 1,000 | 7,500 | 2.000 [1.875; 2.250] |  | 15 |"
    assert decayed.endswith("| 1,001 | 7,500 | 1.750 [1.625; 2.000] | −0.250 [−0.312; −0.188] | 30 |")
    assert other.startswith("| MiniGPT (`other`), **invalid: sees the future** |")
    assert "+0.500 [+0.438; +0.562]" in other
    assert "Student's t over 2 seeds" in below
