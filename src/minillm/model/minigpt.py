"""MiniGPT, the baseline: a decoder in the manner of GPT with fixed sinusoidal positions.

Embeddings are scaled by the square root of the width and added to the sinusoidal table of Vaswani et al. (2017,
arXiv:1706.03762); blocks normalise before each sublayer, use exact GELU (Hendrycks & Gimpel 2016, arXiv:1606.08415) and
add residually; the output layer has weights of its own and no bias. With `causal=False` the mask is left out.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minillm.model.config import MiniGPTConfig


class MiniGPT(nn.Module):
    """Token ids (batch, time) to logits (batch, time, vocab)."""

    positions_TD: Tensor

    def __init__(self, config: MiniGPTConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(vocabulary_size, config.width)
        self.register_buffer("positions_TD", sinusoids(config.context, config.width), persistent=False)
        self.dropout = nn.Dropout(config.dropout)
        blocks = [Block(config) for _ in range(config.layers)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, vocabulary_size, bias=False)
        self.apply(_initialise)
        for block in blocks:  # residual branches start small, as in GPT-2: their sum keeps its scale
            for layer in (block.attention.output, block.feed_forward.contract):
                nn.init.normal_(layer.weight, std=0.02 / math.sqrt(2 * config.layers))

    def forward(self, ids_BT: Tensor, last_only: bool = False) -> Tensor:
        """Logits of every position, or of the last one alone (batch, 1, vocab). Time is at most `context`."""
        return self.from_embeddings(self.embedding(ids_BT), last_only)

    def from_embeddings(self, tokens_BTD: Tensor, last_only: bool = False) -> Tensor:
        """The same from token embeddings: what the causality audit differentiates by."""
        time = tokens_BTD.shape[1]
        x_BTD = self.dropout(tokens_BTD * math.sqrt(self.config.width) + self.positions_TD[:time])
        for block in self.blocks:
            x_BTD = block(x_BTD)
        if last_only:
            x_BTD = x_BTD[:, -1:]
        return self.head(self.norm(x_BTD))


class Block(nn.Module):
    """Self-attention and feed-forward, each behind a LayerNorm and added to the residual stream."""

    def __init__(self, config: MiniGPTConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width)
        self.attention = Attention(config)
        self.feed_forward_norm = nn.LayerNorm(config.width)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_BTD: Tensor) -> Tensor:
        x_BTD = x_BTD + self.dropout(self.attention(self.attention_norm(x_BTD)))
        return x_BTD + self.dropout(self.feed_forward(self.feed_forward_norm(x_BTD)))


class FeedForward(nn.Module):
    """Two linear maps with an exact GELU between them."""

    def __init__(self, config: MiniGPTConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.width, config.feed_forward)
        self.contract = nn.Linear(config.feed_forward, config.width)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.contract(F.gelu(self.expand(x_BTD)))


class Attention(nn.Module):
    """Multi-head scaled dot-product self-attention."""

    def __init__(self, config: MiniGPTConfig) -> None:
        super().__init__()
        self.heads, self.causal, self.dropout = config.heads, config.causal, config.dropout
        self.query_key_value = nn.Linear(config.width, 3 * config.width)
        self.output = nn.Linear(config.width, config.width)

    def forward(self, x_BTD: Tensor) -> Tensor:
        batch, time, width = x_BTD.shape
        qkv = self.query_key_value(x_BTD).view(batch, time, 3, self.heads, width // self.heads)
        query_BHTK, key_BHTK, value_BHTK = qkv.permute(2, 0, 3, 1, 4)
        mixed_BHTK = F.scaled_dot_product_attention(
            query_BHTK,
            key_BHTK,
            value_BHTK,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=self.causal,
        )
        return self.output(mixed_BHTK.transpose(1, 2).reshape(batch, time, width))


def sinusoids(time: int, width: int) -> Tensor:
    """Positional encodings (time, width): sines in the even columns, cosines in the odd ones."""
    position_T1 = torch.arange(time, dtype=torch.float64)[:, None]
    frequency_K = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(10_000.0) / width))
    table_TD = torch.zeros(time, width, dtype=torch.float64)
    table_TD[:, 0::2] = torch.sin(position_T1 * frequency_K)
    table_TD[:, 1::2] = torch.cos(position_T1 * frequency_K)[:, : width // 2]
    return table_TD.float()


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=1 / math.sqrt(module.embedding_dim))
