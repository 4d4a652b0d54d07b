"""Scaled dot-product attention (Vaswani et al. 2017, arXiv:1706.03762) and the memory of what was already read.

`attend` is torch's fused kernel; where the weights themselves are wanted, as for a figure, they are computed step by
step and the result is the same. `Cache` keeps the keys and values of earlier positions, so that a model that generates
reads each token once.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


class Cache:
    """Keys and values of the positions that have been read, for each layer of a causal model."""

    def __init__(self, layers: int) -> None:
        self.layers: list[tuple[Tensor, Tensor] | None] = [None] * layers

    @property
    def length(self) -> int:
        """Positions that have been read."""
        return 0 if self.layers[0] is None else self.layers[0][0].shape[2]

    def extend(self, layer: int, key_BHTK: Tensor, value_BHTK: Tensor) -> tuple[Tensor, Tensor]:
        """Append the new positions of a layer; keys and values of all that have been read."""
        if (past := self.layers[layer]) is not None:
            # Behind a past, `attend` would take its square mask for the wrong positions.
            assert key_BHTK.shape[2] == 1, "after the first call a cache takes one token at a time"
            key_BHTK, value_BHTK = torch.cat((past[0], key_BHTK), dim=2), torch.cat((past[1], value_BHTK), dim=2)
        self.layers[layer] = key_BHTK, value_BHTK
        return key_BHTK, value_BHTK

    def keep(self, rows: list[int]) -> None:
        """Forget all texts of the batch but these rows."""
        self.layers = [None if past is None else (past[0][rows], past[1][rows]) for past in self.layers]


def attend(
    query_BHTK: Tensor,
    key_BHSK: Tensor,
    value_BHSK: Tensor,
    *,
    causal: bool,
    dropout: float = 0.0,
    weights: list[Tensor] | None = None,
) -> Tensor:
    """Mix values by the similarity of queries and keys: (batch, heads, time, head size).

    With `causal` a position sees itself and those before it; a single query sees all keys. `weights`, if given,
    receives the attention weights (batch, heads, time, keys), before dropout.
    """
    causal = causal and query_BHTK.shape[2] > 1
    if weights is None:
        return F.scaled_dot_product_attention(query_BHTK, key_BHSK, value_BHSK, dropout_p=dropout, is_causal=causal)
    scores_BHTS = query_BHTK @ key_BHSK.transpose(-2, -1) / math.sqrt(query_BHTK.shape[-1])
    if causal:
        future_TS = torch.ones(scores_BHTS.shape[-2:], dtype=torch.bool, device=scores_BHTS.device).triu(1)
        scores_BHTS = scores_BHTS.masked_fill(future_TS, -torch.inf)
    weights.append(scores_BHTS.softmax(-1))
    return F.dropout(weights[-1], dropout) @ value_BHSK
