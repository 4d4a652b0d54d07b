"""Our training on the CPU, beside that of `peers.py`: the same texts, shapes and scores.

    .venv/bin/python benchmarks/training.py shakespeare --text TINY_SHAKESPEARE --threads 1 --steps 400 1100
    .venv/bin/python benchmarks/training.py eswiki --corpus data/eswiki --threads 2 --steps 1600 --tries '{}' '{…}'
    .venv/bin/python benchmarks/training.py speed --text TINY_SHAKESPEARE --corpus data/eswiki --rounds 3
    .venv/bin/python benchmarks/training.py growth --corpus data/eswiki

from the project's folder. `data/eswiki` is what the workflow makes with config/dump.yaml. A try of `eswiki` is JSON
with settings of the training that differ from RECIPE; models of tries that lie there are not trained again. Trainings
run as the stage of the workflow, in folders under results/training/. Prints tables in Markdown.
"""

import csv
import dataclasses
import hashlib
import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers import bits_per_byte, joined, loss_of_text
from tokenizers import Tokenizer, models

from minillm.files import read_json
from minillm.model.config import QwenConfig
from minillm.stage import run_stage
from minillm.training.config import TrainingConfig
from minillm.training.saved import load_model
from minillm.vocabulary.tokenizer import SPECIALS

WORK = Path("results/training")
IMPROVED = QwenConfig(architecture="qwen", layers=4, width=256, heads=4, feed_forward=688, context=256)
RECIPE = TrainingConfig(
    steps=1,
    batch_size=8,
    optimizer="muon",
    learning_rate=5e-3,
    matrix_learning_rate=0.03,
    weight_decay=0.1,
    beta2=0.95,
    warmup_steps=20,
    schedule="decay",
    decay_share=0.6,
    evaluate_every=1_000_000,
    validation_tokens=200_000,
)
# As nanoGPT's command: 0.8 million parameters, 12 windows of 64 characters a step.
CHARACTERS = QwenConfig(architecture="qwen", layers=4, width=128, heads=4, feed_forward=344, context=64)


def shakespeare(text: Path, threads: int, steps: list[int]) -> None:
    """Train on Tiny Shakespeare for each number of steps; print the loss on the whole validation split and CPU time."""
    characters = text.read_text(encoding="utf-8")
    data = WORK / "shakespeare"
    add_characters(data, characters)
    print("| steps | CPU seconds, whole process | whole validation split, nats |\n| --- | --- | --- |")
    for number in steps:
        recipe = dataclasses.replace(RECIPE, steps=number, batch_size=12, threads=threads, validation_tokens=10_000)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        model = train(data, data / "tokenizer.json", CHARACTERS, recipe)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        network = load_model(model / "model.safetensors", model / "config.json", torch.device("cpu"))
        validation = np.load(data / "validation.npy")[1:-1]  # without [BOS] and [EOS], as nanoGPT has it
        print(f"| {number} | {seconds:.1f} | {loss_of_text(network, validation):.4f} |", flush=True)


def eswiki(corpus: Path, threads: int, steps: int, tries: list[str]) -> None:
    """Train each try; print bits per byte on validation articles and, of the best one, on the test split."""
    print("| try | parameters | tokens | seconds | a fifth of validation, bits per byte | test |")
    print("| --- | --- | --- | --- | --- | --- |")
    rows = {}
    for changes in tries:
        recipe = dataclasses.replace(RECIPE, steps=steps, threads=threads, **json.loads(changes))
        folder = train(corpus / "tokens/bpe", corpus / "vocabulary/bpe/tokenizer.json", IMPROVED, recipe, again=False)
        network = load_model(folder / "model.safetensors", folder / "config.json", torch.device("cpu"))
        rows[changes] = network, folder, bits_per_byte(network, corpus, "validation")
    best = min(rows, key=lambda changes: rows[changes][2])
    for changes, (network, folder, bits) in rows.items():
        test = f"{bits_per_byte(network, corpus, 'test'):.3f}" if changes == best else ""
        parameters = read_json(folder / "config.json")["parameters"]
        tokens = read_json(folder / "outcome.json")["tokens"]
        print(f"| `{changes}` | {parameters:,} | {tokens:,} | {seconds_of(folder)} | {bits:.3f} | {test} |")


def speed(text: Path, corpus: Path, rounds: int) -> None:
    """Print tokens a second of training steps, in fp32 and bf16, as it is and compiled, with one and two threads."""
    add_characters(WORK / "shakespeare", text.read_text(encoding="utf-8"))
    shapes = {
        "12 × 64": (WORK / "shakespeare", WORK / "shakespeare/tokenizer.json", CHARACTERS, 12, 250),
        "16 × 256": (corpus / "tokens/bpe", corpus / "vocabulary/bpe/tokenizer.json", IMPROVED, 16, 30),
    }
    measured: dict[tuple[str, str, int], list[float]] = {}
    for _ in range(rounds):
        for threads in (1, 2):
            for precision, compilation in (
                ("fp32", "never"),
                ("fp32", "always"),
                ("bf16", "never"),
                ("bf16", "always"),
            ):
                for name, (data, tokenizer, model, batch_size, steps) in shapes.items():
                    recipe = dataclasses.replace(
                        RECIPE,
                        steps=steps,
                        batch_size=batch_size,
                        threads=threads,
                        precision=precision,
                        compile=compilation,
                        validation_tokens=model.context,
                    )
                    folder = train(data, tokenizer, model, recipe)
                    way = f"{precision}, {'compiled' if compilation == 'always' else 'eager'}"
                    measured.setdefault((name, way, threads), []).append(float(last_row(folder)["tokens_per_second"]))
    print("| batch | way | threads | tokens a second, median of rounds | best round |\n| --- | --- | --- | --- | --- |")
    for (name, way, threads), rates in sorted(measured.items()):
        print(f"| {name} | {way} | {threads} | {statistics.median(rates):,.0f} | {max(rates):,.0f} |")


def growth(corpus: Path) -> None:
    """Print peak memory and speed as width, depth, context and corpus grow, one thing at a time."""
    ways: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
        "as `improved`": ({}, {}, 1),
        "width 512": ({"width": 512, "heads": 8, "feed_forward": 1376}, {}, 1),
        "width 1,024": ({"width": 1024, "heads": 16, "feed_forward": 2752}, {}, 1),
        "12 layers": ({"layers": 12}, {}, 1),
        "24 layers": ({"layers": 24}, {}, 1),
        "context 1,024": ({"context": 1024}, {"batch_size": 2}, 1),
        "context 4,096": ({"context": 4096}, {"batch_size": 1}, 1),
        "batch 32": ({}, {"batch_size": 32}, 1),
        "batch 32 in 4 parts": ({}, {"batch_size": 32, "micro_batches": 4}, 1),
        "corpus × 100": ({}, {}, 100),
    }
    print("| what | parameters | tokens of the corpus | tokens a step | tokens/s | peak memory, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, (shape, changes, copies) in ways.items():
        data = corpus / "tokens/bpe"
        if copies > 1:
            data = WORK / f"eswiki-{copies}"
            add_copies(data, corpus / "tokens/bpe", copies)
        model = dataclasses.replace(IMPROVED, **shape)
        settings = {"steps": 6, "threads": 2, "precision": "fp32", "validation_tokens": model.context, **changes}
        recipe = dataclasses.replace(RECIPE, **settings)
        folder = train(data, corpus / "vocabulary/bpe/tokenizer.json", model, recipe)
        row, parameters = last_row(folder), read_json(folder / "config.json")["parameters"]
        tokens = int(np.load(data / "train.offsets.npy")[-1])
        print(
            f"| {name} | {parameters:,} | {tokens:,} | {recipe.batch_size * model.context:,} "
            f"| {float(row['tokens_per_second']):,.0f} | {int(row['peak_memory_bytes']) / 1e6:,.0f} |",
            flush=True,
        )


def train(data: Path, tokenizer: Path, model: QwenConfig, recipe: TrainingConfig, *, again: bool = True) -> Path:
    """Train with the stage of the workflow, if need be or `again`; returns the model's folder."""
    settings = {"model": dataclasses.asdict(model), "training": dataclasses.asdict(recipe)}
    name = hashlib.sha256(json.dumps([str(data), settings]).encode()).hexdigest()[:12]
    folder = WORK / "models" / name
    if not again and (folder / "model.safetensors").exists():
        return folder
    inputs = {
        f"{split}-{kind}": data / f"{split}{ending}"
        for split in ("train", "validation")
        for kind, ending in (("tokens", ".npy"), ("offsets", ".offsets.npy"))
    }
    outputs = {
        "weights": "model.safetensors",
        "description": "config.json",
        "history": "history.csv",
        "timing": "timing.csv",
        "outcome": "outcome.json",
    }
    options = {
        "name": name,
        "tokenizer": tokenizer,
        "seed": 1,
        **{key: json.dumps(value) for key, value in settings.items()},
        **inputs,
        **{key: folder / file for key, file in outputs.items()},
    }
    arguments = [part for key, value in options.items() for part in (f"--{key}", str(value))]
    command = [sys.executable, "-m", "minillm.training.train_model", *arguments, "--code"]
    subprocess.run(command, stdout=sys.stderr, check=True)
    return folder


def last_row(folder: Path) -> dict[str, str]:
    with (folder / "timing.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))[-1]


def seconds_of(folder: Path) -> str:
    return f"{float(last_row(folder)['seconds']):,.0f}"


def add_characters(data: Path, text: str) -> None:
    """Tiny Shakespeare as nanoGPT splits it: characters, the first nine tenths to train on."""
    alphabet = sorted(set(text))
    ids = {name: number for number, name in enumerate([*SPECIALS, *alphabet])}
    data.mkdir(parents=True, exist_ok=True)
    Tokenizer(models.WordLevel(ids, unk_token="[UNK]")).save(str(data / "tokenizer.json"))
    end = len(text) * 9 // 10
    for split, part in (("train", text[:end]), ("validation", text[end:])):
        tokens = joined([[ids[character] for character in part]])
        np.save(data / f"{split}.npy", tokens)
        np.save(data / f"{split}.offsets.npy", np.array([0, len(tokens)]))


def add_copies(data: Path, original: Path, copies: int) -> None:
    """A corpus of so many times the same articles: what matters here is how much there is."""
    data.mkdir(parents=True, exist_ok=True)
    for split in ("train", "validation"):
        tokens, offsets = np.load(original / f"{split}.npy"), np.load(original / f"{split}.offsets.npy")
        np.save(data / f"{split}.npy", np.tile(tokens, copies))
        ends = np.arange(copies)[:, None] * offsets[-1] + offsets[None, 1:]
        np.save(data / f"{split}.offsets.npy", np.concatenate([[0], ends.flatten()]))


COMMANDS = {"shakespeare": shakespeare, "eswiki": eswiki, "speed": speed, "growth": growth}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"{__doc__}\nThe first argument is one of {', '.join(COMMANDS)}.")
    run_stage(COMMANDS[sys.argv.pop(1)])
