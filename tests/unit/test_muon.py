"""Muon against what defines it: the singular value decomposition, and its update worked out by hand in numpy."""

import io
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from minillm.training.muon import POLYNOMIALS, Muon, orthogonalise

SHAPES = {"square": (24, 24), "tall": (48, 16), "wide": (16, 48), "row": (1, 20)}
Array = np.ndarray


def matrix(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def polynomials(values: Array) -> Array:
    """What becomes of singular values."""
    for a, b, c in POLYNOMIALS:
        values = a * values + b * values**3 + c * values**5
    return values


def by_decomposition(gradient: Array) -> Array:
    """What `orthogonalise` should give, with each singular value on its own."""
    u, values, vt = np.linalg.svd(gradient.astype(np.float64), full_matrices=False)
    found: Array = (u * polynomials(values / (1.02 * np.linalg.norm(gradient) + 1e-6))) @ vt
    return found


def cosine_with_polar(found: Tensor, gradient: Tensor) -> float:
    """Of the angle to U Vᵀ."""
    u, _, vt = np.linalg.svd(gradient.double().numpy(), full_matrices=False)
    return float((found.double().numpy() * (u @ vt)).sum() / found.double().norm() / np.linalg.norm(u @ vt))


def test_the_polynomials_bring_singular_values_together() -> None:
    """A range of a thousand to one becomes less than sixteen to one, around one; what is nothing stays nothing."""
    found = polynomials(np.geomspace(0.001, 1, 10_000))
    assert found.min() > 0.12
    assert found.max() < 1.88
    assert polynomials(np.array(0.0)) == 0


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e4])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_it_treats_each_singular_value_on_its_own(shape: tuple[int, int], scale: float) -> None:
    gradient = matrix(*shape) * scale
    found = orthogonalise(gradient[None])[0]
    np.testing.assert_allclose(found.numpy(), by_decomposition(gradient.numpy()), atol=2e-4)
    assert cosine_with_polar(found, gradient) > 0.85


def test_directions_that_are_missing_stay_missing() -> None:
    """Of rank three: no noise is blown up to the size of a signal."""
    low = matrix(20, 3) @ matrix(3, 30, seed=1)
    values = torch.linalg.svdvals(orthogonalise(low[None])[0].double())
    assert ((values[:3] > 0.12) & (values[:3] < 1.88)).all()
    assert values[3:].max() < 1e-3
    assert not orthogonalise(torch.zeros(1, 4, 6)).any()


def test_bf16_gives_the_same_direction() -> None:
    gradient = matrix(32, 20)
    rough = orthogonalise(gradient[None].bfloat16())[0]
    assert rough.dtype == torch.bfloat16
    assert cosine_with_polar(rough, gradient) > 0.85


def test_matrices_of_a_stack_do_not_meet() -> None:
    stack = torch.stack([matrix(6, 9, seed) * 10.0**seed for seed in range(3)])
    for together, alone in zip(orthogonalise(stack), stack, strict=True):
        torch.testing.assert_close(together, orthogonalise(alone[None])[0])


@pytest.mark.parametrize("shape", [(12, 12), (40, 10), (10, 40)])
def test_steps_by_hand(shape: tuple[int, int]) -> None:
    """Nesterov's momentum, rows made even, decay that is decoupled, and a step of √max(1, rows / columns)."""
    rate, decay, beta, row_beta = 0.03, 0.4, 0.8, 0.7
    weight = nn.Parameter(matrix(*shape, seed=9))
    other = nn.Parameter(matrix(*shape, seed=10))  # of the same shape: they are updated together
    idle = nn.Parameter(matrix(*shape, seed=11))  # has no gradient
    before = idle.detach().clone()
    muon = Muon([weight, idle, other], lr=rate, weight_decay=decay, momentum=beta, row_decay=row_beta)
    expected, mean, squares = weight.detach().double().numpy(), np.zeros(shape), np.zeros((shape[0], 1))
    for step in range(4):
        gradient = matrix(*shape, seed=step) * torch.arange(1, shape[0] + 1)[:, None]  # rows of unlike size
        weight.grad, other.grad = gradient.clone(), matrix(*shape, seed=100 + step)
        muon.step()
        mean = beta * mean + (1 - beta) * gradient.double().numpy()
        update = by_decomposition(beta * mean + (1 - beta) * gradient.double().numpy())
        squares = row_beta * squares + (1 - row_beta) * (update**2).mean(1, keepdims=True)
        even = update / np.sqrt(squares)
        even *= np.linalg.norm(update) / np.linalg.norm(even)
        expected = expected * (1 - rate * decay) - rate * math.sqrt(max(1, shape[0] / shape[1])) * even
        np.testing.assert_allclose(weight.detach().numpy(), expected, rtol=1e-4, atol=2e-5)
    assert torch.equal(idle.detach(), before)


def test_it_goes_on_from_a_file_as_if_nothing_had_been() -> None:
    def fresh() -> tuple[nn.Parameter, Muon]:
        weight = nn.Parameter(matrix(8, 5))
        return weight, Muon([weight], lr=0.1, weight_decay=0.1)

    def go(weight: nn.Parameter, muon: Muon, steps: range) -> None:
        for step in steps:
            weight.grad = matrix(8, 5, seed=step)
            muon.step()

    straight, muon = fresh()
    go(straight, muon, range(7))
    halfway, muon = fresh()
    go(halfway, muon, range(3))
    file = io.BytesIO()
    torch.save({"weight": halfway.detach(), "muon": muon.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    resumed, muon = fresh()
    resumed.data.copy_(saved["weight"])
    muon.load_state_dict(saved["muon"])
    go(resumed, muon, range(3, 7))
    assert torch.equal(resumed, straight)
