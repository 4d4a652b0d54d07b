"""A trained model on disk: `model.safetensors` with the weights and `config.json` with what is needed to build it."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from minillm.files import read_json, replacing, write_json
from minillm.model.build import build_model, count_parameters
from minillm.model.config import ModelConfig, config_from
from minillm.model.language_model import LanguageModel


def save_model(
    weights: Path, description: Path, config: ModelConfig, vocabulary_size: int, state: dict[str, torch.Tensor]
) -> None:
    """Write the weights and the description of a model."""
    with replacing(weights) as temporary:
        save_file({name: tensor.contiguous().cpu() for name, tensor in sorted(state.items())}, temporary)
    model = build_model(config, vocabulary_size)
    write_json(
        description,
        {
            "config": dataclasses.asdict(config),
            "vocabulary_size": vocabulary_size,
            "parameters": count_parameters(model),
        },
    )


def load_model(weights: Path, description: Path, device: torch.device) -> LanguageModel:
    """Build a saved model, ready for evaluation. Raises ValueError if weights and description do not fit."""
    saved: dict[str, Any] = read_json(description)
    model = build_model(config_from(saved["config"]), saved["vocabulary_size"])
    try:
        model.load_state_dict(load_file(weights))
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(f"{weights} does not hold the model of {description}: {error}") from error
    return model.to(device).eval()
