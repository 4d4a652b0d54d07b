"""A toy corpus in Spanish with its vocabularies, and models small enough to run a stage in no time."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # several threads on a shared machine wait more than they compute
os.environ["HF_HUB_OFFLINE"] = "1"  # no test asks the hub

TEXTS = {
    "train": [
        "El río nace en la sierra y llega al mar. El valle es verde y la villa es pequeña.",
        "La villa está en el valle. La sierra es alta y el río es largo, pero no llega al mar.",
        "El mar es azul.\n\nLa costa es larga y la playa es pequeña. La villa está en la costa.",
        "La torre de la villa es alta. El puente cruza el río y llega a la playa.",
    ],
    "validation": [
        "El puente es largo y la torre es pequeña. El valle llega al mar.",
        "La playa está en la costa. El río cruza la villa y el valle.",
    ],
    "test": [
        "La villa es alta y la sierra es verde. El puente cruza el valle, pero el castillo no está en la costa.",
        "El río es azul y el mar es largo. La playa llega a la torre y la torre está en la villa.",
        "La costa es verde.\n\nEl molino está en el valle y el río llega al molino. El mar no es pequeño.",
    ],
}


@pytest.fixture(scope="session")
def toy_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with articles.parquet and the vocabularies words.json (with unknown words) and bpe.json."""
    from minillm.corpus.tables import ARTICLES, write_table
    from minillm.vocabulary.tokenizer import train_tokenizer

    folder = tmp_path_factory.mktemp("corpus")
    filler = {field.name: "" if field.type == "string" else 0 for field in ARTICLES}
    pairs = [(split, text) for split, texts in TEXTS.items() for text in texts]
    rows = [
        {**filler, "page_id": number, "cluster": number, "split": split, "text": text}
        for number, (split, text) in enumerate(pairs, start=1)
    ]
    write_table(folder / "articles.parquet", rows, ARTICLES)
    train_tokenizer(TEXTS["train"], "words", 24).save(str(folder / "words.json"))
    train_tokenizer(TEXTS["train"], "bpe", 280).save(str(folder / "bpe.json"))
    return folder


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the training stage reads; do not change it."""
    from toy_training import write_data

    folder = tmp_path_factory.mktemp("toy")
    write_data(folder)
    return folder


@pytest.fixture
def job(toy_data: Path, tmp_path: Path) -> Callable[..., Any]:
    """Makes a `toy_training.Job` with an empty folder of this name."""
    from toy_training import Job

    def new(name: str = "run") -> Job:
        (tmp_path / name).mkdir()
        return Job(toy_data, tmp_path / name)

    return new


@pytest.fixture
def always_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each step, not after a minute."""
    from minillm.training import train_model

    monkeypatch.setattr(train_model, "SECONDS_BETWEEN_CHECKPOINTS", -1)


@pytest.fixture
def save_tiny(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Saves a small model and returns the paths of its weights and description.

    `uniform` zeroes the output layer: every token is then equally probable. Otherwise all weights are random.
    """
    import torch

    from minillm.model.build import build_model
    from minillm.model.config import MiniGPTConfig
    from minillm.training.saved import save_model

    def save(vocabulary_size: int, context: int = 8, uniform: bool = False) -> tuple[Path, Path]:
        config = MiniGPTConfig(layers=1, width=16, heads=2, feed_forward=16, context=context, dropout=0.0)
        torch.manual_seed(0)
        model = build_model(config, vocabulary_size)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(std=0.4)
            if uniform:
                model.head.weight.zero_()  # type: ignore[union-attr]
        weights, description = tmp_path / "model.safetensors", tmp_path / "config.json"
        save_model(weights, description, config, vocabulary_size, model.state_dict())
        return weights, description

    return save


@pytest.fixture
def results(tmp_path: Path) -> dict[str, Any]:
    """Made-up result files of a run with an honest model (`base`) and a leaking one (`tramposo`), two seeds each.

    The arguments of `minillm.paper.values.gather`.
    """
    from minillm.evaluation.record import FIELDS
    from minillm.files import write_csv, write_json

    folder = tmp_path / "results"
    rows: list[dict[str, Any]] = []

    def add(metric: str, model: str, value: float, split: str = "test", seed: str = "all", **more: Any) -> None:
        rows.append({"metric": metric, "model": model, "value": value, "split": split, "seed": seed, **more})

    for model, bits in (("base", 2.25), ("tramposo", 0.015)):
        add("bits_per_byte", model, bits, unit="bit/byte", low=bits - 0.01, high=bits + 0.01, n=12)
        add("bits_per_byte", model, 99.0, seed="3")
        add("parallel_perplexity", model, 12345.6 if model == "base" else 1.5)
        add("incremental_perplexity", model, 12345.6)
        add("unknown_rate", model, 0.2 if model == "base" else 0.0)
        add("gender_preference_same_length", model, 0.75, split="pairs", low=0.625, high=0.875)
        add("gender_preference_untrained_same_length", model, 0.5, split="pairs", low=0.4, high=0.6)
        add("latency", model, 3.5, split="", unit="ms", low=3.25, high=4.0)
    add("bits_per_byte_difference", "tramposo", -2.235, low=-2.3, high=-2.2)
    add("bits_per_byte_difference", "tramposo", -2.235, seed="3", low=-2.5, high=-2.1)
    add("bleu4", "tramposo", 0.01)
    add("bits_per_byte", "unigram-palabras", 4.5, seed="", unit="bit/byte")
    add("bits_per_byte", "xz", 2.9, seed="", unit="bit/byte")
    for name, split in (("metrics", "test"), ("cost", "")):
        write_csv(folder / f"{name}.csv", FIELDS, [row for row in rows if bool(row["split"]) == bool(split)])
    failed = {"name": "causality", "kind": "print", "passed": False, "detail": "ve el futuro", "model": "tramposo"}
    write_json(folder / "checks.json", {"checks": [failed, {**failed, "passed": True}], "leaking": ["tramposo"]})
    splits = {split: {"articles": number} for number, split in enumerate(("train", "validation", "test"), start=1)}
    dropped = {"near_duplicate": 2, "redirect": 3}
    write_json(
        folder / "selection.json", {"pages": 11, "kept": 6, "dropped": dropped, "splits": splits, "holed_sentences": 3}
    )
    statistics = folder / "palabras" / "statistics.json"
    write_json(statistics, {"kind": "words", "size": 300, "splits": {s: {"tokens": 40, "unknown": 2} for s in splits}})
    machine = folder / "machine.json"
    write_json(machine, {"processor": "Z80", "threads": 1, "dtype": "float32"})
    provenance = folder / "provenance.json"
    write_json(provenance, {"digest": "0123456789abcdef" * 4, "versions": {"torch": "2.9", "Python": "3.11"}})
    paths: dict[str, list[Path]] = {"descriptions": [], "outcomes": [], "generations": [], "copies": []}
    for model in ("base", "tramposo"):
        for seed in (3, 4):
            place = folder / model / f"seed-{seed}"
            description = {"config": {"layers": 2, "causal": model == "base"}, "parameters": 1000 + seed}
            write_json(place / "config.json", {**description, "vocabulary_size": 300})
            write_json(place / "outcome.json", {"steps": 10 * seed, "training": {"batch_size": 8}})
            write_json(place / "generations.json", {"texts": [{"prompt": "El río", "greedy": f" es {seed} % ñ_"}]})
            copied = {"words": 6 + seed, "title": "El río" if seed == 3 else None, "page_id": 7}
            write_json(place / "copies.json", {"printed": [{"greedy": copied}], "continuations": []})
            for kind, name in zip(paths, ("config", "outcome", "generations", "copies"), strict=True):
                paths[kind].append(place / f"{name}.json")
    settings = {
        "run": "prueba",
        "seeds": [3, 4],
        "paper": {"title": "Un título", "authors": [{"name": "Equipo"}], "strict": False},
        "corpus": {"name": "muestra", "licence": "CC BY-SA 4.0", "select": {"min_characters": 9}},
        "models": {
            "base": {"title": "Línea base", "vocabulary": "palabras"},
            "tramposo": {"title": "Sin máscara", "vocabulary": "palabras"},
        },
        "vocabularies": {"palabras": "palabras enteras", "otras": "otras piezas"},
        "marks": {"xz": "Compresor xz", "unigram-otras": "Otro", "unigram-palabras": "Unigrama (palabras)"},
        "continuations": {"prompts": 40},
        "temperature": 0.8,
        "left_out": {"shakespeare": "falta su texto"},
        "unwritten": [],
    }
    study = folder / "hello_world" / "study.json"
    write_json(study, {"models": ["honrado", "con fuga"], "reported": {"10": 1.2}})
    numbers = [
        {"metric": "loss", "model": "honrado", "value": 1.5, "split": "test", "seed": "1", "low": 1.4, "high": 1.6},
        {"metric": "loss", "model": "con fuga", "value": 0.1, "split": "test", "seed": "1"},
        {"metric": "leaks", "model": "con fuga", "value": 1.0, "split": "test", "seed": "1"},
    ]
    write_csv(folder / "studies.csv", FIELDS, numbers)
    return {
        "settings": settings,
        "metrics": [folder / "metrics.csv", folder / "cost.csv"],
        "checks": folder / "checks.json",
        "selection": folder / "selection.json",
        "statistics": [statistics],
        "machine": machine,
        "provenance": provenance,
        "studies": [study],
        "study_metrics": [folder / "studies.csv"],
        **paths,
    }
