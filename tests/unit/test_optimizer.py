"""Who trains which parameter, what decays, and the learning rate at the corners of its schedule."""

import math

import pytest
import torch

from minillm.model.build import build_model
from minillm.model.config import MiniGPTConfig, ModelConfig, QwenConfig
from minillm.model.language_model import LanguageModel
from minillm.training.config import TrainingConfig
from minillm.training.optimizer import build_optimizers, learning_rate_factor

MINIGPT = MiniGPTConfig(layers=2, width=16, heads=2, feed_forward=24, context=8)
QWEN = QwenConfig(architecture="qwen", layers=2, width=16, heads=2, feed_forward=24, context=8)
MODELS = pytest.mark.parametrize("config", [MINIGPT, QWEN], ids=["minigpt", "qwen"])
OPTIMIZERS = pytest.mark.parametrize("optimizer", ["adamw", "muon"])


def names_by_owner(model: LanguageModel, config: TrainingConfig) -> list[tuple[str, float, float, list[str]]]:
    """(optimizer, weight decay, peak, names of parameters) of each group."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return [
        (type(optimizer).__name__, group["weight_decay"], group["peak"], [names[p] for p in group["params"]])
        for optimizer in build_optimizers(model, config)
        for group in optimizer.param_groups
    ]


@MODELS
@OPTIMIZERS
def test_every_parameter_is_in_exactly_one_group(config: ModelConfig, optimizer: str) -> None:
    model = build_model(config, 20)
    training = TrainingConfig(steps=1, optimizer=optimizer, weight_decay=0.1)  # type: ignore[arg-type]
    owned = [name for *_, names in names_by_owner(model, training) for name in names]
    assert sorted(owned) == sorted(name for name, _ in model.named_parameters())


@MODELS
@OPTIMIZERS
def test_biases_and_norms_do_not_decay(config: ModelConfig, optimizer: str) -> None:
    model = build_model(config, 20)
    training = TrainingConfig(steps=1, optimizer=optimizer, weight_decay=0.1)  # type: ignore[arg-type]
    decays = {name: decay for _, decay, _, names in names_by_owner(model, training) for name in names}
    for name, decay in decays.items():
        assert decay == (0.0 if name.endswith("bias") or "norm" in name else 0.1), name


@MODELS
@pytest.mark.parametrize("vocabulary_size", [20, 24])  # 24 rows have also matrices inside the blocks
def test_muon_has_the_matrices_of_the_blocks_and_nothing_else(config: ModelConfig, vocabulary_size: int) -> None:
    model = build_model(config, vocabulary_size)
    training = TrainingConfig(steps=1, optimizer="muon", learning_rate=3e-3, matrix_learning_rate=0.07)
    groups = names_by_owner(model, training)
    muon = {name for kind, _, _, names in groups if kind == "Muon" for name in names}
    matrices = {name for name, p in model.named_parameters() if name.startswith("blocks.") and p.ndim == 2}
    assert muon == matrices
    assert not any("embedding" in name or "head" in name for name in muon)
    assert {kind: peak for kind, _, peak, _ in groups} == {"AdamW": 3e-3, "Muon": 0.07}


@OPTIMIZERS
def test_decay_shrinks_matrices_only(optimizer: str) -> None:
    """A step without any gradient multiplies what decays by 1 − rate · decay and leaves the rest alone."""
    torch.manual_seed(0)
    model = build_model(MINIGPT, 20)
    training = TrainingConfig(
        steps=1,
        optimizer=optimizer,  # type: ignore[arg-type]
        weight_decay=0.5,
        learning_rate=0.1,
        matrix_learning_rate=0.2,
    )
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for optimizer_ in build_optimizers(model, training):
        optimizer_.step()
    for name, parameter in model.named_parameters():
        rate = 0.2 if optimizer == "muon" and name.startswith("blocks.") else 0.1
        factor = 1 - rate * 0.5 if parameter.ndim == 2 else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * factor, msg=name)


def test_betas_reach_adamw() -> None:
    first, *_ = build_optimizers(build_model(QWEN, 20), TrainingConfig(steps=1, beta1=0.8, beta2=0.95))
    assert all(group["betas"] == (0.8, 0.95) for group in first.param_groups)


def test_warm_up_is_linear_and_never_zero() -> None:
    config = TrainingConfig(steps=100, warmup_steps=4)
    assert [learning_rate_factor(step, config) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert learning_rate_factor(0, TrainingConfig(steps=10, warmup_steps=0)) == 1


def test_cosine_falls_from_one_to_zero() -> None:
    config = TrainingConfig(steps=110, warmup_steps=10, schedule="cosine")
    found = {step: learning_rate_factor(step, config) for step in (9, 10, 35, 60, 85, 110)}
    expected = {9: 1, 10: 1, 35: (2 + math.sqrt(2)) / 4, 60: 0.5, 85: (2 - math.sqrt(2)) / 4, 110: 0}
    assert found == pytest.approx(expected)


def test_decay_is_flat_and_then_linear() -> None:
    config = TrainingConfig(steps=100, warmup_steps=10, schedule="decay", decay_share=0.4)
    found = {step: learning_rate_factor(step, config) for step in (10, 59, 60, 61, 80, 99, 100)}
    assert found == pytest.approx({10: 1, 59: 1, 60: 1, 61: 0.975, 80: 0.5, 99: 0.025, 100: 0})


@pytest.mark.parametrize("schedule", ["constant", "cosine", "decay"])
def test_the_rate_never_leaves_its_bounds(schedule: str) -> None:
    config = TrainingConfig(steps=60, warmup_steps=7, schedule=schedule)  # type: ignore[arg-type]
    factors = [learning_rate_factor(step, config) for step in range(60)]
    assert all(0 < factor <= 1 for factor in factors)
    after = factors[7:]
    assert after == sorted(after, reverse=True)


def test_a_budget_shorter_than_the_warm_up() -> None:
    config = TrainingConfig(steps=3, warmup_steps=50, schedule="cosine")
    assert [learning_rate_factor(step, config) for step in range(3)] == [0.02, 0.04, 0.06]
