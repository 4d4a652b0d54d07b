"""A toy corpus in Spanish with its vocabularies, and models small enough to run a stage in no time."""

from collections.abc import Callable
from pathlib import Path

import pytest

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
