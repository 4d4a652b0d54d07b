"""Every stage that runs a model computes where it is told to."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from minillm.evaluation.bleu import evaluate_bleu
from minillm.evaluation.causality import audit_causality
from minillm.evaluation.cost import evaluate_cost
from minillm.evaluation.generation import generate_texts
from minillm.evaluation.perplexity import evaluate_perplexity

STAGES: list[Callable[..., None]] = [
    audit_causality,
    evaluate_bleu,
    evaluate_cost,
    evaluate_perplexity,
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
