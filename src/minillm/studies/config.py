"""The settings of fine-tuning: plain numbers, no torch."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from minillm.training.config import Positive, Rate


@dataclass(frozen=True, kw_only=True)
class Finetuning:
    """How a model learns to classify: AdamW, whose learning rate rises over the first tenth and then falls to zero."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "use_attribute_docstrings": True}

    epochs: Positive = 8
    """Epochs at most; early stopping may end sooner."""
    batch_size: Positive = 16
    """Messages in each step."""
    micro_batches: Positive = 1
    """Parts of a batch that are computed one after the other, to save memory."""
    learning_rate: Rate = 5e-4
    """Peak learning rate."""
    weight_decay: Annotated[float, Interval(ge=0, lt=1e3)] = 0.01
    """Decoupled weight decay."""
    keep: Literal["loss", "macro_f1"] = "macro_f1"
    """What the epoch whose weights are kept is the best in, on the validation part."""
    patience: Positive | None = 3
    """Epochs without a new best after which training stops; null never stops early."""


@dataclass(frozen=True, kw_only=True)
class Lora:
    """Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685): the network is frozen, small matrices beside it learn."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "use_attribute_docstrings": True}

    rank: Positive = 8
    """Rank of the matrices."""
    alpha: Positive = 16
    """Their product counts alpha / rank times."""
