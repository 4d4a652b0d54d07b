"""Budgets in epochs, and the weights that are kept at each measurement."""

import dataclasses
from collections.abc import Callable

import pytest
import torch
from safetensors.torch import load_file
from toy_training import MINIGPT, TRAINING, Job, a_run

from minillm.training import train_model
from minillm.training.config import TrainingConfig

EPOCHS = dataclasses.replace(TRAINING, steps=4, evaluate_every=2, counted_in="epochs", snapshots=True)


def keep(job: Job, training: TrainingConfig = EPOCHS) -> dict[str, torch.Tensor]:
    snapshots = job.folder / "snapshots.safetensors"
    train_model.train_model(**job.arguments(training, MINIGPT, 1), snapshots=snapshots)
    return load_file(snapshots)


def test_epochs_are_turned_into_steps(job: Callable[..., Job]) -> None:
    """Of the toy's windows a batch takes four."""
    run = job()
    windows = a_run(run).batches.windows_per_epoch
    keep(run)
    rows = run.history()
    assert [row["step"] for row in rows] == [-(-2 * windows // 4), -(-4 * windows // 4)]
    assert [round(row["epoch"]) for row in rows] == [2, 4]
    assert run.outcome()["steps"] == -(-4 * windows // 4)


@pytest.mark.parametrize(
    ("steps", "every", "expected"), [(10, 4, [4, 8, 10]), (6, 1, [1, 2, 3, 4, 5, 6]), (3, 10, [3])]
)
def test_measurements_come_at_the_end_of_each_interval(
    steps: int, every: int, expected: list[int], job: Callable[..., Job]
) -> None:
    run = job()
    run.run(dataclasses.replace(TRAINING, steps=steps, evaluate_every=every))
    assert [row["step"] for row in run.history()] == expected


@pytest.mark.parametrize("batch", [1, 3, 4, 5, 7])
def test_there_is_a_measurement_for_each_epoch_at_its_end(batch: int, job: Callable[..., Job]) -> None:
    """Whether or not the windows of an epoch are a whole number of batches."""
    run = job()
    windows = a_run(run).batches.windows_per_epoch
    run.run(dataclasses.replace(EPOCHS, steps=6, evaluate_every=2, batch_size=batch))
    steps = [row["step"] for row in run.history()]
    assert steps == [-(-epoch * windows // batch) for epoch in (2, 4, 6)]
    assert run.outcome()["training"]["counted_in"] == "epochs"
    assert run.outcome()["training"]["steps"] == 6


def test_the_last_snapshot_is_what_the_model_was_then(job: Callable[..., Job]) -> None:
    """And the best weights, which are saved as the model, are one of them."""
    run = job()
    kept = keep(run)
    steps = [f"{row['step']:.0f}" for row in run.history()]
    assert sorted({name.partition("/")[0] for name in kept}) == sorted(steps)
    best = f"{run.outcome()['best_step']}/"
    saved = load_file(run.weights)
    assert saved.keys() == {name.removeprefix(best) for name in kept if name.startswith(best)}
    assert all(torch.equal(tensor, kept[best + name]) for name, tensor in saved.items())
    first, last = (kept[f"{step}/head.weight"] for step in steps)
    assert not torch.equal(first, last)


@pytest.mark.usefixtures("always_checkpoint")
def test_a_killed_training_keeps_what_it_had_kept(job: Callable[..., Job]) -> None:
    whole, killed = job("whole"), job("killed")
    expected = keep(whole)
    killed.run_and_kill(whole.outcome()["steps"] - 1, EPOCHS)
    found = keep(killed)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert killed.result() == whole.result()
