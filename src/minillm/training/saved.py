"""A trained model on disk: `model.safetensors` with the weights and `config.json` with what is needed to build it."""

import dataclasses
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
    """Write the weights and the description of a model; of its tokenizer, where it is a file, the hash."""
    model = build_model(config, vocabulary_size)
    with replacing(weights) as temporary:
        try:
            save_file({name: state[name].contiguous().cpu() for name in _names(model)}, temporary)
        except SafetensorError as error:
            raise OSError(f"{weights} cannot be written: {error}") from error
    write_json(
        description,
        {
            "config": dataclasses.asdict(config),
            "vocabulary_size": vocabulary_size,
            "tokenizer": tokenizer and sha256(tokenizer),
            "parameters": count_parameters(model),
        },
    )


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


def _names(model: LanguageModel) -> list[str]:
    """The names of a model's weights, sorted; of tied ones, which are one tensor, the first."""
    names: dict[object, str] = {}
    for name, tensor in sorted(model.state_dict().items()):
        names.setdefault((tensor.data_ptr(), tensor.shape), name)
    return list(names.values())
