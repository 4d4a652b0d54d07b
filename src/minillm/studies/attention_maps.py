"""Where a model looks: the attention weights of every layer and head, and how much of them the first token gets.

Many heads give most of their weight to the first token, whatever it is (attention sinks, Xiao et al. 2024,
arXiv:2309.17453). How much it is only tells something beside what even attention would give.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from minillm.evaluation.record import Sums
from minillm.model.minigpt import MiniGPT
from minillm.model.qwen import Qwen


@torch.no_grad()
def attention_weights(model: MiniGPT | Qwen, ids: Sequence[int]) -> npt.NDArray[np.float32]:
    """The weights (layer, head, time, time) with which each position of a text attends to the others."""
    weights: list[torch.Tensor] = []
    model(torch.tensor([ids]), weights=weights)
    return torch.cat(weights).numpy()


def attention_to_first(model: MiniGPT | Qwen, texts: Sequence[Sequence[int]]) -> Sums:
    """Of each text the sum over its positions, but the first, of the weight that the first one gets.

    `first` is the mean over layers and heads, `even` what it would be if each position attended evenly to itself and
    those before it, `positions` how many there are.
    """
    rows = []
    for ids in texts:
        to_first_T = attention_weights(model, ids)[..., 1:, 0].mean((0, 1), dtype=np.float64)
        rows.append((to_first_T.sum(), (1 / np.arange(2, len(ids) + 1)).sum(), len(to_first_T)))
    return dict(zip(("first", "even", "positions"), np.array(rows, dtype=np.float64).T, strict=True))
