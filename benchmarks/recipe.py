"""Which recipe suits the bundled sample: variants of the improved model, compared on the validation split only.

    .venv/bin/python benchmarks/recipe.py        # from the project's folder; a quarter of an hour

Each variant is a run of the workflow (results/recipe_<n>/) with an overlay of the default config and one seed. Steps
are chosen so that all take about the same time on two cores. Prints a table in Markdown.
"""

import csv
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

CORPUS = Path("data/encyclopedia")
SIZE = yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8"))["vocabularies"]["bpe"]["size"]
# What is changed in the config of the improved model: its keys, those of its training, the size of its vocabulary.
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "as shipped": ({}, {}, SIZE),
    "dropout 0.1": ({"dropout": 0.1}, {}, SIZE),
    "width 192": ({"width": 192, "feed_forward": 512}, {"steps": 440}, SIZE),
    "six layers": ({"layers": 6}, {"steps": 470}, SIZE),
    "1,024 tokens": ({}, {"steps": 740}, 1024),
    "4,096 tokens": ({}, {"steps": 580}, 4096),
    "batches of 16": ({}, {"steps": 360, "batch_size": 16}, SIZE),
    "lower learning rates": ({}, {"learning_rate": 3e-3, "matrix_learning_rate": 0.02}, SIZE),
    "higher learning rates": ({}, {"learning_rate": 8e-3, "matrix_learning_rate": 0.04}, SIZE),
}


def main() -> None:
    print("| variant | steps | seconds | validation, bits per byte |\n| --- | --- | --- | --- |", flush=True)
    for number, (name, (model, training, size)) in enumerate(VARIANTS.items()):
        vocabulary = f"bpe_{size}"
        overlay = {
            "run": {"name": f"recipe_{number}", "models": ["improved"]},
            "vocabularies": {vocabulary: {"title": "subpalabras", "kind": "bpe", "size": size}},
            "models": {"improved": {**model, "vocabulary": vocabulary, "training": training}},
        }
        folder = Path(f"results/recipe_{number}/models/encyclopedia/improved/seed-1")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(overlay, file)
            file.flush()
            snakemake = [sys.executable, "-m", "snakemake", "--configfile", file.name, "--quiet", "rules", "--"]
            subprocess.run([*snakemake, folder / "outcome.json"], stdout=sys.stderr, check=True)
        outcome = json.loads((folder / "outcome.json").read_text())
        with (folder / "timing.csv").open() as stream:
            seconds = float(list(csv.DictReader(stream))[-1]["seconds"])
        bits = bits_per_byte(outcome["best_validation_loss"], vocabulary)
        print(f"| {name} | {outcome['steps']} | {seconds:.0f} | {bits:.3f} |", flush=True)


def bits_per_byte(loss: float, vocabulary: str) -> float:
    """From the loss that training measures: nats a token over the joined split, [BOS] and [EOS] included."""
    split = json.loads((CORPUS / "selection.json").read_text())["splits"]["validation"]
    tokens = json.loads((CORPUS / "vocabulary" / vocabulary / "statistics.json").read_text())["splits"]["validation"]
    targets = tokens["tokens"] + 2 * split["articles"] - 1
    return loss * targets / split["bytes"] / math.log(2)


if __name__ == "__main__":
    main()
