"""The temperature at which a model is most likely on texts it was not trained on (Guo et al. 2017, arXiv:1706.04599).

A model that is too sure of itself has one above 1. It is fitted on the validation split and shows how much of a
calibration error is mere sureness; no other number is measured with it.
"""

from collections.abc import Sequence

import torch

from minillm.evaluation.score import counted_logits
from minillm.model.language_model import LanguageModel

TOKENS = 16_384  # of the texts: one number needs no more
_TOLERANCE = 1e-4
_MOST_STEPS = 30


def fit_temperature(model: LanguageModel, documents: Sequence[Sequence[int]]) -> float:
    """The temperature, which divides the logits, that minimises the loss of the first `TOKENS` tokens.

    Newton's method on its inverse, in which the loss is convex, with steps of at most a factor of two; 1 if there are
    no tokens or temperature changes nothing.
    """
    chosen, left = [], TOKENS
    for ids in documents:
        chosen.append(ids[:left])
        left -= len(chosen[-1])
    inverse = 1.0
    for _ in range(_MOST_STEPS):
        slope, curvature = _derivatives(model, chosen, inverse)
        if curvature <= 0:
            return 1.0
        new = min(max(inverse - slope / curvature, inverse / 2), 2 * inverse)
        inverse, change = new, abs(new / inverse - 1)
        if change < _TOLERANCE:
            break
    return 1 / inverse


@torch.no_grad()
def _derivatives(model: LanguageModel, documents: Sequence[Sequence[int]], inverse: float) -> tuple[float, float]:
    """First and second derivative of the total loss by the inverse temperature: E[z] - z of the truth, and Var[z]."""
    slope = curvature = 0.0
    for _, logits_NV, targets_N in counted_logits(model, documents):
        p_NV = (logits_NV * inverse).softmax(-1)
        mean_N = (p_NV * logits_NV).sum(-1)
        slope += (mean_N - logits_NV.gather(-1, targets_N[:, None])[:, 0]).sum(dtype=torch.float64).item()
        spread_NV = logits_NV - mean_N[:, None]
        curvature += (p_NV * spread_NV * spread_NV).sum(dtype=torch.float64).item()
    return slope, curvature
