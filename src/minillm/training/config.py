"""The settings of a training run: plain numbers, no torch. Budgets are steps or epochs, never seconds."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Interval

Positive = Annotated[int, Ge(1)]
Rate = Annotated[float, Interval(gt=0, lt=1e3)]  # finite
Share = Annotated[float, Interval(ge=0, lt=1)]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "use_attribute_docstrings": True}

    steps: Positive
    """Optimizer steps at most, or epochs (see `counted_in`); early stopping may end sooner."""
    counted_in: Literal["steps", "epochs"] = "steps"
    """Unit of `steps` and `evaluate_every`, of nothing else."""
    batch_size: Positive = 32
    """Windows of `context` tokens in each step."""
    micro_batches: Positive = 1
    """Parts of a batch that are computed one after the other, to save memory; the result is the same."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """`muon` trains the matrices inside the blocks with Muon and everything else with AdamW."""
    learning_rate: Rate = 3e-4
    """Peak learning rate of AdamW."""
    matrix_learning_rate: Rate = 0.02
    """Peak learning rate of Muon; without effect for `adamw`."""
    weight_decay: Annotated[float, Interval(ge=0, lt=1e3)] = 0.01
    """Decoupled weight decay of matrices; scales and biases are not decayed."""
    beta1: Share = 0.9
    """Decay of AdamW's running mean of gradients."""
    beta2: Share = 0.999
    """Decay of AdamW's running mean of squared gradients."""
    warmup_steps: Annotated[int, Ge(0)] = 50
    """Steps over which the learning rate rises linearly to its peak."""
    schedule: Literal["constant", "cosine", "decay"] = "constant"
    """After the warm-up: constant, a cosine to zero, or constant with a linear decay to zero at the end."""
    decay_share: Annotated[float, Interval(gt=0, le=1)] = 0.5
    """Share of the steps over which `decay` falls to zero."""
    label_smoothing: Share = 0.0
    """Probability mass spread over the whole vocabulary in the training objective; metrics never use it."""
    shuffle_sentences: bool = False
    """In each epoch the sentences of a paragraph change places, all but its first."""
    token_dropout: Share = 0.0
    """Probability that a token is hidden from the model, as [UNK] in its input; it stays a target."""
    curriculum_epochs: Annotated[int, Ge(0)] = 0
    """First epochs that go from short sentences and articles to long ones; later ones are shuffled."""
    ema_decay: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    """Decay of a running mean of the weights, which is then measured and kept; 0 keeps the weights themselves."""
    gradient_clip: Rate = 1.0
    """Largest norm of the gradient."""
    evaluate_every: Positive = 100
    """Steps, or epochs, between measurements on the validation split."""
    snapshots: bool = False
    """Whether the weights at each measurement are kept, for pictures of how they change."""
    validation_tokens: Positive | None = None
    """Tokens of the validation split measured each time; null measures all. The final evaluation always covers all."""
    patience: Positive | None = None
    """Measurements without a new best validation loss after which training stops; null never stops early."""
    threads: Positive = 1
    """Computing threads of a CPU. A setting of the experiment: another number gives (slightly) other weights."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """`auto` takes a GPU where there is one."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """`auto`: bf16 on GPUs from compute capability 8.0 and, for long runs, on CPUs with instructions for it; fp16 with
    loss scaling on older GPUs, fp32 elsewhere."""
    compile: Literal["auto", "always", "never"] = "auto"
    """Whether the model is compiled first (torch.compile, half a minute). `auto`: for long runs on a GPU or in bf16."""
