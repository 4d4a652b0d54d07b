"""The improved model: a decoder in the shape of Qwen3 (arXiv:2505.09388).

Rotary positions (Su et al. 2021, arXiv:2104.09864; half-split as in Hugging Face), RMSNorm (Zhang & Sennrich 2019,
arXiv:1910.07467) before each sublayer and on queries and keys, SwiGLU (Shazeer 2020, arXiv:2002.05202), no biases, and
an output layer tied to the embedding (Press & Wolf 2017, E17-2025). Projections are separate and operations keep the
order of `Qwen3ForCausalLM`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minillm.model.attention import Cache, attend
from minillm.model.config import QwenConfig
from minillm.model.language_model import LanguageModel, Way

EPSILON = 1e-6


class Qwen(LanguageModel):
    """Token ids (batch, time) to logits (batch, time, vocab)."""

    cosine_TK: Tensor
    sine_TK: Tensor

    def __init__(self, config: QwenConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.config, self.context = config, config.context
        self.embedding = nn.Embedding(vocabulary_size, config.width)
        self.dropout = nn.Dropout(config.dropout)
        blocks = [Block(config) for _ in range(config.layers)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = RMSNorm(config.width)
        cosine_TK, sine_TK = rotations(config.context, config.width // config.heads, config.rope_theta)
        self.register_buffer("cosine_TK", cosine_TK, persistent=False)
        self.register_buffer("sine_TK", sine_TK, persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
        for block in blocks:  # residual branches start at zero: each block begins as the identity
            nn.init.zeros_(block.attention.output.weight)
            nn.init.zeros_(block.feed_forward.down.weight)

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
        here = slice(start, start + ids_BT.shape[1])
        rotation = self.cosine_TK[here], self.sine_TK[here]
        x_BTD = self.dropout(self.embedding(ids_BT))
        for layer, block in enumerate(self.blocks):
            x_BTD = block(x_BTD, rotation, layer, cache, weights)
        if last_only:
            x_BTD = x_BTD[:, -1:]
        return F.linear(self.norm(x_BTD), self.embedding.weight)

    def token_embedding(self) -> nn.Embedding:
        """See `LanguageModel`."""
        return self.embedding

    def output_layer(self) -> None:
        """See `LanguageModel`: the embedding is the output layer too."""

    def ways(self) -> list[Way]:
        """See `LanguageModel`."""
        return [
            Way("fused attention", self),
            Way("explicit attention weights", lambda ids_BT: self(ids_BT, weights=[]), exact=True),
        ]

    def new_cache(self) -> Cache:
        """See `LanguageModel`."""
        return Cache(self.config.layers)


class Block(nn.Module):
    """Self-attention and SwiGLU, each behind an RMSNorm and added to the residual stream."""

    def __init__(self, config: QwenConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width)
        self.attention = Attention(config)
        self.feed_forward_norm = RMSNorm(config.width)
        self.feed_forward = SwiGLU(config.width, config.feed_forward)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x_BTD: Tensor,
        rotation: tuple[Tensor, Tensor],
        layer: int,
        cache: Cache | None,
        weights: list[Tensor] | None,
    ) -> Tensor:
        x_BTD = x_BTD + self.dropout(self.attention(self.attention_norm(x_BTD), rotation, layer, cache, weights))
        return x_BTD + self.dropout(self.feed_forward(self.feed_forward_norm(x_BTD)))


class Attention(nn.Module):
    """Causal multi-head self-attention on rotated, normalised queries and keys."""

    def __init__(self, config: QwenConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query, self.key, self.value, self.output = (
            nn.Linear(config.width, config.width, bias=False) for _ in range(4)
        )
        self.query_norm = RMSNorm(config.width // config.heads)
        self.key_norm = RMSNorm(config.width // config.heads)

    def forward(
        self,
        x_BTD: Tensor,
        rotation: tuple[Tensor, Tensor],
        layer: int,
        cache: Cache | None,
        weights: list[Tensor] | None,
    ) -> Tensor:
        batch, time, width = x_BTD.shape
        shape = batch, time, self.heads, width // self.heads
        query_BHTK = rotate(self.query_norm(self.query(x_BTD).view(shape)).transpose(1, 2), *rotation)
        key_BHSK = rotate(self.key_norm(self.key(x_BTD).view(shape)).transpose(1, 2), *rotation)
        value_BHSK = self.value(x_BTD).view(shape).transpose(1, 2)
        if cache is not None:
            key_BHSK, value_BHSK = cache.extend(layer, key_BHSK, value_BHSK)
        mixed_BHTK = attend(query_BHTK, key_BHSK, value_BHSK, causal=True, weights=weights)
        return self.output(mixed_BHTK.transpose(1, 2).reshape(batch, time, width))


class SwiGLU(nn.Module):
    """A gated feed-forward sublayer: down(silu(gate(x)) * up(x))."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, inner, bias=False)
        self.up = nn.Linear(width, inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x_BTD)) * self.up(x_BTD))


class RMSNorm(nn.Module):
    """Division by the root mean square, computed in float32, and a learned scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        exact = x.float()
        exact = exact * torch.rsqrt(exact.pow(2).mean(-1, keepdim=True) + EPSILON)
        return self.weight * exact.to(x.dtype)


def rotations(time: int, size: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines (time, size) of the rotary positions; both halves of a head turn by the same angles."""
    frequency_K = 1.0 / theta ** (torch.arange(0, size, 2, dtype=torch.float32) / size)
    angle_TK = torch.arange(time, dtype=torch.float32)[:, None] * frequency_K
    angle_TK = torch.cat((angle_TK, angle_TK), dim=-1)
    return angle_TK.cos(), angle_TK.sin()


def rotate(x_BHTK: Tensor, cosine_TK: Tensor, sine_TK: Tensor) -> Tensor:
    """Turn each pair (x[i], x[i + size/2]) by its position's angle."""
    first, second = x_BHTK.chunk(2, dim=-1)
    return x_BHTK * cosine_TK + torch.cat((-second, first), dim=-1) * sine_TK
