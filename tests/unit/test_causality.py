"""The audit against models that see the future: one that was trained to, and wrappers that look just a little."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from minillm.evaluation import causality
from minillm.evaluation.causality import (
    audit_causality,
    gradient_to_the_future,
    largest_change_of_the_past,
    loss_on_random_tokens,
    parallel_and_incremental_loss,
)
from minillm.evaluation.record import read_records
from minillm.files import read_json
from minillm.model.build import build_model
from minillm.model.config import MiniGPTConfig, QwenConfig
from minillm.model.language_model import LanguageModel
from minillm.training.saved import save_model
from minillm.vocabulary.tokenizer import BOS, SPECIALS, Specials

VOCABULARY, CONTEXT = 24, 12
SHAPE: dict[str, Any] = {"layers": 1, "width": 32, "heads": 2, "feed_forward": 32, "context": CONTEXT, "dropout": 0.0}
FLOOR = math.log(VOCABULARY - len(SPECIALS))


def windows(rows: int, seed: int) -> torch.Tensor:
    """[BOS] and random tokens, (rows, context + 1): nothing can be predicted without looking."""
    ids = np.random.default_rng(seed).integers(len(SPECIALS), VOCABULARY, size=(rows, CONTEXT + 1))
    ids[:, 0] = BOS
    return torch.from_numpy(ids)


def trained(config: MiniGPTConfig | QwenConfig) -> LanguageModel:
    """A model trained on random tokens: the only way to do well is to see the target in the input."""
    torch.manual_seed(0)
    model = build_model(config, VOCABULARY)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(350):
        batch = windows(32, seed=step)
        loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


@pytest.fixture(scope="module")
def leaking() -> LanguageModel:
    return trained(MiniGPTConfig(**SHAPE, causal=False))


@pytest.fixture(scope="module", params=["minigpt", "qwen"])
def causal(request: pytest.FixtureRequest) -> LanguageModel:
    return trained(MiniGPTConfig(**SHAPE) if request.param == "minigpt" else QwenConfig(architecture="qwen", **SHAPE))


def test_without_the_mask_every_test_fails(leaking: LanguageModel) -> None:
    assert largest_change_of_the_past(leaking, VOCABULARY) > 1
    assert gradient_to_the_future(leaking, VOCABULARY) > 1e-3
    parallel, incremental = parallel_and_incremental_loss(leaking, windows(4, seed=999))
    assert parallel < FLOOR - 0.5
    assert incremental > parallel + 0.5
    assert loss_on_random_tokens(leaking, VOCABULARY) < FLOOR - 0.5


def test_with_the_mask_none_does(causal: LanguageModel) -> None:
    """Trained in the same way, on the same tokens."""
    assert largest_change_of_the_past(causal, VOCABULARY) <= causality.EDIT_TOLERANCE
    assert gradient_to_the_future(causal, VOCABULARY) == 0
    parallel, incremental = parallel_and_incremental_loss(causal, windows(4, seed=999))
    assert incremental == pytest.approx(parallel, abs=1e-5)
    assert loss_on_random_tokens(causal, VOCABULARY) >= FLOOR - causality.RANDOM_TOLERANCE


@pytest.mark.parametrize("mask", [True, False])
def test_the_mask_alone_makes_the_difference(leaking: LanguageModel, mask: bool) -> None:
    """The same weights, with and without it."""
    assert isinstance(leaking.config, MiniGPTConfig)
    model = build_model(MiniGPTConfig(**SHAPE, causal=mask), VOCABULARY).eval()
    model.load_state_dict(leaking.state_dict())
    assert (largest_change_of_the_past(model, VOCABULARY) <= 1e-5) == mask
    assert (gradient_to_the_future(model, VOCABULARY) == 0) == mask


class Peeking(torch.nn.Module):
    """A causal model but for one position, whose logits depend on one other token."""

    def __init__(self, position: int, seen: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = build_model(MiniGPTConfig(**SHAPE), VOCABULARY).eval()
        self.context, self.position, self.seen = CONTEXT, position, seen
        self.specials = Specials()

    def token_embedding(self) -> torch.nn.Embedding:
        return self.inner.token_embedding()

    def forward(self, ids_BT: torch.Tensor, last_only: bool = False) -> torch.Tensor:
        tokens_BTD = self.token_embedding()(ids_BT)
        logits_BTV = self.inner(ids_BT).clone()
        if max(self.position, self.seen) < ids_BT.shape[1]:
            logits_BTV[:, self.position] += tokens_BTD[:, self.seen, :VOCABULARY]
        return logits_BTV[:, -1:] if last_only else logits_BTV


@pytest.mark.parametrize(("position", "seen"), [(0, 1), (0, CONTEXT - 1), (CONTEXT - 2, CONTEXT - 1), (5, 6), (6, 11)])
def test_one_look_ahead_is_found(position: int, seen: int) -> None:
    """From any position to any later one: edits find it, incremental scoring too."""
    model: Any = Peeking(position, seen)
    assert largest_change_of_the_past(model, VOCABULARY) > 1e-3
    parallel, incremental = parallel_and_incremental_loss(model, windows(4, seed=5))
    assert abs(parallel - incremental) > 1e-4


def test_a_look_back_is_none() -> None:
    model: Any = Peeking(9, 2)
    assert largest_change_of_the_past(model, VOCABULARY) <= causality.EDIT_TOLERANCE
    assert gradient_to_the_future(model, VOCABULARY) == 0


@pytest.mark.parametrize("context", [2, 3, 4])
@pytest.mark.parametrize("mask", [True, False])
def test_the_smallest_windows(context: int, mask: bool) -> None:
    """The settings allow windows of two tokens."""
    torch.manual_seed(0)
    model = build_model(MiniGPTConfig(**{**SHAPE, "context": context}, causal=mask), VOCABULARY).eval()
    assert (largest_change_of_the_past(model, VOCABULARY) <= causality.EDIT_TOLERANCE) == mask
    assert (gradient_to_the_future(model, VOCABULARY) == 0) == mask
    assert math.isfinite(loss_on_random_tokens(model, VOCABULARY))


def test_the_gradient_is_taken_at_the_middle() -> None:
    middle = (CONTEXT - 1) // 2
    assert gradient_to_the_future(Peeking(middle, middle + 1), VOCABULARY) > 0  # type: ignore[arg-type]


class Sure(torch.nn.Module):
    """Logits from a table, without any look at the future."""

    def __init__(self, table_VV: torch.Tensor) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(table_VV)
        self.context, self.specials = CONTEXT, Specials()

    def forward(self, ids_BT: torch.Tensor, last_only: bool = False) -> torch.Tensor:
        return self.table[ids_BT[:, -1:] if last_only else ids_BT]


def test_the_losses_by_closed_form() -> None:
    uniform: Any = Sure(torch.zeros(VOCABULARY, VOCABULARY))
    assert loss_on_random_tokens(uniform, VOCABULARY) == pytest.approx(math.log(VOCABULARY))
    table = torch.randn(VOCABULARY, VOCABULARY, generator=torch.manual_seed(1))
    batch = windows(3, seed=2)
    costs = -table.double().log_softmax(-1)[batch[:, :-1].flatten(), batch[:, 1:].flatten()]
    assert parallel_and_incremental_loss(Sure(table), batch) == pytest.approx([costs.mean().item()] * 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("mask", [True, False])
def test_the_stage(toy_corpus: Path, tmp_path: Path, leaking: LanguageModel, mask: bool) -> None:
    """On saved models, with the toy corpus: the verdict names each test, the records hold what it rests on."""
    config = MiniGPTConfig(**SHAPE, causal=mask)
    weights, description = tmp_path / "model.safetensors", tmp_path / "config.json"
    model = trained(config) if mask else leaking
    save_model(weights, description, config, VOCABULARY, model.state_dict())
    records, verdict = tmp_path / "causality.json", tmp_path / "verdict.json"
    audit_causality(
        weights,
        description,
        toy_corpus / "words.json",
        toy_corpus / "articles.parquet",
        "toy",
        "tiny",
        "1",
        threads=1,
        device="cpu",
        records=records,
        verdict=verdict,
    )
    passed = dict.fromkeys(["edits", "gradient", "incremental", "random_tokens"], mask)
    assert read_json(verdict) == {"leaks": not mask, "model": "tiny", "passed": passed, "seed": "1"}
    found = {one.metric: one for one in read_records(records)}
    assert found["leaks"].value == (0 if mask else 1)
    assert found["random_token_floor"].value == pytest.approx(FLOOR)
    assert found["parallel_perplexity"].value == pytest.approx(math.exp(found["parallel_loss"].value))
    assert found["incremental_perplexity"].value == pytest.approx(math.exp(found["incremental_loss"].value))
    assert found["parallel_loss"].n == 3 * CONTEXT  # all three test articles fill a window
    assert (found["incremental_loss"].value - found["parallel_loss"].value > 0.5) == (not mask)


def test_short_texts_are_joined(toy_corpus: Path) -> None:
    joined = causality._windows([[5, 6], [7]], 8, BOS)
    assert joined.tolist() == [[BOS, 5, 6, 7, 5, 6, 7, 5, 6]]
    long = causality._windows([[4] * 3, list(range(4, 14)), [5] * 8], 8, BOS)
    assert long.tolist() == [[BOS, *range(4, 12)], [BOS, *[5] * 8]]
    assert len(causality._windows([[5] * 8] * 20, 8, BOS)) == causality.TEXT_WINDOWS
