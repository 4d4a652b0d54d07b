"""Muon: momentum whose matrices are orthogonalised (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/).

In the form of NorMuon (Li et al. 2025, arXiv:2510.05491), which also evens out the rows, one for each neuron. Matrices
of the same shape are orthogonalised together, by the polynomials of Polar Express (Amsel et al. 2025, arXiv:2505.16932)
and in the precision that the training computes in; torch.optim.Muon takes them one by one, always in bfloat16.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

# Each maps a singular value x to a·x + b·x³ + c·x⁵. These are the first of the paper's table, made for singular values
# from 0.001 to 1; the others would bring them nearer to 1, which cost time and gained nothing (benchmarks/README.md).
POLYNOMIALS = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
)


class Muon(torch.optim.Optimizer):
    """For weights of linear layers, (out, in). An update has the norm of an orthogonal matrix times √max(1, out / in).

    `momentum` is the decay of the running mean of gradients (Nesterov's), `row_decay` that of the rows' mean squares;
    `weight_decay` is decoupled.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        row_decay: float = 0.95,
        precision: torch.dtype = torch.float32,
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "row_decay": row_decay}
        super().__init__(matrices, defaults)
        self.precision = precision

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One update of all matrices that have a gradient."""
        assert closure is None
        for group in self.param_groups:
            alike: defaultdict[torch.Size, list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    alike[weight.shape].append(weight)
            for weights in alike.values():
                self._update(weights, group)

    def _update(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["mean"] = torch.zeros_like(weight)
                self.state[weight]["row_squares"] = weight.new_zeros(len(weight), 1)
        means = [self.state[weight]["mean"] for weight in weights]
        squares = [self.state[weight]["row_squares"] for weight in weights]
        torch._foreach_lerp_(means, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, means, group["momentum"])
        updates_NRC = orthogonalise(torch.stack(ahead).to(self.precision)).float()
        torch._foreach_lerp_(squares, list(updates_NRC.pow(2).mean(2, keepdim=True)), 1 - group["row_decay"])
        evened_NRC = updates_NRC / (torch.stack(squares).sqrt() + 1e-10)
        evened_NRC *= _norms(updates_NRC) / (_norms(evened_NRC) + 1e-10)
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        rows, columns = weights[0].shape
        torch._foreach_add_(weights, list(evened_NRC), alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)


def orthogonalise(matrices_NRC: Tensor) -> Tensor:
    """About U Vᵀ of each matrix U S Vᵀ of a stack (matrices, rows, columns), in the precision of the stack."""
    wide = matrices_NRC.shape[1] <= matrices_NRC.shape[2]
    x = matrices_NRC if wide else matrices_NRC.transpose(1, 2)
    x = x / (_norms(x) * 1.02 + 1e-6)  # all singular values at most 1, also after rounding
    for a, b, c in POLYNOMIALS:
        gram = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.transpose(1, 2)


def _norms(matrices_NRC: Tensor) -> Tensor:
    """Frobenius norms (matrices, 1, 1)."""
    return matrices_NRC.norm(dim=(1, 2), keepdim=True)
