"""Training end to end on toy texts: it learns, it repeats itself to the byte, and a kill changes nothing."""

import contextlib
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from toy_training import CPU, MINIGPT, QWEN, TRAINING, VOCABULARY, Job, Killed

from minillm.files import read_json, sha256
from minillm.model.build import build_model
from minillm.model.config import config_from
from minillm.training import train_model
from minillm.training.batches import TrainingBatches, Windows
from minillm.training.config import TrainingConfig
from minillm.training.saved import load_model
from minillm.vocabulary.tokenizer import PAD


def everything(windows: Windows) -> tuple[torch.Tensor, torch.Tensor]:
    return windows[np.arange(len(windows))]


@torch.no_grad()
def loss_and_accuracy(job: Job, windows: tuple[torch.Tensor, torch.Tensor]) -> tuple[float, float]:
    """Of the saved model, counted target by target."""
    model = load_model(job.weights, job.folder / "config.json", CPU)
    assert read_json(job.folder / "config.json")["tokenizer"] == sha256(job.data / "tokenizer.json")
    losses, hits = [], []
    for inputs, targets in zip(*windows, strict=True):
        probabilities = model(inputs[None])[0].double().softmax(-1).numpy()
        for row, target in zip(probabilities, targets.tolist(), strict=True):
            if target != PAD:
                losses.append(-math.log(row[target]))
                hits.append(row.argmax() == target)
    return float(np.mean(losses)), float(np.mean(hits))


@pytest.mark.parametrize("model", [MINIGPT, QWEN], ids=["minigpt", "qwen"])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_it_learns(job: Callable[[str], Job], model: dict[str, Any], optimizer: str) -> None:
    run = job("run")
    training = dataclasses.replace(TRAINING, steps=120, optimizer=optimizer, evaluate_every=10, learning_rate=5e-3)
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
        killed.run_and_kill(step, training, model)
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
    toy_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: str,
) -> None:
    own = tmp_path / "data"
    own.mkdir()
    for path in toy_data.iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    killed = dataclasses.replace(job("killed"), data=own)
    killed.run_and_kill(5)
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


def test_the_best_weights_are_kept(job: Callable[[str], Job]) -> None:
    """With a rate that makes things worse again, the saved model is that of the best row, not of the last."""
    run = job("run")
    run.run(dataclasses.replace(TRAINING, steps=160, learning_rate=0.3, evaluate_every=4))
    rows = run.history()
    best = min(rows, key=lambda row: row["validation_loss"])
    assert best["validation_loss"] < rows[-1]["validation_loss"] - 0.01, "the toy run does not get worse: useless"
    assert run.outcome()["best_step"] == best["step"]
    assert run.outcome()["best_validation_loss"] == best["validation_loss"]
    loss, accuracy = loss_and_accuracy(run, everything(Windows(run.documents("validation"), 8)))
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
        inputs_BT, targets_BT = (torch.cat(side) for side in zip(*(batches[step] for step in steps), strict=True))
        loss, accuracy = loss_and_accuracy(run, (inputs_BT, targets_BT))
        assert row["train_loss"] == pytest.approx(loss, rel=1e-5)
        assert row["train_accuracy"] == pytest.approx(accuracy)
        with torch.no_grad():
            logits_NV = model(inputs_BT).flatten(0, 1)[targets_BT.flatten() != PAD]
        uniform = -F.log_softmax(logits_NV, -1).mean().item()
        assert row["train_objective"] == pytest.approx(0.7 * loss + 0.3 * uniform, rel=1e-5)
        assert row["train_objective"] != pytest.approx(row["train_loss"], rel=1e-5)
        assert row["tokens"] == start * 4 * 8
        assert row["epoch"] == pytest.approx(start * 4 / batches.windows_per_epoch)
    validation, accuracy = loss_and_accuracy(run, everything(Windows(run.documents("validation"), 8)))
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


def test_too_high_a_rate_is_one_clear_error(job: Callable[[str], Job]) -> None:
    run = job("run")
    with pytest.raises(
        ValueError, match=r"^the loss or its gradient is not a number at step 2: lower the learning rate"
    ):
        run.run(dataclasses.replace(TRAINING, learning_rate=1e38, warmup_steps=0))
    assert not run.weights.exists()


@pytest.mark.usefixtures("always_checkpoint")
def test_in_fp16_a_kill_changes_nothing_either(job: Callable[[str], Job]) -> None:
    """The scale of the losses is part of what goes on."""
    training = dataclasses.replace(TRAINING, optimizer="muon", device="cpu", precision="fp16")
    undisturbed, killed = job("undisturbed"), job("killed")
    undisturbed.run(training, QWEN)
    killed.run_and_kill(5, training, QWEN)
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
    assert lines[0] == "toy, seed 1: 2,704 parameters on cpu (1 thread) in fp32, 12 steps"
    assert any("minutes to go" in line for line in lines)
    assert any("12/12" in line for line in lines)
    assert not any("\r" in line for line in lines)


def test_the_outcome(job: Callable[[str], Job]) -> None:
    run = job("run")
    run.run()
    outcome = run.outcome()
    targets = len(run.documents("train").tokens) - 1
    assert outcome["tokens"] == 12 * 4 * 8
    assert outcome["epochs"] == pytest.approx(12 * 4 / math.ceil(targets / 8))
    assert (outcome["steps"], outcome["stopped_early"]) == (12, False)
    assert (outcome["device"], outcome["precision"]) == ("cpu", "fp32")
    assert TrainingConfig(**outcome["training"]) == TRAINING
