"""From a config to a model."""

from torch import nn

from minillm.model.config import MiniGPTConfig, ModelConfig, ModuleConfig, QwenConfig
from minillm.model.language_model import LanguageModel
from minillm.model.minigpt import MiniGPT
from minillm.model.outside import from_huggingface, from_module
from minillm.model.qwen import Qwen


def build_model(config: ModelConfig, vocabulary_size: int) -> LanguageModel:
    """A freshly initialised model; seed torch before for reproducible weights."""
    if isinstance(config, MiniGPTConfig):
        return MiniGPT(config, vocabulary_size)
    if isinstance(config, QwenConfig):
        return Qwen(config, vocabulary_size)
    if isinstance(config, ModuleConfig):
        return from_module(config, vocabulary_size)
    return from_huggingface(config, vocabulary_size)


def count_parameters(model: nn.Module) -> int:
    """Trainable parameters, tied ones counted once."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
