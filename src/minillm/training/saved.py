"""A trained model on disk: a folder with its weights, what is needed to build it, and a copy of its tokenizer.

They are `model.safetensors`, `config.json` and `tokenizer.json`; models that are only built for a test lack the last.
"""

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from minillm.files import read_json, replacing, sha256, write_json
from minillm.model.build import build_model, count_parameters
from minillm.model.config import ModelConfig, config_from
from minillm.model.language_model import LanguageModel


def save_model(
    weights: Path,
    description: Path,
    config: ModelConfig,
    vocabulary_size: int,
    state: dict[str, torch.Tensor],
    tokenizer: Path | None = None,
) -> None:
    """Write the weights and the description of a model, with its tokenizer's hash, and a copy of that beside them."""
    model = build_model(config, vocabulary_size)
    save_tensors(weights, {name: state[name] for name in _names(model)})
    if tokenizer:
        with replacing(weights.with_name("tokenizer.json")) as temporary:
            shutil.copyfile(tokenizer, temporary)
    write_json(
        description,
        {
            "config": dataclasses.asdict(config),
            "vocabulary_size": vocabulary_size,
            "tokenizer": tokenizer and sha256(tokenizer),
            "parameters": count_parameters(model),
        },
    )


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors by name."""
    with replacing(path) as temporary:
        try:
            save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, temporary)
        except SafetensorError as error:
            raise OSError(f"{path} cannot be written: {error}") from error


def load_model(weights: Path, description: Path, device: torch.device) -> LanguageModel:
    """Build a saved model, ready for evaluation. Raises ValueError if weights and description do not fit."""
    saved: dict[str, Any] = read_json(description)
    model = build_model(config_from(saved["config"]), saved["vocabulary_size"])
    try:
        state = load_file(weights)
        if wrong := sorted(state.keys() ^ set(_names(model))):
            raise RuntimeError(f"missing or too many: {', '.join(wrong)}")
        model.load_state_dict(state, strict=False)  # of tied weights one name is enough
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(f"{weights} does not hold the model of {description}: {error}") from error
    return model.to(device).eval()


def is_saved_here(folder: Path) -> bool:
    """Whether `save_model` wrote the folder; what transformers writes has a `config.json` of another kind."""
    description = folder / "config.json"
    return description.is_file() and {"config", "vocabulary_size"} <= read_json(description).keys()


def _names(model: LanguageModel) -> list[str]:
    """The names of a model's weights, sorted; of tied ones, which are one tensor, the first."""
    names: dict[object, str] = {}
    for name, tensor in sorted(model.state_dict().items()):
        names.setdefault((tensor.data_ptr(), tensor.shape), name)
    return list(names.values())
