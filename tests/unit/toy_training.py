"""A training small enough to be run many times: texts that count, models of a few hundred parameters."""

import csv
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models

from minillm.files import read_json
from minillm.model.build import build_model
from minillm.model.config import config_from
from minillm.training import train_model
from minillm.training.batches import Documents, TrainingBatches, Windows
from minillm.training.config import TrainingConfig
from minillm.training.device import Speed
from minillm.training.run import Run
from minillm.vocabulary.tokenizer import BOS, EOS, SPECIALS

CPU = torch.device("cpu")
VOCABULARY = 14
MINIGPT: dict[str, Any] = {
    "architecture": "minigpt",
    "layers": 1,
    "width": 16,
    "heads": 2,
    "feed_forward": 32,
    "context": 8,
    "dropout": 0.2,
}
QWEN = {**MINIGPT, "architecture": "qwen"}
TRAINING = TrainingConfig(steps=12, batch_size=4, learning_rate=5e-3, warmup_steps=2, evaluate_every=3)
# The stage as a process of its own that tells every step.
STAGE = """
from minillm.stage import run_stage
from minillm.training import progress, train_model
progress.SECONDS_BETWEEN_LINES = 0
train_model.SECONDS_BETWEEN_CHECKPOINTS = {seconds}
run_stage(train_model.train_model)
"""


class Killed(BaseException):
    """What a kill looks like from inside: nothing catches it."""


@dataclass
class Job:
    """One call of the stage: its inputs are shared, its outputs are in a folder of its own."""

    data: Path
    folder: Path

    def arguments(self, training: TrainingConfig, model: dict[str, Any], seed: int) -> dict[str, Any]:
        return {
            "name": "toy",
            "tokenizer": self.data / "tokenizer.json",
            "train_tokens": self.data / "train.npy",
            "train_offsets": self.data / "train.offsets.npy",
            "validation_tokens": self.data / "validation.npy",
            "validation_offsets": self.data / "validation.offsets.npy",
            "code": [self.data / "code.py"],
            "model": model,
            "training": training,
            "seed": seed,
            "weights": self.weights,
            "description": self.folder / "config.json",
            "history": self.folder / "history.csv",
            "timing": self.folder / "timing.csv",
            "outcome": self.folder / "outcome.json",
        }

    def run(self, training: TrainingConfig = TRAINING, model: dict[str, Any] = MINIGPT, seed: int = 1) -> None:
        """In this process."""
        train_model.train_model(**self.arguments(training, model, seed))

    def start(
        self, training: TrainingConfig = TRAINING, model: dict[str, Any] = MINIGPT, seconds: int = -1, **options: Any
    ) -> subprocess.Popen[str]:
        """As a process, with `seconds` between checkpoints (-1: after each step); its standard output is the screen."""
        command = [sys.executable, "-c", STAGE.format(seconds=seconds)]
        for name, value in self.arguments(training, model, seed=1).items():
            if dataclasses.is_dataclass(value) and not isinstance(value, type):
                value = json.dumps(dataclasses.asdict(value))  # noqa: PLW2901
            elif isinstance(value, dict):
                value = json.dumps(value)  # noqa: PLW2901
            values = value if isinstance(value, list) else [value]
            command += [f"--{name.replace('_', '-')}", *map(str, values)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **options)

    def run_and_kill(self, step: int, *arguments: Any) -> None:
        """Start a run in this process and die after `step` steps."""
        original = Run.train_step

        def dying(run: Run) -> None:
            if run.step == step:
                raise Killed
            original(run)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Run, "train_step", dying)
            with pytest.raises(Killed):
                self.run(*arguments)

    @property
    def weights(self) -> Path:
        return self.folder / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def result(self) -> dict[str, bytes]:
        """The bytes of everything but the times."""
        names = ["model.safetensors", "config.json", "tokenizer.json", "history.csv", "outcome.json"]
        return {name: (self.folder / name).read_bytes() for name in names}

    def files(self) -> list[str]:
        """All that lies in its folder."""
        return sorted(path.name for path in self.folder.iterdir())

    def history(self) -> list[dict[str, float]]:
        with (self.folder / "history.csv").open() as stream:
            return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]

    def outcome(self) -> dict[str, Any]:
        outcome: dict[str, Any] = read_json(self.folder / "outcome.json")
        return outcome

    def documents(self, split: str) -> Documents:
        return Documents.load(self.data / f"{split}.npy", self.data / f"{split}.offsets.npy", CPU)


# What `Job.files` finds after a run that ended well.
FINISHED = ["config.json", "history.csv", "model.safetensors", "outcome.json", "timing.csv", "tokenizer.json"]


def a_run(
    job: Job, training: TrainingConfig = TRAINING, model: dict[str, Any] = MINIGPT, precision: str = "fp32"
) -> Run:
    """A run without its stage."""
    torch.manual_seed(1)
    return Run(
        network=build_model(config_from(model), VOCABULARY),
        config=training,
        batches=TrainingBatches(job.documents("train"), 8, training.batch_size, seed=1),
        validation=Windows(job.documents("validation"), 8),
        seed=1,
        device=CPU,
        speed=Speed(precision, compiled=False),
    )


def weights_of(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def write_data(folder: Path) -> None:
    """Texts that count up, now and then with a jump: easy to learn, impossible to know by heart."""
    names = [*SPECIALS, *"abcdefghij"]
    assert len(names) == VOCABULARY
    vocabulary = {name: id_ for id_, name in enumerate(names)}
    Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]")).save(str(folder / "tokenizer.json"))
    random = np.random.default_rng(0)
    for split, count in (("train", 20), ("validation", 5)):
        texts = [
            [BOS, *((random.integers(10) + np.arange(random.integers(5, 20))) % 10 + 4), EOS] for _ in range(count)
        ]
        np.save(folder / f"{split}.npy", np.concatenate(texts).astype(np.uint16))
        np.save(folder / f"{split}.offsets.npy", np.cumsum([0, *map(len, texts)]))
    (folder / "code.py").write_text("")


@contextmanager
def exploding(step: int) -> Iterator[None]:
    """From this step on the learning rate is beyond all bounds."""
    from minillm.training import run
    from minillm.training.optimizer import learning_rate_factor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            run, "learning_rate_factor", lambda n, config: 1e42 if n + 1 >= step else learning_rate_factor(n, config)
        )
        yield
