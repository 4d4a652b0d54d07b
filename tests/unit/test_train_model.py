"""Training end to end on toy texts: it learns, it repeats itself to the byte, and a kill changes nothing."""

import contextlib
import csv
import dataclasses
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer, models

from minillm.files import read_json
from minillm.model.build import build_model
from minillm.model.config import MiniGPTConfig, config_from
from minillm.training import device, train_model
from minillm.training.batches import Documents, TrainingBatches
from minillm.training.config import TrainingConfig
from minillm.training.saved import load_model, save_model
from minillm.vocabulary.tokenizer import PAD, SPECIALS

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


class Killed(BaseException):
    """What a kill looks like from inside: nothing catches it."""


@dataclass
class Job:
    """One call of the stage: its inputs are shared, its outputs are in a folder of its own."""

    data: Path
    folder: Path

    def run(self, training: TrainingConfig = TRAINING, model: dict[str, Any] = MINIGPT, seed: int = 1) -> None:
        train_model.train_model(
            name="toy",
            tokenizer=self.data / "tokenizer.json",
            train_tokens=self.data / "train.npy",
            train_offsets=self.data / "train.offsets.npy",
            validation_tokens=self.data / "validation.npy",
            validation_offsets=self.data / "validation.offsets.npy",
            code=[self.data / "code.py"],
            model=model,
            training=training,
            seed=seed,
            weights=self.weights,
            description=self.folder / "config.json",
            history=self.folder / "history.csv",
            timing=self.folder / "timing.csv",
            outcome=self.folder / "outcome.json",
        )

    @property
    def weights(self) -> Path:
        return self.folder / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def result(self) -> dict[str, bytes]:
        """The bytes of everything but the times."""
        names = ["model.safetensors", "config.json", "history.csv", "outcome.json"]
        return {name: (self.folder / name).read_bytes() for name in names}

    def history(self) -> list[dict[str, float]]:
        with (self.folder / "history.csv").open() as stream:
            return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]

    def outcome(self) -> dict[str, Any]:
        outcome: dict[str, Any] = read_json(self.folder / "outcome.json")
        return outcome

    def documents(self, split: str) -> Documents:
        return Documents.load(self.data / f"{split}.npy", self.data / f"{split}.offsets.npy")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts that count up, now and then with a jump: easy to learn, impossible to know by heart."""
    folder = tmp_path_factory.mktemp("data")
    names = [*SPECIALS, *"abcdefghij"]
    assert len(names) == VOCABULARY
    vocabulary = {name: id_ for id_, name in enumerate(names)}
    Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]")).save(str(folder / "tokenizer.json"))
    random = np.random.default_rng(0)
    for split, count in (("train", 20), ("validation", 5)):
        texts = [(random.integers(10) + np.arange(random.integers(5, 20))) % 10 + 4 for _ in range(count)]
        np.save(folder / f"{split}.npy", np.concatenate(texts).astype(np.uint16))
        np.save(folder / f"{split}.offsets.npy", np.cumsum([0, *map(len, texts)]))
    (folder / "code.py").write_text("")
    return folder


@pytest.fixture
def job(data: Path, tmp_path: Path) -> Callable[[str], Job]:
    def new(name: str = "run") -> Job:
        (tmp_path / name).mkdir()
        return Job(data, tmp_path / name)

    return new


@pytest.fixture
def always_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_model, "SECONDS_BETWEEN_CHECKPOINTS", -1)


def run_and_kill(job: Job, step: int, *arguments: Any) -> None:
    """Start a run and die after `step` steps."""
    original = train_model._Run.train_step

    def dying(run: train_model._Run) -> float:
        if run.step == step:
            raise Killed
        return original(run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_model._Run, "train_step", dying)
        with pytest.raises(Killed):
            job.run(*arguments)


@torch.no_grad()
def loss_and_accuracy(job: Job, windows: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Of the saved model, counted target by target."""
    model = load_model(job.weights, job.folder / "config.json", CPU)
    losses, hits = [], []
    for inputs, targets in zip(*windows, strict=True):
        probabilities = model(torch.from_numpy(inputs)[None])[0].double().softmax(-1).numpy()
        for row, target in zip(probabilities, targets, strict=True):
            if target != PAD:
                losses.append(-math.log(row[target]))
                hits.append(row.argmax() == target)
    return float(np.mean(losses)), float(np.mean(hits))


@pytest.mark.parametrize("model", [MINIGPT, QWEN], ids=["minigpt", "qwen"])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_it_learns(job: Callable[[str], Job], model: dict[str, Any], optimizer: str) -> None:
    run = job("run")
    training = dataclasses.replace(TRAINING, steps=120, optimizer=optimizer, evaluate_every=40, learning_rate=1e-2)
    run.run(training, model)
    first, *_, last = run.history()
    # [BOS] is followed by any of ten tokens and [EOS] may come at any time; all else is known.
    assert last["validation_loss"] < 1.0 < math.log(VOCABULARY)
    assert last["validation_loss"] < first["validation_loss"]
    assert last["train_loss"] < first["train_loss"]
    assert last["validation_accuracy"] > 0.6


@pytest.mark.parametrize(("model", "optimizer"), [(MINIGPT, "adamw"), (QWEN, "muon")], ids=["minigpt", "qwen"])
def test_the_same_seed_gives_the_same_bytes(job: Callable[[str], Job], model: dict[str, Any], optimizer: str) -> None:
    training = dataclasses.replace(TRAINING, optimizer=optimizer)
    first, second, other = job("first"), job("second"), job("other")
    first.run(training, model)
    torch.rand(7)  # whatever happened before in the process
    second.run(training, model)
    other.run(training, model, seed=2)
    assert first.result() == second.result()
    assert first.weights.read_bytes() != other.weights.read_bytes()


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("model", [MINIGPT, QWEN], ids=["minigpt", "qwen"])
@pytest.mark.usefixtures("always_checkpoint")
def test_killed_and_resumed_gives_the_same_bytes(
    job: Callable[[str], Job],
    capsys: pytest.CaptureFixture[str],
    model: dict[str, Any],
    optimizer: str,
) -> None:
    """With dropout; killed between two measurements, right after one, and in the first step."""
    training = dataclasses.replace(TRAINING, optimizer=optimizer, schedule="cosine", label_smoothing=0.1, patience=9)
    undisturbed, killed = job("undisturbed"), job("killed")
    undisturbed.run(training, model)
    for step in (0, 5, 9):
        run_and_kill(killed, step, training, model)
        assert killed.checkpoint.exists() == (step > 0)
    capsys.readouterr()
    killed.run(training, model)
    assert "going on from step 9" in capsys.readouterr().out
    assert killed.result() == undisturbed.result()
    assert sorted(path.name for path in killed.folder.iterdir()) == sorted([*killed.result(), "timing.csv"])


@pytest.mark.usefixtures("always_checkpoint")
def test_a_kill_before_the_final_files_loses_nothing(
    job: Callable[[str], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the last step, also where training has ended early."""
    training = dataclasses.replace(TRAINING, steps=30, learning_rate=0.5, patience=1)
    undisturbed, killed = job("undisturbed"), job("killed")
    undisturbed.run(training)

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(train_model, "save_model", die)
        with pytest.raises(Killed):
            killed.run(training)
    killed.run(training)
    assert undisturbed.outcome()["stopped_early"]
    assert killed.result() == undisturbed.result()


@pytest.mark.usefixtures("always_checkpoint")
@pytest.mark.parametrize("change", ["seed", "training", "model", "code", "tokens"])
def test_a_changed_experiment_starts_anew(
    job: Callable[[str], Job],
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: str,
) -> None:
    own = tmp_path / "data"
    own.mkdir()
    for path in data.iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    killed = dataclasses.replace(job("killed"), data=own)
    run_and_kill(killed, 5)
    arguments: dict[str, Any] = {}
    if change == "seed":
        arguments["seed"] = 2
    if change == "training":
        arguments["training"] = dataclasses.replace(TRAINING, beta2=0.9)
    if change == "model":
        arguments["model"] = {**MINIGPT, "dropout": 0.3}
    if change == "code":
        (own / "code.py").write_text("# another line\n")
    if change == "tokens":
        np.save(own / "train.npy", np.load(own / "train.npy")[::-1])
    capsys.readouterr()
    killed.run(**arguments)
    assert "going on" not in capsys.readouterr().out
    assert (killed.folder / "checkpoint.set-aside.pt").exists()
    fresh = dataclasses.replace(job("fresh"), data=own)
    fresh.run(**arguments)
    assert killed.result() == fresh.result()


class Payload:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("fault", ["truncated", "pickle"])
@pytest.mark.usefixtures("always_checkpoint")
def test_a_broken_checkpoint_is_no_obstacle(job: Callable[[str], Job], tmp_path: Path, fault: str) -> None:
    fresh, broken = job("fresh"), job("broken")
    fresh.run()
    run_and_kill(broken, 5)
    if fault == "truncated":
        broken.checkpoint.write_bytes(broken.checkpoint.read_bytes()[:2000])
    else:
        torch.save(Payload(tmp_path / "it-ran"), broken.checkpoint)
    broken.run()
    assert broken.result() == fresh.result()
    assert not (tmp_path / "it-ran").exists()
    assert (broken.folder / "checkpoint.set-aside.pt").exists()


def test_the_best_weights_are_kept(job: Callable[[str], Job]) -> None:
    """With a rate that makes things worse again, the saved model is that of the best row, not of the last."""
    run = job("run")
    run.run(dataclasses.replace(TRAINING, steps=60, learning_rate=0.3, evaluate_every=4))
    rows = run.history()
    best = min(rows, key=lambda row: row["validation_loss"])
    assert best["validation_loss"] < rows[-1]["validation_loss"] - 0.01, "the toy run does not get worse: useless"
    assert run.outcome()["best_step"] == best["step"]
    assert run.outcome()["best_validation_loss"] == best["validation_loss"]
    loss, accuracy = loss_and_accuracy(run, run.documents("validation").windows(8))
    assert loss == pytest.approx(best["validation_loss"], rel=1e-5)
    assert accuracy == pytest.approx(best["validation_accuracy"])


def test_early_stopping(job: Callable[[str], Job]) -> None:
    run = job("run")
    run.run(dataclasses.replace(TRAINING, steps=200, learning_rate=0.3, evaluate_every=2, patience=3))
    losses = [row["validation_loss"] for row in run.history()]
    best = losses.index(min(losses))
    assert len(losses) == best + 1 + 3
    for start in range(best):  # it did not wait longer than it should have
        assert min(losses[start + 1 : start + 4]) < min(losses[: start + 1])
    assert run.outcome()["steps"] == 2 * len(losses) < 200
    assert run.outcome()["stopped_early"]


def test_a_rate_of_zero_changes_nothing(job: Callable[[str], Job]) -> None:
    run = job("run")
    run.run(dataclasses.replace(TRAINING, steps=3, learning_rate=0.0))
    torch.manual_seed(1)
    fresh = build_model(config_from(MINIGPT), VOCABULARY).state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in load_file(run.weights).items())
    assert len(load_file(run.weights)) == len(fresh)


def test_the_history_is_what_it_says(job: Callable[[str], Job]) -> None:
    """Rate zero: every loss can be worked out from the initial weights. Label smoothing is in the objective alone."""
    run = job("run")
    run.run(dataclasses.replace(TRAINING, steps=7, learning_rate=0.0, label_smoothing=0.3), {**MINIGPT, "dropout": 0.0})
    rows = run.history()
    assert [row["step"] for row in rows] == [3, 6, 7]
    batches = TrainingBatches(run.documents("train"), 8, 4, seed=1)
    model = load_model(run.weights, run.folder / "config.json", CPU)
    start = 0
    for row in rows:
        steps = range(start, int(row["step"]))
        start = int(row["step"])
        windows = [np.concatenate(side) for side in zip(*(batches[step] for step in steps), strict=True)]
        loss, accuracy = loss_and_accuracy(run, (windows[0], windows[1]))
        assert row["train_loss"] == pytest.approx(loss, rel=1e-5)
        assert row["train_accuracy"] == pytest.approx(accuracy)
        with torch.no_grad():
            logits_NV = model(torch.from_numpy(windows[0])).flatten(0, 1)[windows[1].flatten() != PAD]
        uniform = -F.log_softmax(logits_NV, -1).mean().item()
        assert row["train_objective"] == pytest.approx(0.7 * loss + 0.3 * uniform, rel=1e-5)
        assert row["train_objective"] != pytest.approx(row["train_loss"], rel=1e-5)
        assert row["tokens"] == start * 4 * 8
        assert row["epoch"] == pytest.approx(start * 4 / batches.windows_per_epoch)
    validation, accuracy = loss_and_accuracy(run, run.documents("validation").windows(8))
    for row in rows:
        assert row["validation_loss"] == pytest.approx(validation, rel=1e-5)
        assert row["validation_accuracy"] == pytest.approx(accuracy)
        assert row["validation_perplexity"] == pytest.approx(math.exp(row["validation_loss"]), rel=1e-12)


def test_measuring_more_often_does_not_change_the_training(job: Callable[[str], Job]) -> None:
    """Weights after the last step are the same, whether or not the validation split was measured in between."""
    seldom, often = job("seldom"), job("often")
    seldom.run(dataclasses.replace(TRAINING, evaluate_every=1000))
    often.run(dataclasses.replace(TRAINING, evaluate_every=1, validation_tokens=None))
    assert often.outcome()["best_step"] == 12, "the last weights are not the best: nothing can be compared"
    assert seldom.weights.read_bytes() == often.weights.read_bytes()
    assert seldom.history()[-1]["validation_loss"] == often.history()[-1]["validation_loss"]


def test_the_learning_rate_follows_the_schedule(job: Callable[[str], Job]) -> None:
    run = job("run")
    run.run(
        dataclasses.replace(
            TRAINING, steps=8, warmup_steps=2, schedule="decay", decay_share=0.5, learning_rate=0.01, evaluate_every=1
        )
    )
    assert [row["learning_rate"] for row in run.history()] == pytest.approx(
        [0.005, 0.01, 0.01, 0.01, 0.01, 0.0075, 0.005, 0.0025]
    )


def test_the_gradient_is_clipped(job: Callable[[str], Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the optimizer sees has a norm of at most `gradient_clip`."""
    norms = []
    original = torch.optim.AdamW.step

    def spying(optimizer: torch.optim.AdamW, *arguments: Any, **named: Any) -> Any:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        norms.append(math.sqrt(sum(g.double().pow(2).sum().item() for g in gradients)))
        return original(optimizer, *arguments, **named)

    monkeypatch.setattr(torch.optim.AdamW, "step", spying)
    job("clipped").run(dataclasses.replace(TRAINING, gradient_clip=0.01))
    assert norms == pytest.approx([0.01] * 12, rel=1e-3)
    norms.clear()
    job("free").run(dataclasses.replace(TRAINING, gradient_clip=1e9))
    assert min(norms) > 0.1


def test_too_high_a_rate_is_one_clear_error(job: Callable[[str], Job]) -> None:
    run = job("run")
    with pytest.raises(ValueError, match=r"^the (loss|gradient) is not a number at step \d+: lower the learning rate$"):
        run.run(dataclasses.replace(TRAINING, learning_rate=1e38, warmup_steps=0))
    assert not run.weights.exists()


class Overflow:
    """Replaces the gradient of one parameter, while it is on."""

    def __init__(self, network: torch.nn.Module, name: str, value: float) -> None:
        self.on = True
        dict(network.named_parameters())[name].register_hook(
            lambda gradient: torch.full_like(gradient, value) if self.on else gradient
        )


def a_run(job: Job, precision: str) -> train_model._Run:
    """A run without its stage: a model whose block is trained with Muon, everything else with AdamW."""
    torch.manual_seed(1)
    return train_model._Run(
        network=build_model(config_from(QWEN), VOCABULARY),
        config=dataclasses.replace(TRAINING, optimizer="muon", warmup_steps=0),
        batches=TrainingBatches(job.documents("train"), 8, 4, seed=1),
        validation=job.documents("validation").windows(8),
        seed=1,
        device=CPU,
        precision=precision,
    )


def weights_of(run: train_model._Run) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in run.network.state_dict().items()}


# A matrix of the block, which is Muon's; the embedding and a scale, which are AdamW's.
PARAMETERS = ["blocks.0.attention.output.weight", "embedding.weight", "blocks.0.attention_norm.weight"]
overflows = pytest.mark.parametrize(
    ("name", "value"),
    [*((name, math.inf) for name in PARAMETERS), (PARAMETERS[0], math.nan), (PARAMETERS[0], -math.inf)],
)


@overflows
def test_an_overflow_in_fp16_moves_no_parameter(job: Callable[[str], Job], name: str, value: float) -> None:
    """Wherever it is, neither optimizer steps, and the scale is halved; later steps train as if nothing had been."""
    run = a_run(job("run"), "fp16")
    overflow, before = Overflow(run.network, name, value), weights_of(run)
    scales = [run.scaler.get_scale()]
    for _ in range(2):
        assert math.isfinite(run.train_step())
        scales.append(run.scaler.get_scale())
        assert all(torch.equal(tensor, before[key]) for key, tensor in run.network.state_dict().items())
    assert scales == [scales[0], scales[0] / 2, scales[0] / 4]
    assert not [optimizer.state_dict()["state"] for optimizer in run.optimizers if optimizer.state_dict()["state"]]
    assert run.step == 2
    overflow.on = False
    while run.step < 12:
        run.train_step()
    after = run.network.state_dict()
    assert all(tensor.isfinite().all() for tensor in after.values())
    assert all(not torch.equal(after[key], before[key]) for key in PARAMETERS)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@overflows
def test_without_a_scale_it_is_one_clear_error(
    job: Callable[[str], Job], precision: str, name: str, value: float
) -> None:
    run = a_run(job("run"), precision)
    overflow = Overflow(run.network, name, value)
    overflow.on = False
    run.train_step()
    run.train_step()
    overflow.on, before = True, weights_of(run)
    with pytest.raises(ValueError, match=r"^the gradient is not a number at step 3: lower the learning rate$"):
        run.train_step()
    assert all(torch.equal(tensor, before[key]) for key, tensor in run.network.state_dict().items())


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_sums_are_plain_numbers(job: Callable[[str], Job], precision: str) -> None:
    """Of the losses and targets of the steps since the last row, whatever the device."""
    run = a_run(job("run"), precision)
    losses = [run.train_step() for _ in range(2)]
    sums = run.state()["sums"]
    assert [type(part) for part in sums] == [float] * 4
    targets = [(run.batches[step][1] != PAD).sum() for step in range(2)]
    assert sums[3] == sum(targets)
    assert sums[1] == pytest.approx(np.dot(losses, targets))
    assert sums[0] == pytest.approx(sums[1])  # no label smoothing: the objective is the loss
    assert 0 <= sums[2] <= sums[3]
    run.measure(1.0, 1.0)
    assert run.sums == [0.0] * 4


@pytest.mark.usefixtures("always_checkpoint")
def test_in_fp16_a_kill_changes_nothing_either(job: Callable[[str], Job]) -> None:
    """The scale of the losses is part of what goes on."""
    training = dataclasses.replace(TRAINING, optimizer="muon", device="cpu", precision="fp16")
    undisturbed, killed = job("undisturbed"), job("killed")
    undisturbed.run(training, QWEN)
    run_and_kill(killed, 5, training, QWEN)
    killed.run(training, QWEN)
    assert killed.result() == undisturbed.result()
    assert undisturbed.outcome()["precision"] == "fp16"
    assert undisturbed.history()[-1]["train_loss"] < undisturbed.history()[0]["train_loss"]


@pytest.mark.parametrize("rate", [10.0, 1000.0])
def test_a_large_loss_is_no_other_error(job: Callable[[str], Job], rate: float) -> None:
    """The loss is a number, only its exponential is not."""
    with contextlib.suppress(ValueError):
        job("run").run(dataclasses.replace(TRAINING, learning_rate=rate, warmup_steps=0))


def test_too_high_a_rate_in_the_last_step_is_the_same_error(job: Callable[[str], Job]) -> None:
    run = job("run")
    with pytest.raises(ValueError, match="lower the learning rate"):
        run.run(dataclasses.replace(TRAINING, steps=1, learning_rate=1e38, warmup_steps=0))
    assert not run.weights.exists()


def test_the_screen_gets_whole_lines(job: Callable[[str], Job], capsys: pytest.CaptureFixture[str]) -> None:
    job("run").run()
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("toy, seed 1: ") for line in lines)
    assert any("minutes to go" in line for line in lines)
    assert any("12/12" in line for line in lines)
    assert not any("\r" in line for line in lines)


def test_the_outcome(job: Callable[[str], Job]) -> None:
    run = job("run")
    run.run()
    outcome = run.outcome()
    targets = sum(len(run.documents("train")[i]) + 2 for i in range(20)) - 1
    assert outcome["tokens"] == 12 * 4 * 8
    assert outcome["epochs"] == pytest.approx(12 * 4 / math.ceil(targets / 8))
    assert (outcome["steps"], outcome["stopped_early"]) == (12, False)
    assert (outcome["device"], outcome["precision"]) == ("cpu", "fp32")
    assert TrainingConfig(**outcome["training"]) == TRAINING


def test_a_saved_model_comes_back(tmp_path: Path) -> None:
    config = MiniGPTConfig(layers=1, width=8, heads=2, feed_forward=8, context=4)
    torch.manual_seed(0)
    model = build_model(config, 11).eval()
    weights, description = tmp_path / "model.safetensors", tmp_path / "config.json"
    save_model(weights, description, config, 11, model.state_dict())
    loaded = load_model(weights, description, CPU)
    assert loaded.config == config
    assert not loaded.training
    ids_BT = torch.tensor([[2, 5, 7]])
    assert torch.equal(loaded(ids_BT), model(ids_BT))
    assert read_json(description)["parameters"] == sum(p.numel() for p in model.parameters())
    save_model(weights, description, dataclasses.replace(config, width=16), 11, model.state_dict())
    with pytest.raises(ValueError, match=r"model\.safetensors does not hold the model of .*config\.json"):
        load_model(weights, description, CPU)


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device.choose_device("auto") == CPU
    with pytest.raises(ValueError, match="device cuda is not available on this machine: set device to auto or cpu"):
        device.choose_device("cuda")


def test_a_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device.choose_device("auto") == torch.device("cuda")
    assert device.choose_device("cpu") == CPU


@pytest.mark.parametrize(
    ("kind", "capability", "precision"),
    [("cpu", (0, 0), "fp32"), ("mps", (0, 0), "fp32"), ("cuda", (7, 5), "fp16"), ("cuda", (8, 0), "bf16")],
)
def test_precision(monkeypatch: pytest.MonkeyPatch, kind: str, capability: tuple[int, int], precision: str) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert device.choose_precision("auto", torch.device(kind)) == precision
    assert device.choose_precision("fp32", torch.device(kind)) == "fp32"


def test_prepare_sets_threads_and_determinism() -> None:
    torch.use_deterministic_algorithms(False)
    assert device.prepare(2, "cpu") == (CPU, "fp32")
    assert torch.get_num_threads() == 2
    assert torch.are_deterministic_algorithms_enabled()
    assert device.prepare(1, "cpu", "bf16") == (CPU, "bf16")
    assert torch.get_num_threads() == 1


def test_prepare_chooses_where_it_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    for there, chosen in ((False, (CPU, "fp32")), (True, (torch.device("cuda"), "bf16"))):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert device.prepare(1) == chosen


def test_peak_memory_is_in_bytes() -> None:
    """A Python process with torch takes between 50 MB and 50 GB."""
    assert 5e7 < device.peak_memory(CPU) < 5e10
