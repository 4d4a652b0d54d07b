"""What models are built from: plain values, no torch, so that the settings can name them cheaply."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Interval

# What a model may be called on Hugging Face's hub.
HUB_NAME = re.compile(r"\w[\w.-]*(/[\w.-]+)?")
Positive = Annotated[int, Ge(1)]
Share = Annotated[float, Interval(ge=0, lt=1)]


@dataclass(frozen=True, kw_only=True)
class MiniGPTConfig:
    """The baseline: a small GPT, by default with sinusoidal positions and LayerNorm before each sublayer."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "use_attribute_docstrings": True}

    architecture: Literal["minigpt"] = "minigpt"
    layers: Positive = 2
    """Transformer blocks."""
    width: Positive = 256
    """Size of embeddings and hidden states; a multiple of `heads`."""
    heads: Positive = 4
    """Attention heads."""
    feed_forward: Positive = 1024
    """Inner size of the feed-forward sublayer."""
    context: Annotated[int, Ge(2)] = 128
    """Tokens that the model sees at once."""
    dropout: Share = 0.1
    """Probability of dropping an activation while training."""
    norm: Literal["before", "after"] = "before"
    """LayerNorm before each sublayer, or after each sum as in the first Transformer."""
    activation: Literal["gelu", "relu"] = "gelu"
    """Of the feed-forward sublayer."""
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    """A fixed table of sines and cosines, or a learned one."""
    causal: bool = True
    """False removes the causal mask: every position sees the future. Only there to show what a leak looks like."""


@dataclass(frozen=True, kw_only=True)
class QwenConfig:
    """The improved model, in the shape of Qwen3: RoPE, RMSNorm, QK-norm, SwiGLU, tied embeddings, no biases."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "use_attribute_docstrings": True}

    architecture: Literal["qwen"]
    layers: Positive = 4
    """Transformer blocks."""
    width: Positive = 256
    """Size of embeddings and hidden states; a multiple of `heads`, each head of an even size."""
    heads: Positive = 4
    """Attention heads."""
    feed_forward: Positive = 688
    """Inner size of the SwiGLU sublayer; about 8/3 of the width."""
    context: Annotated[int, Ge(2)] = 256
    """Tokens that the model sees at once."""
    dropout: Share = 0.0
    """Probability of dropping an activation while training."""
    rope_theta: Annotated[float, Gt(0)] = 10_000.0
    """Base of the rotation frequencies."""
    causal: Literal[True] = True
    """This family is always causal."""


@dataclass(frozen=True, kw_only=True)
class ModuleConfig:
    """A PyTorch class in a file of the user's: token ids in, logits out."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "use_attribute_docstrings": True}

    architecture: Literal["module"] = "module"
    module: str
    """`path/file.py:Class`; called as Class(vocabulary_size, **options)."""
    options: dict[str, Any] = field(default_factory=dict)
    """What the class is called with."""
    context: Annotated[int, Ge(2)]
    """Tokens that the model sees at once."""
    causal: bool = True
    """Whether no position sees the future, as its author says; the audit finds out."""


@dataclass(frozen=True, kw_only=True)
class PretrainedConfig:
    """A causal language model of Hugging Face's transformers, as `adopt_model` found it."""

    architecture: Literal["pretrained"] = "pretrained"
    context: int
    """Tokens that the model sees at once."""
    causal: bool
    """Whether no position sees the future, as the settings say; the audit finds out."""
    layers: int | None
    """Transformer blocks, where the model says how many; so the next two."""
    width: int | None
    """Size of hidden states."""
    heads: int | None
    """Attention heads."""
    specials: dict[str, Any]
    """Ids of its special tokens: pad, unk, bos, eos."""
    huggingface: dict[str, Any]
    """Its config.json."""


ModelConfig = MiniGPTConfig | QwenConfig | ModuleConfig | PretrainedConfig


def export_obstacle(config: object) -> str | None:
    """Why Hugging Face has no model that computes the same, with the setting that is in the way; None if it has one."""
    if not isinstance(config, MiniGPTConfig | QwenConfig):
        return "architecture: only minigpt and qwen can be exported to Hugging Face"
    if isinstance(config, MiniGPTConfig) and config.norm == "after":
        return "norm: after cannot be exported to Hugging Face, GPT-2 normalises before each sublayer"
    if not config.causal:
        return "causal: false cannot be exported to Hugging Face, GPT-2 has a causal mask"
    return None


def config_from(values: dict[str, object]) -> ModelConfig:
    """The config that a saved dictionary stands for, chosen by its `architecture`.

    Raises ValueError for an unknown architecture or unknown keys.
    """
    families: dict[object, type[ModelConfig]] = {
        "minigpt": MiniGPTConfig,
        "qwen": QwenConfig,
        "module": ModuleConfig,
        "pretrained": PretrainedConfig,
    }
    family = families.get(values.get("architecture"))
    if family is None:
        raise ValueError(f"unknown architecture {values.get('architecture')!r}: one of {', '.join(map(str, families))}")
    try:
        return family(**values)  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError(f"model config: {error}") from error
