"""A checkpoint is taken up only if it belongs to this experiment and is whole; whatever it is, it runs no code."""

import dataclasses
import logging
import os
import pickle
import random
import resource
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from minillm.training import checkpoint
from minillm.training.config import TrainingConfig

STATE: dict[str, Any] = {"fingerprint": "mine", "step": 3, "network": {"w": torch.arange(60.0)}, "history": [{"a": 1}]}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, STATE)
    return path


def aside(path: Path) -> Path:
    return path.with_name("checkpoint.set-aside.pt")


def test_what_is_saved_comes_back(saved: Path) -> None:
    state = checkpoint.load(saved, "mine")
    assert state is not None
    assert torch.equal(state.pop("network")["w"], torch.arange(60.0))
    assert state == {"fingerprint": "mine", "step": 3, "history": [{"a": 1}]}
    assert list(saved.parent.iterdir()) == [saved]  # no temporary file is left


def test_one_of_a_gpu_is_taken_up_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.pt"
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")
        checkpoint.save(path, STATE)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="CUDA"):
        torch.load(path, weights_only=True)
    state = checkpoint.load(path, "mine")
    assert state is not None
    assert state["network"]["w"].device == torch.device("cpu")
    assert torch.equal(state["network"]["w"], STATE["network"]["w"])


def test_none_is_none(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / "checkpoint.pt", "mine") is None


def test_a_foreign_one_is_set_aside_with_one_line(saved: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = saved.read_bytes()
    with caplog.at_level(logging.WARNING):
        assert checkpoint.load(saved, "another") is None
    assert not saved.exists()
    assert aside(saved).read_bytes() == content
    assert len(caplog.messages) == 1
    assert "other data, code or settings" in caplog.messages[0]
    assert "set aside as checkpoint.set-aside.pt" in caplog.messages[0]
    assert "\n" not in caplog.messages[0]


@pytest.mark.parametrize("length", [0, 1, 4, 30, 500, 1500])
def test_a_truncated_one_is_set_aside(saved: Path, length: int) -> None:
    saved.write_bytes(saved.read_bytes()[:length])
    assert checkpoint.load(saved, "mine") is None
    assert aside(saved).exists()


def test_one_truncated_to_some_kilobytes_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {**STATE, "best": torch.zeros(10_000)})
    path.write_bytes(path.read_bytes()[:20_000])
    assert checkpoint.load(path, "mine") is None
    assert aside(path).exists()


class Payload:
    """Unpickling this would create a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("how", ["pickle", "torch", "torch, old format", "inside the state"])
def test_a_pickle_runs_no_code(tmp_path: Path, how: str) -> None:
    path, trace = tmp_path / "checkpoint.pt", tmp_path / "it-ran"
    payload = Payload(trace)
    if how == "pickle":
        path.write_bytes(pickle.dumps(payload, protocol=2))
    elif how == "inside the state":
        torch.save({**STATE, "timing": payload}, path)
    else:
        torch.save(payload, path, _use_new_zipfile_serialization=how == "torch")
    assert checkpoint.load(path, "mine") is None
    assert not trace.exists()
    assert aside(path).exists()
    torch.load(aside(path), weights_only=False) if how != "pickle" else pickle.loads(aside(path).read_bytes())
    assert trace.exists(), "the payload is harmless: the test shows nothing"


@pytest.mark.parametrize("value", [[], [1], 3, "text", None, {}, {"step": 1}, torch.zeros(3)], ids=repr)
def test_something_else_than_a_state_is_set_aside(tmp_path: Path, value: object) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save(value, path)
    with warnings.catch_warnings(action="ignore"):  # indexing a tensor with a name
        assert checkpoint.load(path, "mine") is None
    assert aside(path).exists()


@pytest.mark.parametrize("content", [b"hello\n", b"\x00" * 4096, b"PK\x03\x04", b"\x80\x02}q\x00."])
def test_another_file_is_set_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    assert checkpoint.load(path, "mine") is None


def test_any_noise_is_set_aside(saved: Path) -> None:
    noise, content = random.Random(0), saved.read_bytes()
    for trial in range(200):
        broken = bytearray(content if trial % 2 else noise.randbytes(noise.randrange(1, 60)))
        for _ in range(3):
            broken[noise.randrange(len(broken))] = noise.randrange(256)
        saved.write_bytes(bytes(broken))
        checkpoint.load(saved, "mine")  # bits of a tensor may flip unseen; but nothing may be raised


def test_a_second_one_is_set_aside_too(saved: Path) -> None:
    aside(saved).write_text("an older one")
    assert checkpoint.load(saved, "another") is None
    assert aside(saved).read_bytes() != b"an older one"


@pytest.fixture
def saved_twice(saved: Path) -> Path:
    checkpoint.save(saved, {**STATE, "step": 4})
    return saved


def steps(path: Path) -> list[int]:
    """Of the last checkpoint and of the one before."""
    files = [path, path.with_name("checkpoint.previous.pt")]
    return [torch.load(file, weights_only=True)["step"] for file in files]


def test_the_one_before_is_kept(saved_twice: Path) -> None:
    assert steps(saved_twice) == [4, 3]
    checkpoint.save(saved_twice, {**STATE, "step": 5})
    assert steps(saved_twice) == [5, 4]
    state = checkpoint.load(saved_twice, "mine")
    assert state is not None
    assert state["step"] == 5
    checkpoint.remove(saved_twice)
    checkpoint.remove(saved_twice)
    assert list(saved_twice.parent.iterdir()) == []


@pytest.mark.parametrize("fault", ["truncated", "missing"])
def test_the_one_before_stands_in(saved_twice: Path, fault: str) -> None:
    """Missing is what a kill between two renames leaves."""
    if fault == "missing":
        saved_twice.unlink()
    else:
        saved_twice.write_bytes(saved_twice.read_bytes()[:900])
    for _ in range(2):
        state = checkpoint.load(saved_twice, "mine")
        assert state is not None
        assert state["step"] == 3
    checkpoint.save(saved_twice, {**STATE, "step": 6})
    assert steps(saved_twice) == [6, 3], "the good one has been replaced by the damaged one"


def test_both_damaged_are_set_aside(saved_twice: Path) -> None:
    for name in ("checkpoint.pt", "checkpoint.previous.pt"):
        saved_twice.with_name(name).write_bytes(b"PK")
    assert checkpoint.load(saved_twice, "mine") is None
    names = ["checkpoint.previous.set-aside.pt", "checkpoint.set-aside.pt"]
    assert sorted(path.name for path in saved_twice.parent.iterdir()) == names


def test_both_of_another_experiment_are_set_aside(saved_twice: Path) -> None:
    assert checkpoint.load(saved_twice, "another") is None
    assert not saved_twice.exists()
    assert checkpoint.load(saved_twice, "mine") is None


def test_what_does_not_fit_on_the_disk_leaves_the_old_ones(saved_twice: Path) -> None:
    """The system itself refuses: no file may be larger than this."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"checkpoint\.pt cannot be written whole: is the disk full\?$"):
            checkpoint.save(saved_twice, {**STATE, "step": 5, "best": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert steps(saved_twice) == [4, 3]
    assert len(list(saved_twice.parent.iterdir())) == 2


def test_the_fingerprint_sees_every_file_and_setting(tmp_path: Path) -> None:
    data, code = tmp_path / "data.npy", tmp_path / "code.py"
    data.write_bytes(b"data")
    code.write_bytes(b"code")
    config = TrainingConfig(steps=5)

    def mark(**changes: Any) -> str:
        return checkpoint.fingerprint([data, code], [dataclasses.replace(config, **changes), 1])

    plain = mark()
    assert plain == mark()
    marks = {plain, mark(steps=6), mark(label_smoothing=0.1), checkpoint.fingerprint([data, code], [config, 2])}
    marks |= {checkpoint.fingerprint([code, data], [config, 1]), checkpoint.fingerprint([data], [config, 1])}
    code.write_bytes(b"cod3")
    marks.add(mark())
    assert len(marks) == 7


def test_a_save_that_fails_leaves_the_old_one(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved.read_bytes()

    def half(state: object, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(saved, {"fingerprint": "mine"})
    assert saved.read_bytes() == content
    assert list(saved.parent.iterdir()) == [saved]
