"""The models against the formulas of their papers, written out in numpy; and what they must not see."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.special import erf

from minillm.model.build import build_model, count_parameters
from minillm.model.config import MiniGPTConfig, ModelConfig, QwenConfig, config_from
from minillm.model.language_model import LanguageModel
from minillm.model.minigpt import sinusoids
from minillm.model.qwen import RMSNorm, rotate, rotations

Array = npt.NDArray[np.float64]

VOCABULARY = 23
MINIGPT = MiniGPTConfig(layers=2, width=16, heads=2, feed_forward=24, context=12, dropout=0.0)
LEAKING = MiniGPTConfig(layers=2, width=16, heads=2, feed_forward=24, context=12, dropout=0.0, causal=False)
ORIGINAL = MiniGPTConfig(
    layers=2, width=16, heads=2, feed_forward=24, context=12, dropout=0.0, norm="after", activation="relu"
)
LEARNED = MiniGPTConfig(layers=2, width=16, heads=2, feed_forward=24, context=12, dropout=0.0, positions="learned")
QWEN = QwenConfig(architecture="qwen", layers=2, width=16, heads=2, feed_forward=24, context=12)


def shaken(config: ModelConfig, seed: int = 0) -> LanguageModel:
    """A model in evaluation mode whose every parameter matters: zeros, ones and small weights are replaced."""
    torch.manual_seed(seed)
    model = build_model(config, VOCABULARY).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.4)
    return model


def weights_of(model: LanguageModel) -> dict[str, Array]:
    return {name: value.double().numpy() for name, value in model.state_dict().items()}


def random_ids(rows: int, time: int, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, VOCABULARY, size=(rows, time)))


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def attend(query: Array, key: Array, value: Array, causal: bool) -> Array:
    """One head of one text, (time, size): position by position, over what it may see."""
    rows = []
    for position in range(len(query)):
        end = position + 1 if causal else len(query)
        scores = key[:end] @ query[position] / math.sqrt(query.shape[1])
        rows.append(softmax(scores) @ value[:end])
    return np.stack(rows)


def layer_norm(x: Array, weight: Array, bias: Array) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight + bias


def rms_norm(x: Array, weight: Array) -> Array:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * weight


def position_table(time: int, width: int) -> Array:
    table = np.zeros((time, width))
    for position in range(time):
        for column in range(width):
            angle = position / 10_000 ** (2 * (column // 2) / width)
            table[position, column] = math.cos(angle) if column % 2 else math.sin(angle)
    return table


def minigpt_by_hand(w: dict[str, Array], config: MiniGPTConfig, ids: Array) -> Array:
    """Logits (time, vocab) of one text."""
    size = config.width // config.heads
    learned = w.get("positions_TD", position_table(config.context, config.width))
    x = w["embedding.weight"][ids] * math.sqrt(config.width) + learned[: len(ids)]
    for i in range(config.layers):
        b = f"blocks.{i}."

        def norm(x: Array, name: str, b: str = b) -> Array:
            return layer_norm(x, w[f"{b}{name}.weight"], w[f"{b}{name}.bias"])

        h = norm(x, "attention_norm") if config.norm == "before" else x
        qkv = h @ w[b + "attention.query_key_value.weight"].T + w[b + "attention.query_key_value.bias"]
        query, key, value = np.split(qkv, 3, axis=1)
        heads = [slice(k * size, (k + 1) * size) for k in range(config.heads)]
        mixed = np.concatenate([attend(query[:, k], key[:, k], value[:, k], config.causal) for k in heads], axis=1)
        x = x + mixed @ w[b + "attention.output.weight"].T + w[b + "attention.output.bias"]
        if config.norm == "after":
            x = norm(x, "attention_norm")
        h = norm(x, "feed_forward_norm") if config.norm == "before" else x
        h = h @ w[b + "feed_forward.expand.weight"].T + w[b + "feed_forward.expand.bias"]
        h = h * (1 + erf(h / math.sqrt(2))) / 2 if config.activation == "gelu" else np.maximum(h, 0)
        x = x + h @ w[b + "feed_forward.contract.weight"].T + w[b + "feed_forward.contract.bias"]
        if config.norm == "after":
            x = norm(x, "feed_forward_norm")
    if config.norm == "before":
        x = layer_norm(x, w["norm.weight"], w["norm.bias"])
    return x @ w["head.weight"].T


def turn(x: Array, theta: float) -> Array:
    """Rotary positions with complex numbers: component i pairs with i + size/2. x is (time, size)."""
    half = x.shape[1] // 2
    paired = x[:, :half] + 1j * x[:, half:]
    angles = np.arange(len(x))[:, None] / theta ** (2 * np.arange(half) / x.shape[1])
    turned = paired * np.exp(1j * angles)
    return np.concatenate([turned.real, turned.imag], axis=1)


def qwen_by_hand(w: dict[str, Array], config: QwenConfig, ids: Array) -> Array:
    """Logits (time, vocab) of one text."""
    size = config.width // config.heads
    x = w["embedding.weight"][ids]
    for i in range(config.layers):
        b = f"blocks.{i}."
        h = rms_norm(x, w[b + "attention_norm.weight"])
        query, key, value = (h @ w[f"{b}attention.{name}.weight"].T for name in ("query", "key", "value"))
        mixed = []
        for k in range(config.heads):
            part = slice(k * size, (k + 1) * size)
            q = turn(rms_norm(query[:, part], w[b + "attention.query_norm.weight"]), config.rope_theta)
            s = turn(rms_norm(key[:, part], w[b + "attention.key_norm.weight"]), config.rope_theta)
            mixed.append(attend(q, s, value[:, part], causal=True))
        x = x + np.concatenate(mixed, axis=1) @ w[b + "attention.output.weight"].T
        h = rms_norm(x, w[b + "feed_forward_norm.weight"])
        gate = h @ w[b + "feed_forward.gate.weight"].T
        up = h @ w[b + "feed_forward.up.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ w[b + "feed_forward.down.weight"].T
    return rms_norm(x, w["norm.weight"]) @ w["embedding.weight"].T


@pytest.mark.parametrize(
    "config", [MINIGPT, LEAKING, ORIGINAL, LEARNED], ids=["causal", "no mask", "original", "learned"]
)
@torch.no_grad()
def test_minigpt_is_what_its_formulas_say(config: MiniGPTConfig) -> None:
    model = shaken(config)
    ids_BT = random_ids(3, 9)
    logits_BTV = model(ids_BT).double().numpy()
    for row, ids in zip(logits_BTV, ids_BT.numpy(), strict=True):
        np.testing.assert_allclose(row, minigpt_by_hand(weights_of(model), config, ids), atol=2e-4)


@torch.no_grad()
def test_qwen_is_what_its_formulas_say() -> None:
    model = shaken(QWEN)
    ids_BT = random_ids(3, 9)
    logits_BTV = model(ids_BT).double().numpy()
    for row, ids in zip(logits_BTV, ids_BT.numpy(), strict=True):
        np.testing.assert_allclose(row, qwen_by_hand(weights_of(model), QWEN, ids), atol=2e-4)


@pytest.mark.parametrize(("time", "width"), [(9, 8), (5, 7), (1, 1), (130, 16)])
def test_sinusoids_follow_the_formula(time: int, width: int) -> None:
    np.testing.assert_allclose(sinusoids(time, width).numpy(), position_table(time, width), atol=1e-6)


def test_rms_norm() -> None:
    x = np.random.default_rng(0).normal(size=(4, 5, 6), scale=3)
    norm = RMSNorm(6)
    with torch.no_grad():
        norm.weight.copy_(torch.arange(6.0) - 2)
    np.testing.assert_allclose(
        norm(torch.from_numpy(x).float()).detach().numpy(), rms_norm(x, np.arange(6.0) - 2), atol=1e-5
    )


def test_rms_norm_squares_in_float32() -> None:
    """300² is beyond float16's largest number, 65,504."""
    scaled = RMSNorm(4).to(torch.float16)(torch.full((1, 4), 300.0, dtype=torch.float16))
    assert scaled.dtype == torch.float16
    assert scaled.tolist() == [[1.0] * 4]


def test_rotary_scores_depend_on_the_distance_alone() -> None:
    random = np.random.default_rng(3)
    query, key = (torch.from_numpy(random.normal(size=8)).float() for _ in range(2))
    cosine_TK, sine_TK = rotations(20, 8, 100.0)
    turned = [rotate(x.expand(1, 1, 20, 8), cosine_TK, sine_TK)[0, 0].numpy() for x in (query, key)]
    scores = turned[0] @ turned[1].T
    for distance in range(-19, 20):
        along = np.diagonal(scores, offset=distance)
        np.testing.assert_allclose(along, along[0], atol=1e-5)
    assert np.ptp(scores) > 0.5, "the position makes no difference at all"
    np.testing.assert_allclose(turned[0][0], query.numpy())
    np.testing.assert_allclose(np.linalg.norm(turned[0], axis=1), np.linalg.norm(query.numpy()), rtol=1e-5)


@pytest.mark.parametrize(("V", "L", "D", "H", "F"), [(23, 2, 16, 2, 24), (100, 3, 12, 3, 20), (300, 1, 8, 1, 8)])
def test_parameter_counts(V: int, L: int, D: int, H: int, F: int) -> None:
    shape = {"layers": L, "width": D, "heads": H, "feed_forward": F, "context": 16}
    minigpt = build_model(MiniGPTConfig(**shape), V)  # type: ignore[arg-type]
    norms, attention, feed_forward = 4 * D, 4 * (D * D + D), 2 * D * F + F + D
    assert count_parameters(minigpt) == 2 * V * D + L * (norms + attention + feed_forward) + 2 * D
    qwen = build_model(QwenConfig(architecture="qwen", **shape), V)  # type: ignore[arg-type]
    norms = 2 * D + 2 * (D // H)
    assert count_parameters(qwen) == V * D + L * (norms + 4 * D * D + 3 * D * F) + D


def test_frozen_parameters_are_not_counted() -> None:
    model = build_model(MINIGPT, VOCABULARY)
    model.head.weight.requires_grad_(False)
    assert count_parameters(model) == sum(p.numel() for p in model.parameters()) - VOCABULARY * 16


@pytest.mark.parametrize("config", [MINIGPT, ORIGINAL, LEARNED, QWEN])
@torch.no_grad()
def test_the_past_does_not_see_the_future(config: ModelConfig) -> None:
    model = shaken(config)
    ids_BT, other_BT = random_ids(2, 12), random_ids(2, 12, seed=2)
    for prefix in range(1, 12):
        edited_BT = torch.cat((ids_BT[:, :prefix], other_BT[:, prefix:]), dim=1)
        assert torch.allclose(model(edited_BT)[:, :prefix], model(ids_BT)[:, :prefix], atol=1e-5)


@torch.no_grad()
def test_without_the_mask_the_past_sees_the_future() -> None:
    model = shaken(LEAKING)
    ids_BT = random_ids(1, 12)
    edited_BT = torch.cat((ids_BT[:, :-1], (ids_BT[:, -1:] + 1) % VOCABULARY), dim=1)
    assert (model(edited_BT)[:, :-1] - model(ids_BT)[:, :-1]).abs().max() > 0.1


@pytest.mark.parametrize("config", [MINIGPT, QWEN])
@torch.no_grad()
def test_the_last_position_alone_gives_the_same(config: ModelConfig) -> None:
    model = shaken(config)
    ids_BT = random_ids(2, 7)
    logits_BTV = model(ids_BT)
    assert logits_BTV.shape == (2, 7, VOCABULARY)
    assert torch.allclose(model(ids_BT, last_only=True), logits_BTV[:, -1:], atol=1e-5)


@pytest.mark.parametrize("config", [MINIGPT, LEAKING, ORIGINAL, QWEN])
@torch.no_grad()
def test_explicit_attention_equals_the_fused_kernel(config: ModelConfig) -> None:
    model = shaken(config)
    ids_BT = random_ids(3, 12)
    weights: list[torch.Tensor] = []
    torch.testing.assert_close(model(ids_BT, weights=weights), model(ids_BT), rtol=1e-5, atol=1e-5)
    assert len(weights) == config.layers
    for weights_BHTS in weights:
        assert weights_BHTS.shape == (3, config.heads, 12, 12)
        torch.testing.assert_close(weights_BHTS.sum(-1), torch.ones(3, config.heads, 12))
        assert (weights_BHTS.triu(1).abs().max() == 0) == config.causal


@pytest.mark.parametrize("config", [MINIGPT, ORIGINAL, QWEN])
@torch.no_grad()
def test_a_cache_gives_the_logits_of_the_whole_text(config: ModelConfig) -> None:
    """A prompt of five tokens at once, then one by one up to the full window."""
    model = shaken(config)
    ids_BT = random_ids(2, 12)
    cache = model.new_cache()
    assert cache is not None
    parts = [model(part, cache=cache) for part in (ids_BT[:, :5], *ids_BT[:, 5:].split(1, dim=1))]
    assert cache.length == 12
    torch.testing.assert_close(torch.cat(parts, dim=1), model(ids_BT), rtol=1e-5, atol=1e-5)


def test_without_the_mask_nothing_can_be_kept() -> None:
    assert shaken(LEAKING).new_cache() is None


@torch.no_grad()
def test_norm_after_is_the_encoder_of_torch() -> None:
    """With ReLU it is what `nn.TransformerEncoderLayer` computes, masked."""
    model: Any = shaken(ORIGINAL)
    layer = torch.nn.TransformerEncoderLayer(16, 2, 24, dropout=0.0, batch_first=True)
    encoder = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    names = {
        "attention.query_key_value": "self_attn.in_proj_",
        "attention.output": "self_attn.out_proj.",
        "attention_norm": "norm1.",
        "feed_forward.expand": "linear1.",
        "feed_forward.contract": "linear2.",
        "feed_forward_norm": "norm2.",
    }
    for own, theirs in zip(model.blocks, encoder.layers, strict=True):
        theirs.load_state_dict(
            {
                f"{names[name]}{kind}": own.get_submodule(name).get_parameter(kind)
                for name in names
                for kind in ("weight", "bias")
            }
        )
    ids_BT = random_ids(3, 9)
    x_BTD = model.embedding(ids_BT) * 4 + model.positions_TD[:9]
    mask = torch.nn.Transformer.generate_square_subsequent_mask(9)
    torch.testing.assert_close(model(ids_BT), encoder(x_BTD, mask=mask) @ model.head.weight.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("config", [MINIGPT, QWEN])
@torch.no_grad()
def test_texts_of_a_batch_do_not_touch(config: ModelConfig) -> None:
    model = shaken(config)
    ids_BT = random_ids(4, 7)
    alone = torch.cat([model(row[None]) for row in ids_BT])
    assert torch.allclose(model(ids_BT), alone, atol=1e-5)


@pytest.mark.parametrize("architecture", ["minigpt", "qwen"])
def test_dropout_acts_in_training_only(architecture: str) -> None:
    values: dict[str, Any] = {"architecture": architecture, "width": 16, "heads": 2, "feed_forward": 8, "dropout": 0.5}
    torch.manual_seed(0)
    model = build_model(config_from(values), VOCABULARY)
    ids_BT = random_ids(1, 8)
    assert not torch.equal(model(ids_BT), model(ids_BT))
    assert torch.equal(model.eval()(ids_BT), model(ids_BT))


@torch.no_grad()
def test_a_fresh_qwen_is_its_embedding() -> None:
    """Residual branches start at zero: only the norm lies between the tied embedding and the logits."""
    torch.manual_seed(0)
    model = build_model(QWEN, VOCABULARY).eval()
    ids_BT = random_ids(1, 8)
    table = model.embedding.weight.double().numpy()
    np.testing.assert_allclose(model(ids_BT)[0].numpy(), rms_norm(table[ids_BT[0]], np.ones(16)) @ table.T, atol=1e-5)


@pytest.mark.parametrize("config", [MINIGPT, LEARNED, QWEN])
def test_a_fresh_model_knows_nothing(config: ModelConfig) -> None:
    """Its loss is about ln V, and the seed alone decides its weights."""
    torch.manual_seed(5)
    first = build_model(config, VOCABULARY).eval()
    torch.manual_seed(5)
    second = build_model(config, VOCABULARY).eval()
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    ids_BT = random_ids(64, 12)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(first(ids_BT[:, :-1]).flatten(0, 1), ids_BT[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(VOCABULARY), abs=0.1)


def test_tied_embedding_gets_gradients_from_both_ends() -> None:
    model = shaken(QWEN).train()
    assert not any("head" in name for name in model.state_dict())
    model(torch.zeros(1, 1, dtype=torch.long))[0, 0, 5].backward()
    gradient = model.embedding.weight.grad
    assert gradient is not None
    assert gradient[0].abs().max() > 0  # as input
    assert gradient[5].abs().max() > 0  # as output
    assert gradient[6].abs().max() == 0


def test_config_from_refuses_what_it_does_not_know() -> None:
    assert config_from({"architecture": "qwen", "layers": 3}) == QwenConfig(architecture="qwen", layers=3)
    with pytest.raises(ValueError, match="unknown architecture 'gpt5': one of minigpt, qwen"):
        config_from({"architecture": "gpt5"})
    with pytest.raises(ValueError, match="unknown architecture None"):
        config_from({})
    with pytest.raises(ValueError, match="depth"):
        config_from({"architecture": "minigpt", "depth": 2})
