"""Train a language model: one loop for every model of the project.

The loop knows nothing of architectures. It can be killed at any moment: the next call goes on from the last checkpoint
and ends with the same bytes. The weights that did best on the validation split are the ones that are kept.
"""

import contextlib
import dataclasses
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from tqdm import tqdm

from minillm.files import write_csv, write_json
from minillm.model.build import build_model, count_parameters
from minillm.model.config import config_from
from minillm.model.language_model import LanguageModel
from minillm.stage import run_stage
from minillm.training import checkpoint
from minillm.training.batches import Documents, Tokens, TrainingBatches
from minillm.training.config import TrainingConfig
from minillm.training.device import DTYPES, peak_memory, prepare
from minillm.training.optimizer import build_optimizers, learning_rate_factor
from minillm.training.saved import save_model
from minillm.vocabulary.tokenizer import PAD, load_tokenizer

_log = logging.getLogger(__name__)

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
TIMING = ["step", "seconds", "tokens_per_second", "peak_memory_bytes"]
SECONDS_BETWEEN_CHECKPOINTS = 60
SECONDS_BETWEEN_SCREEN_LINES = 10
STEPS_BEFORE_ESTIMATE = 5
LARGEST_LOSS = 700  # nats; the exponential of more is not a number


def train_model(
    name: str,
    tokenizer: Path,
    train_tokens: Path,
    train_offsets: Path,
    validation_tokens: Path,
    validation_offsets: Path,
    code: list[Path],
    model: dict[str, object],
    training: TrainingConfig,
    seed: int,
    weights: Path,
    description: Path,
    history: Path,
    timing: Path,
    outcome: Path,
) -> None:
    """Train one model with one seed and keep its best weights.

    `code` are the source files whose change makes a checkpoint void. `history` gets one row a measurement, `timing`
    what depends on the machine, `outcome` how training ended. Raises ValueError if the loss is not a number.
    """
    config = config_from(model)
    device, precision = prepare(training.threads, training.device, training.precision)
    torch.manual_seed(seed)
    vocabulary_size = load_tokenizer(tokenizer).get_vocab_size()
    run = _Run(
        network=build_model(config, vocabulary_size).to(device),
        config=training,
        batches=TrainingBatches(Documents.load(train_tokens, train_offsets), config.context, training.batch_size, seed),
        validation=Documents.load(validation_tokens, validation_offsets).windows(
            config.context, limit=training.validation_tokens
        ),
        seed=seed,
        device=device,
        precision=precision,
    )
    parameters = count_parameters(run.network)
    _say(f"{name}, seed {seed}: {parameters:,} parameters on {device} in {precision}, {training.steps} steps")
    data = [tokenizer, train_tokens, train_offsets, validation_tokens, validation_offsets]
    settings = [config, training, seed, precision, device.type]
    mark = checkpoint.fingerprint([*data, *code], settings)
    saved = weights.with_name("checkpoint.pt")
    if state := checkpoint.load(saved, mark):
        run.restore(state)
        _say(f"{name}, seed {seed}: going on from step {run.step}")
    meter = _Meter(f"{name}, seed {seed}", training.steps, run.step, training.batch_size * config.context)
    last_save = time.monotonic()
    while run.step < training.steps and not run.out_of_patience():
        loss = run.train_step()
        meter.show(run.step, loss)
        if run.step % training.evaluate_every == 0 or run.step == training.steps:
            run.measure(meter.seconds(), meter.speed(run.step))
            write_csv(history, HISTORY, run.history)
            write_csv(timing, TIMING, run.timing)
        if time.monotonic() - last_save > SECONDS_BETWEEN_CHECKPOINTS:
            checkpoint.save(saved, {"fingerprint": mark, **run.state()})
            last_save = time.monotonic()
    # Once more: a run that goes on from a checkpoint of its last step has not written them yet.
    write_csv(history, HISTORY, run.history)
    write_csv(timing, TIMING, run.timing)
    save_model(weights, description, config, vocabulary_size, run.best)
    write_json(
        outcome,
        {
            "steps": run.step,
            "best_step": min(run.history, key=lambda row: row["validation_loss"])["step"],
            "best_validation_loss": run.best_loss,
            "stopped_early": run.step < training.steps,
            "tokens": run.step * training.batch_size * config.context,
            "epochs": run.step * training.batch_size / run.batches.windows_per_epoch,
            "device": device.type,
            "precision": precision,
            "training": dataclasses.asdict(training),
        },
    )
    saved.unlink(missing_ok=True)
    _say(f"{name}, seed {seed}: done at step {run.step}, best validation loss {run.best_loss:.3f} nats a token")


@dataclasses.dataclass
class _Run:
    """The state of a training run; what `state` returns is all that has to survive a kill."""

    network: LanguageModel
    config: TrainingConfig
    batches: TrainingBatches
    validation: tuple[Tokens, Tokens]
    seed: int
    device: torch.device
    precision: str

    def __post_init__(self) -> None:
        self.optimizers = build_optimizers(self.network, self.config)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        self.step = 0
        self.best: dict[str, torch.Tensor] = {}
        self.best_loss = float("inf")
        self.measurements_since_best = 0
        self.history: list[dict[str, Any]] = []
        self.timing: list[dict[str, Any]] = []
        # Sums since the last row of the history: objective, loss, correct, targets.
        self.sums = [0.0, 0.0, 0.0, 0.0]

    def train_step(self) -> float:
        """One optimizer step; the mean loss of its batch in nats a token."""
        # Dropout's randomness is a function of seed and step, like the batches: resuming needs no saved state.
        torch.manual_seed(self.seed * 1_000_003 + self.step)
        self.network.train()
        inputs_BT, targets_BT = self._tensors(*self.batches[self.step])
        factor = learning_rate_factor(self.step, self.config)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            logits_BTV = self.network(inputs_BT)
        logits_NV, targets_N = logits_BTV.flatten(0, 1).float(), targets_BT.flatten()
        objective = F.cross_entropy(logits_NV, targets_N, ignore_index=PAD, label_smoothing=self.config.label_smoothing)
        self.scaler.scale(objective).backward()
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_clip)
        if norm.isfinite():
            for optimizer in self.optimizers:
                self.scaler.step(optimizer)
        elif not self.scaler.is_enabled():
            raise ValueError(f"the gradient is not a number at step {self.step + 1}: lower the learning rate")
        self.scaler.update()  # after an overflow in fp16 no optimizer steps, and the scale is lowered
        self.step += 1
        loss, correct, count = _score(logits_NV.detach(), targets_N)
        if not math.isfinite(loss):
            raise ValueError(f"the loss is not a number at step {self.step}: lower the learning rate")
        self.sums = _added(self.sums, (objective.item() * count, loss, correct, count))
        return loss / count

    @torch.no_grad()
    def measure(self, seconds: float, speed: float) -> None:
        """Measure on the validation split, remember the best weights and add a row to the history."""
        self.network.eval()
        inputs, targets = self.validation
        total = [0.0, 0.0, 0.0]
        for start in range(0, len(inputs), self.config.batch_size):
            rows = slice(start, start + self.config.batch_size)
            inputs_BT, targets_BT = self._tensors(inputs[rows], targets[rows])
            with self._autocast():
                logits_BTV = self.network(inputs_BT)
            total = _added(total, _score(logits_BTV.flatten(0, 1).float(), targets_BT.flatten()))
        validation_loss = total[0] / total[2]
        if not validation_loss < LARGEST_LOSS:
            raise ValueError(f"the loss is not a number at step {self.step}: lower the learning rate")
        objective, train_loss, train_accuracy = (part / self.sums[3] for part in self.sums[:3])
        self.sums = [0.0, 0.0, 0.0, 0.0]
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
                "validation_accuracy": total[1] / total[2],
                "learning_rate": self.config.learning_rate * learning_rate_factor(self.step - 1, self.config),
            }
        )
        self.timing.append(
            {
                "step": self.step,
                "seconds": round(seconds, 3),
                "tokens_per_second": round(speed, 1),
                "peak_memory_bytes": peak_memory(self.device),
            }
        )
        _log.info("step %d: %s", self.step, {k: round(v, 4) for k, v in self.history[-1].items()})
        if validation_loss < self.best_loss:
            self.best_loss = validation_loss
            self.best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
            self.measurements_since_best = 0
        else:
            self.measurements_since_best += 1

    def out_of_patience(self) -> bool:
        """Whether early stopping has been reached."""
        return self.config.patience is not None and self.measurements_since_best >= self.config.patience

    def state(self) -> dict[str, Any]:
        """Everything that changes while training, as tensors, numbers and strings."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
            "best": self.best,
            "best_loss": self.best_loss,
            "measurements_since_best": self.measurements_since_best,
            "history": self.history,
            "timing": self.timing,
            "sums": self.sums,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state of a checkpoint."""
        self.network.load_state_dict(state["network"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.scaler.load_state_dict(state["scaler"])
        for key in ("step", "best", "best_loss", "measurements_since_best", "history", "timing", "sums"):
            setattr(self, key, state[key])

    def _tensors(self, *arrays: Tokens) -> list[torch.Tensor]:
        return [torch.from_numpy(array).to(self.device, non_blocking=True) for array in arrays]

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=DTYPES[self.precision])


def _score(logits_NV: torch.Tensor, targets_N: torch.Tensor) -> tuple[float, float, float]:
    """Sums over the targets that are not PAD: negative log-likelihood in nats, correct predictions, count."""
    loss = F.cross_entropy(logits_NV, targets_N, ignore_index=PAD, reduction="sum")
    real_N = targets_N != PAD
    correct = (logits_NV.argmax(-1) == targets_N) & real_N
    return loss.item(), correct.sum().item(), real_N.sum().item()


def _added(sums: Sequence[float], more: Sequence[float]) -> list[float]:
    return [a + b for a, b in zip(sums, more, strict=True)]


class _Meter:
    """Progress on the screen, a whole line at a time: several models may train side by side."""

    def __init__(self, name: str, steps: int, first_step: int, tokens_per_step: int) -> None:
        self.name, self.steps, self.first_step, self.tokens_per_step = name, steps, first_step, tokens_per_step
        self.start = self.last_line = time.monotonic()
        self.estimated = False

    def seconds(self) -> float:
        """Seconds since this process began to train."""
        return time.monotonic() - self.start

    def speed(self, step: int) -> float:
        """Tokens a second since then."""
        return (step - self.first_step) * self.tokens_per_step / max(self.seconds(), 1e-9)

    def show(self, step: int, loss: float) -> None:
        """Print the time to expect after the first steps, then a line every few seconds."""
        done = step - self.first_step
        if not self.estimated and done == STEPS_BEFORE_ESTIMATE:
            minutes = self.seconds() / done * (self.steps - step) / 60
            _say(f"{self.name}: about {minutes:.1f} minutes to go")
            self.estimated = True
        if time.monotonic() - self.last_line < SECONDS_BETWEEN_SCREEN_LINES and step < self.steps:
            return
        self.last_line = time.monotonic()
        bar = tqdm.format_meter(
            step,
            self.steps,
            self.seconds(),
            ncols=100,
            prefix=self.name,
            ascii=True,
            unit="step",
            initial=self.first_step,
            postfix=f"loss {loss:.2f}, {self.speed(step):,.0f} tokens/s",
        )
        _say(bar)


def _say(message: str) -> None:
    print(message, flush=True)


if __name__ == "__main__":
    run_stage(train_model)
