"""A training run: its state, a step of the optimizer, a measurement.

All that changes while training is in `Run.state()`, so that a run can be killed at any moment and go on from its last
checkpoint to the same bytes. Batches and dropout are functions of the seed and the step and need no state.
"""

import contextlib
import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from minillm.model.language_model import LanguageModel
from minillm.training.batches import TrainingBatches, Windows
from minillm.training.config import TrainingConfig
from minillm.training.device import DTYPES, Speed, peak_memory
from minillm.training.objective import SUMS, score
from minillm.training.optimizer import build_optimizers, learning_rate_factor
from minillm.vocabulary.tokenizer import PAD

HISTORY = [
    "step",
    "epoch",
    "tokens",
    "train_objective",  # what the optimizer minimises: label smoothing included
    "train_loss",  # nats a token, mean since the last row, dropout on
    "train_accuracy",
    "validation_loss",
    "validation_perplexity",
    "validation_accuracy",
    "learning_rate",
]
TIMING = ["step", "steps", "seconds", "tokens_per_second", "peak_memory_bytes"]
LARGEST_LOSS = 700  # nats; the exponential of more is not a number
# At the loss: to look at it on a GPU is to wait for it.
STEPS_BETWEEN_LOOKS = {"cpu": 1, "cuda": 32, "mps": 32}


@dataclass
class Run:
    """The state of a training run."""

    network: LanguageModel
    config: TrainingConfig
    batches: TrainingBatches
    validation: Windows
    seed: int
    device: torch.device
    speed: Speed

    def __post_init__(self) -> None:
        self.optimizers = build_optimizers(self.network, self.config, self.speed.precision)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.speed.precision == "fp16")
        self.averaged = copy.deepcopy(self.network) if self.config.ema_decay else self.network
        self.score: Callable[..., Tensor] = torch.compile(score, dynamic=False) if self.speed.compiled else score
        self.step = 0
        self.best: dict[str, Tensor] = {}
        self.best_loss = float("inf")
        self.measurements_since_best = 0
        self.snapshots: dict[str, Tensor] = {}
        self.history: list[dict[str, Any]] = []
        self.timing: list[dict[str, Any]] = []
        # Sums since the last row of the history, and the norm of the gradients since the last look.
        exact = torch.float32 if self.device.type == "mps" else torch.float64  # which Apple's GPUs do not have
        self.sums = torch.zeros(len(SUMS), dtype=exact, device=self.device)
        self.norms = torch.zeros((), device=self.device)
        self.last_look = 0

    def train_step(self) -> None:
        """One step of the optimizer.

        Raises ValueError if loss or gradient is not a number; on a GPU that is noticed up to some steps later, and in
        any case before the next checkpoint.
        """
        torch.manual_seed(self.seed * 1_000_003 + self.step)  # dropout
        self.network.train()
        inputs_BT, targets_BT = self.batches[self.step]
        factor = learning_rate_factor(self.step, self.config)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            optimizer.zero_grad(set_to_none=True)
        parts = list(zip(*(side.chunk(self.config.micro_batches) for side in (inputs_BT, targets_BT)), strict=True))
        targets = (targets_BT != PAD).sum()
        for part in parts:
            with self._autocast():
                sums = self.score(self.network, *part, self.config.label_smoothing)
            self.scaler.scale(sums[0] / targets).backward()
            self.sums += sums.detach()
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_clip)
        if not self.scaler.is_enabled():
            self.norms += norm
        self.step += 1
        if self.step - self.last_look >= STEPS_BETWEEN_LOOKS[self.device.type]:
            self.look()
        # An overflow in fp16 moves nothing, also where only one of the optimizers has met it, and lowers the scale.
        if not self.scaler.is_enabled() or norm.isfinite():
            for optimizer in self.optimizers:
                self.scaler.step(optimizer)
        self.scaler.update()
        if self.config.ema_decay:
            # Early on a shorter memory: the first weights are not worth remembering.
            keep = min(self.config.ema_decay, self.step / (self.step + 9))
            with torch.no_grad():
                torch._foreach_lerp_([*self.averaged.parameters()], [*self.network.parameters()], 1 - keep)

    def look(self) -> float:
        """The mean loss since the last row of the history. Raises ValueError if loss or gradient is not a number."""
        finite = self.sums.isfinite().all() & self.norms.isfinite()
        if not finite:
            where = f"step {self.step}"
            if self.step - self.last_look > 1:
                where = f"some step from {self.last_look + 1} to {self.step}"
            raise ValueError(
                f"the loss or its gradient is not a number at {where}: lower the learning rate; the last checkpoint is "
                "from before"
            )
        self.norms.zero_()
        self.last_look = self.step
        return (self.sums[1] / self.sums[3]).item()

    @torch.no_grad()
    def measure(self, seconds: float, tokens_per_second: float) -> None:
        """Measure on the validation split, remember the best weights and add a row to the history."""
        self.look()
        self.averaged.eval()
        total = torch.zeros_like(self.sums)
        rows = np.arange(len(self.validation))
        for start in range(0, len(rows), self.config.batch_size):
            with self._autocast():
                total += score(self.averaged, *self.validation[rows[start : start + self.config.batch_size]], 0.0)
        _, validation_loss, correct, targets = total.tolist()
        validation_loss /= targets
        if not validation_loss < LARGEST_LOSS:
            raise ValueError(
                f"the validation loss is {validation_loss:.3g} nats a token at step {self.step}: lower the learning "
                "rate; the last checkpoint is from before"
            )
        objective, train_loss, train_accuracy = (self.sums[:3] / self.sums[3]).tolist()
        self.sums.zero_()
        self.history.append(
            {
                "step": self.step,
                "epoch": self.step * self.config.batch_size / self.batches.windows_per_epoch,
                "tokens": self.step * self.config.batch_size * self.batches.context,
                "train_objective": objective,
                "train_loss": train_loss,
                "train_accuracy": train_accuracy,
                "validation_loss": validation_loss,
                "validation_perplexity": math.exp(validation_loss),
                "validation_accuracy": correct / targets,
                "learning_rate": self.config.learning_rate * learning_rate_factor(self.step - 1, self.config),
            }
        )
        self.timing.append(
            {
                "step": self.step,
                "steps": self.config.steps,
                "seconds": round(seconds, 3),
                "tokens_per_second": round(tokens_per_second, 1),
                "peak_memory_bytes": peak_memory(self.device),
            }
        )
        if self.config.snapshots:
            weights = self.averaged.named_parameters()
            self.snapshots |= {f"{self.step}/{name}": tensor.detach().to("cpu", copy=True) for name, tensor in weights}
        if validation_loss < self.best_loss:
            self.best_loss = validation_loss
            self.best = {name: tensor.clone() for name, tensor in self.averaged.state_dict().items()}
            self.measurements_since_best = 0
        else:
            self.measurements_since_best += 1

    def measures_now(self) -> bool:
        """Whether the step just taken is the first to complete another interval of `evaluate_every`, or the last."""
        windows = self.batches.windows_per_epoch if self.config.counted_in == "epochs" else self.batches.batch_size
        done, before = (step * self.batches.batch_size for step in (self.step, self.step - 1))
        interval = self.config.evaluate_every * windows
        return self.step == self.config.steps or done // interval > before // interval

    def finished(self) -> bool:
        """Whether all steps are done or early stopping has been reached."""
        patience = self.config.patience
        return self.step == self.config.steps or (patience is not None and self.measurements_since_best >= patience)

    def state(self) -> dict[str, Any]:
        """Everything that changes while training, as tensors, numbers and strings.

        Raises ValueError if loss, gradient or weights are not numbers: there is no going on from them.
        """
        self.look()
        if not all(parameter.isfinite().all() for parameter in self.network.parameters()):
            raise ValueError(
                f"a weight is not a number after step {self.step}: lower the learning rate; the last checkpoint is "
                "from before"
            )
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict() if self.config.ema_decay else {},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
            "best": self.best,
            "best_loss": self.best_loss,
            "measurements_since_best": self.measurements_since_best,
            "snapshots": self.snapshots,
            "history": self.history,
            "timing": self.timing,
            "sums": self.sums,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state of a checkpoint."""
        self.network.load_state_dict(state["network"])
        if self.config.ema_decay:
            self.averaged.load_state_dict(state["averaged"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.scaler.load_state_dict(state["scaler"])
        self.sums.copy_(state["sums"])
        for key in ("step", "best", "best_loss", "measurements_since_best", "snapshots", "history", "timing"):
            setattr(self, key, state[key])
        self.last_look = self.step

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.speed.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=DTYPES[self.speed.precision])
