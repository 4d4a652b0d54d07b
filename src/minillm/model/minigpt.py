"""MiniGPT, the baseline: a decoder in the manner of GPT.

Embeddings are scaled by the square root of the width and added to the positions: the fixed sinusoidal table of Vaswani
et al. (2017, arXiv:1706.03762) or a learned one. Blocks add self-attention and a feed-forward layer with exact GELU
(Hendrycks & Gimpel 2016, arXiv:1606.08415) or ReLU residually; LayerNorm stands before each sublayer, with one more
after the last block, or after each sum as in the first Transformer. The output layer has weights of its own and no
bias. With `causal=False` the mask is left out.
"""

import math

import torch
from torch import Tensor, nn

from minillm.model.attention import Cache, attend
from minillm.model.config import MiniGPTConfig
from minillm.model.language_model import LanguageModel, Way


class MiniGPT(LanguageModel):
    """Token ids (batch, time) to logits (batch, time, vocab)."""

    positions_TD: Tensor

    def __init__(self, config: MiniGPTConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.config, self.context = config, config.context
        self.embedding = nn.Embedding(vocabulary_size, config.width)
        if config.positions == "learned":  # as large as the scaled embeddings
            self.positions_TD = nn.Parameter(torch.randn(config.context, config.width))
        else:
            self.register_buffer("positions_TD", sinusoids(config.context, config.width), persistent=False)
        self.dropout = nn.Dropout(config.dropout)
        blocks = [Block(config) for _ in range(config.layers)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(config.width) if config.norm == "before" else nn.Identity()
        self.head = nn.Linear(config.width, vocabulary_size, bias=False)
        self.apply(_initialise)
        for block in blocks:  # residual branches start small, as in GPT-2: their sum keeps its scale
            for layer in (block.attention.output, block.feed_forward.contract):
                nn.init.normal_(layer.weight, std=0.02 / math.sqrt(2 * config.layers))

    def forward(
        self,
        ids_BT: Tensor,
        *,
        last_only: bool = False,
        cache: Cache | None = None,
        weights: list[Tensor] | None = None,
    ) -> Tensor:
        """As `LanguageModel`; `weights`, if given, receives each layer's attention weights (batch, heads, T, T)."""
        start = cache.length if cache else 0
        positions_TD = self.positions_TD[start : start + ids_BT.shape[1]]
        x_BTD = self.dropout(self.embedding(ids_BT) * math.sqrt(self.config.width) + positions_TD)
        for layer, block in enumerate(self.blocks):
            x_BTD = block(x_BTD, layer, cache, weights)
        if last_only:
            x_BTD = x_BTD[:, -1:]
        return self.head(self.norm(x_BTD))

    def token_embedding(self) -> nn.Embedding:
        """See `LanguageModel`."""
        return self.embedding

    def output_layer(self) -> nn.Linear:
        """See `LanguageModel`."""
        return self.head

    def ways(self) -> list[Way]:
        """See `LanguageModel`."""
        return [
            Way("fused attention", self),
            Way("explicit attention weights", lambda ids_BT: self(ids_BT, weights=[]), exact=True),
        ]

    def new_cache(self) -> Cache | None:
        """See `LanguageModel`: without the mask, what was read changes with each new token."""
        return Cache(self.config.layers) if self.config.causal else None


class Block(nn.Module):
    """Self-attention and feed-forward, each added to the residual stream and normalised before or after."""

    def __init__(self, config: MiniGPTConfig) -> None:
        super().__init__()
        self.norm_first = config.norm == "before"
        self.attention_norm = nn.LayerNorm(config.width)
        self.attention = Attention(config)
        self.feed_forward_norm = nn.LayerNorm(config.width)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_BTD: Tensor, layer: int, cache: Cache | None, weights: list[Tensor] | None) -> Tensor:
        if self.norm_first:
            x_BTD = x_BTD + self.dropout(self.attention(self.attention_norm(x_BTD), layer, cache, weights))
            return x_BTD + self.dropout(self.feed_forward(self.feed_forward_norm(x_BTD)))
        x_BTD = self.attention_norm(x_BTD + self.dropout(self.attention(x_BTD, layer, cache, weights)))
        return self.feed_forward_norm(x_BTD + self.dropout(self.feed_forward(x_BTD)))


class FeedForward(nn.Module):
    """Two linear maps with an exact GELU or a ReLU between them."""

    def __init__(self, config: MiniGPTConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.width, config.feed_forward)
        self.activation = nn.GELU() if config.activation == "gelu" else nn.ReLU()
        self.contract = nn.Linear(config.feed_forward, config.width)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.contract(self.activation(self.expand(x_BTD)))


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, config: MiniGPTConfig) -> None:
        super().__init__()
        self.heads, self.causal, self.dropout = config.heads, config.causal, config.dropout
        self.query_key_value = nn.Linear(config.width, 3 * config.width)
        self.output = nn.Linear(config.width, config.width)

    def forward(self, x_BTD: Tensor, layer: int, cache: Cache | None, weights: list[Tensor] | None) -> Tensor:
        batch, time, width = x_BTD.shape
        qkv = self.query_key_value(x_BTD).view(batch, time, 3, self.heads, width // self.heads)
        query_BHTK, key_BHSK, value_BHSK = qkv.permute(2, 0, 3, 1, 4)
        if cache is not None:
            key_BHSK, value_BHSK = cache.extend(layer, key_BHSK, value_BHSK)
        dropout = self.dropout if self.training else 0.0
        mixed_BHTK = attend(query_BHTK, key_BHSK, value_BHSK, causal=self.causal, dropout=dropout, weights=weights)
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
