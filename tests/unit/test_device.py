"""Every stage that runs a model computes where it is told to, and training as fast as the machine allows."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from minillm.evaluation.causality import audit_causality
from minillm.evaluation.continuations import generate_continuations
from minillm.evaluation.cost import evaluate_cost
from minillm.evaluation.generation import generate_texts
from minillm.evaluation.perplexity import evaluate_perplexity
from minillm.training import device
from minillm.training.device import Speed, choose_device, choose_speed, prepare

STAGES: list[Callable[..., None]] = [
    audit_causality,
    evaluate_cost,
    evaluate_perplexity,
    generate_continuations,
    generate_texts,
]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_a_device_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stage: Callable[..., None]
) -> None:
    """Before anything is read: no file that the stage asks for exists."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    values: dict[Any, Any] = {Path: tmp_path / "missing", str: "x", int: 1, float: 1.0, list[str]: ["El río"]}
    parameters = inspect.signature(stage).parameters.values()
    arguments = {parameter.name: values[parameter.annotation] for parameter in parameters}
    with pytest.raises(ValueError, match="device cuda is not available on this machine: set device to auto or cpu"):
        stage(**{**arguments, "device": "cuda"})
    with pytest.raises(FileNotFoundError):
        stage(**{**arguments, "device": "cpu"})
    assert list(tmp_path.iterdir()) == []


CPU, CUDA, MPS = map(torch.device, ("cpu", "cuda", "mps"))
SHORT, LONG = 1e9, 1e18


def test_a_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for cuda, mps, expected in ((True, True, CUDA), (False, True, MPS), (False, False, CPU)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert choose_device("auto") == expected
        assert choose_device("cpu") == CPU


class Machine:
    """A machine that is not this one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.capability, self.bf16, self.compiler = (9, 0), True, True
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: self.capability)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": self.bf16, "amx_bf16": False})
        monkeypatch.setattr(device.shutil, "which", lambda _: "/usr/bin/g++" if self.compiler else None)
        monkeypatch.setattr(device.Path, "exists", lambda _: self.compiler)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_a_cpu_computes_in_bf16_where_it_can_and_the_run_is_long(machine: Machine) -> None:
    assert choose_speed("auto", "auto", CPU, LONG) == Speed("bf16", compiled=True)
    assert choose_speed("auto", "auto", CPU, SHORT) == Speed("fp32", compiled=False)
    assert choose_speed("fp32", "auto", CPU, LONG) == Speed("fp32", compiled=False)  # nothing would be gained
    machine.compiler = False
    assert choose_speed("auto", "auto", CPU, LONG) == Speed("bf16", compiled=False)
    machine.bf16 = False
    assert choose_speed("auto", "auto", CPU, LONG) == Speed("fp32", compiled=False)


@pytest.mark.parametrize(("capability", "precision"), [((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_a_gpu_computes_in_what_its_generation_has(
    machine: Machine, capability: tuple[int, int], precision: str
) -> None:
    machine.capability, machine.bf16 = capability, False
    assert choose_speed("auto", "auto", CUDA, LONG) == Speed(precision, compiled=True)
    assert choose_speed("auto", "auto", CUDA, SHORT) == Speed(precision, compiled=False)


def test_apple_computes_in_fp32(machine: Machine) -> None:
    assert choose_speed("auto", "auto", MPS, LONG) == Speed("fp32", compiled=False)


def test_what_is_asked_for_is_done(machine: Machine) -> None:
    machine.bf16 = False
    assert choose_speed("bf16", "never", CPU, LONG) == Speed("bf16", compiled=False)
    assert choose_speed("fp32", "always", CPU, SHORT) == Speed("fp32", compiled=True)


def test_to_compile_without_a_compiler_is_one_clear_error(machine: Machine) -> None:
    machine.compiler = False
    with pytest.raises(ValueError, match=r"^compile: always needs a C\+\+ compiler \(g\+\+\) and Python's headers"):
        choose_speed("bf16", "always", CPU, LONG)


def test_prepare_sets_threads_and_determinism() -> None:
    torch.use_deterministic_algorithms(False)
    assert prepare(2, "cpu") == CPU
    assert torch.get_num_threads() == 2
    assert torch.are_deterministic_algorithms_enabled()
    assert prepare(1, "cpu") == CPU
    assert torch.get_num_threads() == 1


def test_peak_memory_is_in_bytes() -> None:
    """A Python process with torch takes between 50 MB and 50 GB."""
    assert 5e7 < device.peak_memory(CPU) < 5e10
