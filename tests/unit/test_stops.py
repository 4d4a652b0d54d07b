"""Whatever ends a training before its time, the next call goes on and ends with the same bytes."""

import contextlib
import dataclasses
import os
import random
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_training import FINISHED, MINIGPT, QWEN, TRAINING, Job, exploding

from minillm.training import run
from minillm.training.device import can_compile
from minillm.vocabulary.tokenizer import SPECIALS


def screen_until(process: subprocess.Popen[str], step: int, steps: int) -> list[str]:
    """Read the screen up to the line of this step."""
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if f" {step}/{steps} " in line:
            return lines
    raise AssertionError(f"it ended before step {step}: {lines}")


def send_at(process: subprocess.Popen[str], step: int, steps: int, number: int) -> str:
    """Send a signal at this step; the rest of the screen."""
    screen_until(process, step, steps)
    process.send_signal(number)
    rest, _ = process.communicate(timeout=120)
    return rest


def test_killed_at_five_random_steps(job: Callable[[str], Job]) -> None:
    """By SIGKILL, wherever that finds it: in a step, in a measurement, in the middle of writing."""
    training = dataclasses.replace(
        TRAINING, steps=150, optimizer="muon", ema_decay=0.9, schedule="decay", evaluate_every=7, label_smoothing=0.1
    )
    undisturbed, killed = job("undisturbed"), job("killed")
    undisturbed.run(training)
    steps = sorted(random.sample(range(1, 120), 5))
    for step in steps:
        process = killed.start(training)
        send_at(process, step, 150, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL, steps
        state = torch.load(killed.checkpoint, weights_only=True)
        assert state["step"] >= step - 1, "there is no checkpoint after each step: the test shows nothing"
    killed.run(training)
    assert killed.result() == undisturbed.result(), steps
    assert [name for name in killed.files() if not name.endswith(".tmp")] == FINISHED


@pytest.mark.slow
@pytest.mark.skipif(not can_compile(), reason="torch.compile needs g++ and Python's headers")
def test_killed_while_computing_in_bf16_compiled_with_two_threads(job: Callable[[str], Job]) -> None:
    """Compiled training repeats itself to the byte, and goes on from a kill as any other."""
    training = dataclasses.replace(
        TRAINING, steps=40, optimizer="muon", precision="bf16", compile="always", threads=2, ema_decay=0.9
    )
    undisturbed, killed = job("undisturbed"), job("killed")
    process = undisturbed.start(training, QWEN)
    screen = "".join(screen_until(process, 40, 40))
    process.communicate()
    assert "on cpu (2 threads) in bf16, compiled, 40 steps" in screen
    process = killed.start(training, QWEN)
    send_at(process, 17, 40, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    process = killed.start(training, QWEN)
    assert "going on from step" in "".join(screen_until(process, 40, 40))
    process.communicate()
    assert killed.result() == undisturbed.result()
    history = undisturbed.history()
    assert history[-1]["train_loss"] < history[0]["train_loss"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop(job: Callable[[str], Job], number: int) -> None:
    """It saves where it is, says so in one line, and its exit status tells the signal."""
    training = dataclasses.replace(TRAINING, steps=60, evaluate_every=60)
    undisturbed, stopped = job("undisturbed"), job("stopped")
    undisturbed.run(training)
    process = stopped.start(training, seconds=3600)
    rest = send_at(process, 10, 60, number)
    assert process.returncode == 128 + number
    *_, last = rest.splitlines()
    state = torch.load(stopped.checkpoint, weights_only=True)
    expected = f"toy, seed 1: stopped at step {state['step']}; snakemake goes on from its last checkpoint"
    assert last == expected
    assert state["step"] >= 10
    assert not stopped.weights.exists()
    stopped.run(training)
    assert stopped.result() == undisturbed.result()
    assert stopped.files() == FINISHED


def test_asked_to_stop_at_the_last_step_it_ends(job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = job()
    original = run.Run.train_step

    def asked(self: run.Run) -> None:
        original(self)
        if self.step == TRAINING.steps:
            os.kill(os.getpid(), signal.SIGTERM)

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(run.Run, "train_step", asked)
    stopped.run()
    assert stopped.files() == FINISHED
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_asked_twice_it_goes_at_once(job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """A second Ctrl-C does not wait for the end of the step."""

    def asked(_: run.Run) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("it was not interrupted")

    monkeypatch.setattr(run.Run, "train_step", asked)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            job().run()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("always_checkpoint")
@pytest.mark.parametrize("looks", [1, 32], ids=["looks at each step", "looks seldom, as on a GPU"])
@pytest.mark.parametrize("step", [7, 9])
def test_a_loss_that_is_no_number(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, looks: int, step: int
) -> None:
    """It stops, says where, and leaves a checkpoint from before that is all numbers."""
    monkeypatch.setitem(run.STEPS_BETWEEN_LOOKS, "cpu", looks)
    failed = job()
    with exploding(step), pytest.raises(ValueError, match=rf"^\D+ not a number after step {step}: lower the learning"):
        failed.run(dataclasses.replace(TRAINING, evaluate_every=5))
    assert not failed.weights.exists()
    state = torch.load(failed.checkpoint, weights_only=True)
    assert state["step"] == step - 1
    tensors = [*state["network"].values(), *state["best"].values(), state["sums"]]
    tensors += [t for optimizer in state["optimizers"] for kept in optimizer["state"].values() for t in kept.values()]
    assert len(tensors) > 50
    assert all(tensor.isfinite().all() for tensor in tensors)


@contextlib.contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The system itself refuses, as if the disk were full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("always_checkpoint")
@pytest.mark.parametrize("size", [20_000, 50], ids=["too large a checkpoint", "nothing can be written"])
def test_a_full_disk_stops_no_training(
    job: Callable[[str], Job], capsys: pytest.CaptureFixture[str], size: int
) -> None:
    """The checkpoint before is kept, no half file is left, and what comes after is as if nothing had been."""
    undisturbed, full = job("undisturbed"), job("full")
    undisturbed.run()
    full.run_and_kill(5)
    kept = full.checkpoint.read_bytes()
    capsys.readouterr()
    with no_file_larger_than(size):
        full.run_and_kill(9)
    lines = [line for line in capsys.readouterr().out.splitlines() if "no checkpoint" in line]
    assert len(lines) == 4
    assert lines[0].startswith("toy, seed 1: no checkpoint at step 6, the one before is kept: ")
    assert "checkpoint.pt cannot be written whole: is the disk full?" in lines[0] or "history.csv" in lines[0]
    assert full.checkpoint.read_bytes() == kept
    assert not list(full.folder.glob(".*"))
    full.run()
    assert full.result() == undisturbed.result()


@pytest.mark.parametrize(("size", "file"), [(2_000, "model.safetensors"), (50, "history.csv")])
def test_a_result_that_cannot_be_written_is_one_clear_line(job: Callable[..., Job], size: int, file: str) -> None:
    full = job()
    process = full.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
    screen, _ = process.communicate(timeout=120)
    *_, last = screen.splitlines()
    assert process.returncode == 1
    assert last.startswith("miniLLM, train_model: ")
    assert str(full.folder / file) in last
    assert "File too large" in last
    assert set(full.files()) <= {"history.csv", "timing.csv"}


@pytest.mark.usefixtures("always_checkpoint")
@pytest.mark.parametrize(("damaged", "start"), [(1, 4), (2, 0)])
def test_damaged_checkpoints(
    job: Callable[[str], Job], capsys: pytest.CaptureFixture[str], damaged: int, start: int
) -> None:
    """With the last one damaged it goes on from the one before; with both it starts anew."""
    undisturbed, broken = job("undisturbed"), job("broken")
    undisturbed.run()
    broken.run_and_kill(5)
    for name in ["checkpoint.pt", "checkpoint.previous.pt"][:damaged]:
        file = broken.folder / name
        file.write_bytes(file.read_bytes()[:2000])
    capsys.readouterr()
    broken.run()
    screen = capsys.readouterr().out
    assert (f"going on from step {start}" in screen) == (start > 0)
    assert ("going on" in screen) == (start > 0)
    assert broken.result() == undisturbed.result()
    assert sum("set-aside" in name for name in broken.files()) == damaged


class Payload:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


def test_a_checkpoint_that_would_run_code(job: Callable[[str], Job], tmp_path: Path) -> None:
    undisturbed, attacked = job("undisturbed"), job("attacked")
    undisturbed.run()
    torch.save(Payload(tmp_path / "it-ran"), attacked.checkpoint)
    attacked.run()
    assert attacked.result() == undisturbed.result()
    assert not (tmp_path / "it-ran").exists()


def own_data(job: Job, folder: Path) -> Job:
    """The same job with a copy of the data, to change at will."""
    folder.mkdir()
    for path in job.data.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return dataclasses.replace(job, data=folder)


def test_a_corpus_shorter_than_a_window(job: Callable[..., Job]) -> None:
    short = job()
    tokens = len(np.load(short.data / "train.npy"))
    message = rf"train\.npy has {tokens} tokens, which is less than one window: lower the context of toy \({tokens}\)"
    with pytest.raises(ValueError, match=message):
        short.run(model={**MINIGPT, "context": tokens})
    assert short.files() == []
    short.run(dataclasses.replace(TRAINING, steps=1), {**MINIGPT, "context": tokens - 1})
    assert short.files() == FINISHED


@pytest.mark.parametrize("split", ["train", "validation"])
def test_tokens_of_another_vocabulary(job: Callable[..., Job], tmp_path: Path, split: str) -> None:
    foreign = own_data(job(), tmp_path / "data")
    tokens = np.load(foreign.data / f"{split}.npy")
    tokens[7] = len(SPECIALS) + 10
    np.save(foreign.data / f"{split}.npy", tokens)
    message = rf"{split}\.npy holds token 14, and \S+tokenizer\.json has 14 tokens: they are of two vocabularies"
    with pytest.raises(ValueError, match=message):
        foreign.run()
    assert foreign.files() == []
