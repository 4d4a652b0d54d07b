"""The audit against models that see the future: one that was trained to, and wrappers that look just a little."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from minillm.evaluation import causality
from minillm.evaluation.causality import (
    audit_causality,
    change_by_the_batch,
    disagreement_of_the_ways,
    examine,
    loss_on_random_tokens,
    parallel_and_incremental_loss,
)
from minillm.evaluation.record import read_records
from minillm.files import read_json
from minillm.model.attention import attend
from minillm.model.build import build_model
from minillm.model.config import MiniGPTConfig, QwenConfig
from minillm.model.language_model import LanguageModel, Way
from minillm.training.saved import save_model
from minillm.vocabulary.tokenizer import BOS, PAD, SPECIALS, Specials

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


def largest_change_of_the_past(model: LanguageModel, vocabulary_size: int) -> float:
    """In all ways of computing."""
    return max(causality.largest_change_of_the_past(model, way, vocabulary_size) for way in model.ways())


def gradient_to_the_future(model: LanguageModel, vocabulary_size: int) -> float:
    """In all ways of computing."""
    return max(causality.gradient_to_the_future(model, way, vocabulary_size) for way in model.ways())


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


class Peeking(LanguageModel):
    """A causal model but for one position, whose logits depend on one other token."""

    def __init__(self, position: int, seen: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = build_model(MiniGPTConfig(**SHAPE), VOCABULARY).eval()
        self.context, self.position, self.seen = CONTEXT, position, seen

    def token_embedding(self) -> torch.nn.Embedding:
        return self.inner.token_embedding()

    def output_layer(self) -> None:
        pass

    def forward(self, ids_BT: torch.Tensor, last_only: bool = False, **_: Any) -> torch.Tensor:
        tokens_BTD = self.token_embedding()(ids_BT)
        logits_BTV = self.inner(ids_BT).clone()
        if max(self.position, self.seen) < ids_BT.shape[1]:
            logits_BTV[:, self.position] += tokens_BTD[:, self.seen, :VOCABULARY]
        return logits_BTV[:, -1:] if last_only else logits_BTV


@pytest.mark.parametrize(("position", "seen"), [(0, 1), (0, CONTEXT - 1), (CONTEXT - 2, CONTEXT - 1), (5, 6), (6, 11)])
def test_one_look_ahead_is_found(position: int, seen: int) -> None:
    """From any position to any later one: edits find it, incremental scoring too."""
    model = Peeking(position, seen)
    assert largest_change_of_the_past(model, VOCABULARY) > 1e-3
    parallel, incremental = parallel_and_incremental_loss(model, windows(4, seed=5))
    assert abs(parallel - incremental) > 1e-4


def test_a_look_back_is_none() -> None:
    model = Peeking(9, 2)
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
    assert gradient_to_the_future(Peeking(middle, middle + 1), VOCABULARY) > 0


class Odd(Peeking):
    """Causal as it is called, but for what a condition on the ids and the way lets through."""

    def __init__(self, condition: Callable[[str, torch.Tensor], bool]) -> None:
        super().__init__(0, 0)
        self.condition = condition

    def ways(self) -> list[Way]:
        return [Way(name, partial(self.compute, name)) for name in ("one", "other")]

    def compute(self, way: str, ids_BT: torch.Tensor) -> torch.Tensor:
        logits_BTV = self.inner(ids_BT)
        if self.condition(way, ids_BT):
            logits_BTV = logits_BTV + self.token_embedding()(ids_BT).mean(1, keepdim=True)[..., :VOCABULARY]
        return logits_BTV

    def forward(self, ids_BT: torch.Tensor, last_only: bool = False, **_: Any) -> torch.Tensor:
        logits_BTV = self.compute("one", ids_BT)
        return logits_BTV[:, -1:] if last_only else logits_BTV


@pytest.mark.parametrize(
    ("condition", "ways", "failed"),
    [
        (lambda way, ids_BT: False, [], []),
        (lambda way, ids_BT: way == "other", ["other"], ["edits", "gradient"]),
        (lambda way, ids_BT: ids_BT.shape[1] == 2, ["one", "other"], ["edits", "gradient"]),
        (lambda way, ids_BT: ids_BT.shape[1] > 8, ["one", "other"], ["edits", "gradient"]),
        (lambda way, ids_BT: bool((ids_BT == PAD).any()), ["one", "other"], ["edits"]),
    ],
    ids=["causal", "one way", "two tokens", "beyond eight", "padding"],
)
def test_a_leak_under_one_condition(condition: Any, ways: list[str], failed: list[str]) -> None:
    """In one way of computing, in the shortest texts, in long ones, or once there is padding."""
    found = examine(Odd(condition), VOCABULARY, windows(2, seed=5))
    assert found.leaking_ways == ways
    assert [test for test in ("edits", "gradient", "batch", "random_tokens") if not found.passed[test]] == failed
    assert found.passed["incremental"] or "one" in ways
    assert found.leaks == bool(failed)
    assert found.ways_agree == (ways != ["other"])


@pytest.mark.parametrize("config", [MiniGPTConfig(**SHAPE), QwenConfig(architecture="qwen", **SHAPE)])
@pytest.mark.parametrize("kernel", ["fused", "explicit"])
def test_without_its_mask_our_own_attention_leaks(config: Any, kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken from one of the two kernels, as a mistake in `attend` would."""
    model = build_model(config, VOCABULARY).eval()
    for parameter in model.parameters():  # Qwen begins as the identity, which looks at nothing
        torch.nn.init.normal_(parameter, std=0.3)

    def unmasked(*args: Any, causal: bool, weights: list[torch.Tensor] | None = None, **more: Any) -> torch.Tensor:
        causal = causal and (kernel == "fused") != (weights is None)
        return attend(*args, causal=causal, weights=weights, **more)

    assert examine(model, VOCABULARY, windows(2, seed=5)).leaking_ways == []
    monkeypatch.setattr(type(model).__module__ + ".attend", unmasked)
    found = examine(model, VOCABULARY, windows(2, seed=5))
    assert len(found.leaking_ways) == 1
    assert found.leaking_ways[0].startswith(kernel)
    assert not found.passed["edits"]
    assert not found.passed["gradient"]
    assert found.passed["incremental"] or kernel == "fused"
    assert not found.ways_agree


def test_bits_count_where_nothing_may_be_rounded() -> None:
    """A change of one unit in the last place passes as rounding in a fast kernel, and is a leak in an exact way."""
    model = Odd(lambda way, ids_BT: False)

    def nearly(ids_BT: torch.Tensor) -> torch.Tensor:
        return model(ids_BT) * (1 + torch.finfo().eps * (ids_BT[:, -1] % 2))

    for exact in (True, False):
        model.ways = lambda exact=exact: [Way("nearly", nearly, exact)]  # type: ignore[misc, method-assign]
        found = examine(model, VOCABULARY, windows(2, seed=5))
        assert 0 < found.edits["nearly"] < 1e-6
        assert found.passed["edits"] != exact


def test_texts_that_see_each_other() -> None:
    class Mixed(Peeking):
        def forward(self, ids_BT: torch.Tensor, last_only: bool = False, **_: Any) -> torch.Tensor:
            logits_BTV = self.inner(ids_BT)
            logits_BTV = logits_BTV + logits_BTV.roll(1, dims=0)
            return logits_BTV[:, -1:] if last_only else logits_BTV

    assert change_by_the_batch(Mixed(0, 0), VOCABULARY) > 0.1
    assert change_by_the_batch(Peeking(0, 0), VOCABULARY) < 1e-5
    found = examine(Mixed(0, 0), VOCABULARY, windows(1, seed=5))
    assert [test for test, passed in found.passed.items() if not passed] == ["batch"]


def test_ways_that_do_not_agree() -> None:
    """Not with the first one, where both are to give the same logits; what stands at padding is not compared."""
    model = Peeking(0, 0)

    def ways(offset: float, comparable: bool = True) -> Any:
        other = Way("other", lambda ids_BT: model(ids_BT)[:, :-1] + offset, shift=1, comparable=comparable)
        return lambda: [Way("usual", model), other]

    for offset, comparable, expected in ((0.5, True, 0.5), (0.0, True, 0.0), (0.5, False, 0.0)):
        model.ways = ways(offset, comparable)  # type: ignore[method-assign]
        assert disagreement_of_the_ways(model, VOCABULARY) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (torch.log, "no numbers"),
        (F.dropout, "other logits for the same ids"),
    ],
)
def test_what_cannot_be_audited(change: Any, message: str) -> None:
    class Wrong(Peeking):
        def forward(self, ids_BT: torch.Tensor, **_: Any) -> torch.Tensor:
            return change(self.inner(ids_BT))

    with pytest.raises(ValueError, match=message):
        examine(Wrong(0, 0), VOCABULARY, windows(1, seed=5))


def test_infinite_logits_are_no_leak() -> None:
    """A model may rule tokens out."""

    class Strict(Peeking):
        def forward(self, ids_BT: torch.Tensor, last_only: bool = False, **_: Any) -> torch.Tensor:
            logits_BTV = self.inner(ids_BT).index_fill(2, torch.tensor([PAD]), -math.inf)
            return logits_BTV[:, -1:] if last_only else logits_BTV

    assert not examine(Strict(0, 0), VOCABULARY, windows(1, seed=5)).leaks


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
    said = read_json(verdict)
    ways = said.pop("ways")
    assert said == {
        "leaks": not mask,
        "model": "tiny",
        "passed": {**dict.fromkeys(["edits", "gradient", "incremental", "random_tokens"], mask), "batch": True},
        "seed": "1",
        "leaking_ways": [] if mask else ["fused attention", "explicit attention weights"],
        "ways_agree": True,
    }
    found = {one.metric: one for one in read_records(records)}
    assert found["leaks"].value == (0 if mask else 1)
    for metric in ("past_logit_change", "future_gradient"):
        assert found[metric].value == max(way[metric] for way in ways.values())
        assert (found[metric].value == 0) == mask
    assert found["batch_logit_change"].value < 1e-4
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
