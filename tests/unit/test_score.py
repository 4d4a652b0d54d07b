"""Windows against the layouts of lm-evaluation-harness; likelihoods against models whose every answer is known."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.evaluation import score
from minillm.evaluation.score import rolling_windows, score_documents
from minillm.model.build import build_model
from minillm.model.config import MiniGPTConfig, QwenConfig
from minillm.model.language_model import LanguageModel
from minillm.vocabulary.tokenizer import BOS, Specials

VOCABULARY = 20


class Known(torch.nn.Module):
    """A model with given answers: row i of the table holds the logits after token i."""

    def __init__(self, table_VV: torch.Tensor, context: int) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(table_VV)
        self.context, self.specials = context, Specials()

    def forward(self, ids_BT: torch.Tensor) -> torch.Tensor:
        assert ids_BT.shape[1] <= self.context
        return self.table[ids_BT]


def real_model(architecture: str = "minigpt", context: int = 6) -> LanguageModel:
    shape = {"layers": 1, "width": 16, "heads": 2, "feed_forward": 16, "context": context, "dropout": 0.0}
    torch.manual_seed(0)
    config = MiniGPTConfig(**shape) if architecture == "minigpt" else QwenConfig(architecture="qwen", **shape)  # type: ignore[arg-type]
    model = build_model(config, VOCABULARY).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.4)
    return model


def random_documents(lengths: Sequence[int], seed: int = 0) -> list[list[int]]:
    random = np.random.default_rng(seed)
    return [random.integers(4, VOCABULARY, size=length).tolist() for length in lengths]


def layout(length: int, context: int) -> list[tuple[list[int], list[int]]]:
    """What `rolling_windows` means for the tokens 0, 1, 2, … after the prefix -100: (input, predicted)."""
    full = [-100, *range(length)]
    return [
        (full[w.start : w.end], full[w.start + 1 : w.end + 1][-w.counted :]) for w in rolling_windows(length, context)
    ]


def test_the_layouts_of_the_harness() -> None:
    """Worked out by hand from the definition of get_rolling_token_windows with context_len=1, as its tests pin it."""
    assert layout(34, 10) == [
        ([-100, *range(9)], [*range(10)]),
        ([*range(9, 19)], [*range(10, 20)]),
        ([*range(19, 29)], [*range(20, 30)]),
        ([*range(23, 33)], [30, 31, 32, 33]),
    ]
    assert layout(3, 10) == [([-100, 0, 1], [0, 1, 2])]
    assert layout(10, 10) == [([-100, *range(9)], [*range(10)])]
    assert layout(11, 10) == [([-100, *range(9)], [*range(10)]), ([*range(10)], [10])]
    assert layout(20, 10) == [([-100, *range(9)], [*range(10)]), ([*range(9, 19)], [*range(10, 20)])]
    assert layout(3, 1) == [([-100], [0]), ([0], [1]), ([1], [2])]
    assert layout(1, 5) == [([-100], [0])]
    assert layout(0, 5) == []


@given(length=st.integers(0, 100), context=st.integers(1, 12))
def test_every_token_is_predicted_once_from_its_own_past(length: int, context: int) -> None:
    windows = layout(length, context)
    assert [token for _, predicted in windows for token in predicted] == list(range(length))
    for number, (inputs, predicted) in enumerate(windows):
        assert inputs[-1] == (predicted[-1] - 1 if predicted[-1] else -100)
        assert len(inputs) == min(length, context)
        assert len(predicted) == context or number == len(windows) - 1


@pytest.mark.parametrize("architecture", ["minigpt", "qwen"])
@torch.no_grad()
def test_scores_are_those_of_each_token_alone(architecture: str) -> None:
    """Token by token: the past that its window gives it, one forward pass, one softmax."""
    model, context = real_model(architecture), 6
    documents = random_documents([1, 4, 6, 7, 12, 15, 2, 20])
    scores = score_documents(model, documents)
    place = 0
    for ids in documents:
        full = [BOS, *ids]
        for position, token in enumerate(ids):
            window = position // context
            last = min((window + 1) * context, len(ids))  # of the window that predicts this token
            start = max(0, last - context)
            logits = model(torch.tensor([full[start : position + 1]]))[0, -1].double()
            order = logits.argsort(descending=True).tolist()
            assert scores.nll[place] == pytest.approx(-logits.log_softmax(-1)[token].item(), abs=1e-5)
            assert scores.predicted[place] == order[0]
            assert scores.in_top5[place] == (token in order[:5])
            place += 1
    assert place == len(scores.nll) == len(scores.predicted) == len(scores.in_top5)
    assert 0 < scores.in_top5.mean() < 1


@pytest.mark.parametrize("size", [20, 77, 300])
def test_a_uniform_model_pays_the_logarithm_of_its_vocabulary(size: int) -> None:
    scores = score_documents(Known(torch.zeros(size, size), 5), random_documents([3, 17, 5]))  # type: ignore[arg-type]
    np.testing.assert_allclose(scores.nll, math.log(size), rtol=1e-6)


def test_a_model_that_knows_the_next_token_pays_nothing() -> None:
    """Texts count upwards; after token i the model says i + 1 (and 3 after [BOS]). One that says i pays dearly."""
    knowing = 50.0 * torch.eye(VOCABULARY).roll(1, dims=1)
    documents = [list(range(3, length)) for length in (5, 12, 19)]
    scores = score_documents(Known(knowing, 4), documents)  # type: ignore[arg-type]
    assert scores.nll.max() < 1e-6
    assert (scores.predicted == np.concatenate(documents)).all()
    copying = score_documents(Known(50.0 * torch.eye(VOCABULARY), 4), documents)  # type: ignore[arg-type]
    np.testing.assert_allclose(copying.nll, 50, rtol=1e-6)


def test_a_bigram_model_pays_its_cross_entropy() -> None:
    """For a model that sees one token back, windows make no difference: every transition costs what the table says."""
    table = torch.randn(VOCABULARY, VOCABULARY, generator=torch.manual_seed(0))
    costs = -table.double().log_softmax(-1).numpy()
    documents = random_documents([9, 30, 1, 13])
    expected = np.concatenate([costs[[BOS, *ids[:-1]], ids] for ids in documents])
    for context in (1, 4, 50):
        scores = score_documents(Known(table, context), documents)  # type: ignore[arg-type]
        np.testing.assert_allclose(scores.nll, expected, rtol=1e-5)


@pytest.mark.parametrize("at_once", [1, 6, 13, 10_000])
def test_the_number_of_texts_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    model, documents = real_model(), random_documents([1, 4, 6, 7, 12, 15, 2, 20, 6, 6])
    expected = score_documents(model, documents)
    monkeypatch.setattr(score, "TOKENS_AT_ONCE", at_once)
    found = score_documents(model, documents)
    np.testing.assert_allclose(found.nll, expected.nll, atol=1e-5)
    np.testing.assert_array_equal(found.predicted, expected.predicted)
    np.testing.assert_array_equal(found.in_top5, expected.in_top5)
    for name in ("confidence", "tempered", "brier", "expected"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-5)
    assert found.expected.sum() == pytest.approx(len(found.nll), rel=1e-6), "probabilities add up to one a token"


def test_the_order_of_texts_changes_nothing() -> None:
    model, documents = real_model(), random_documents([1, 4, 6, 7, 12, 15, 2])
    starts = np.cumsum([0, *map(len, documents)])
    straight, backward = score_documents(model, documents), score_documents(model, documents[::-1])
    parts = [straight.nll[start:end] for start, end in itertools.pairwise(starts)]
    np.testing.assert_allclose(backward.nll, np.concatenate(parts[::-1]), atol=1e-5)
    alone = [score_documents(model, [ids]).nll for ids in documents]
    np.testing.assert_allclose(straight.nll, np.concatenate(alone), atol=1e-5)


def test_an_empty_text_costs_nothing() -> None:
    model = real_model()
    with_empty, without = score_documents(model, [[], [5, 6], []]), score_documents(model, [[5, 6]])
    np.testing.assert_allclose(with_empty.nll, without.nll)
    assert len(score_documents(model, []).nll) == 0


def test_probabilities_of_two_tokens_by_hand() -> None:
    """A vocabulary of four: after [BOS] = 2 the odds are 1 : 2 : 4 : 1, after 3 they are 9 : 1 : 0 : 0."""
    table = torch.full((4, 4), -torch.inf)
    table[2] = torch.tensor([1.0, 2.0, 4.0, 1.0]).log()
    table[3, :2] = torch.tensor([9.0, 1.0]).log()
    scores = score_documents(Known(table, 4), [[3, 1]], temperature=0.5)  # type: ignore[arg-type]
    np.testing.assert_allclose(scores.nll, [math.log(8), math.log(10)], rtol=1e-6)
    np.testing.assert_allclose(scores.confidence, [4 / 8, 9 / 10], rtol=1e-6)
    # Half the temperature squares the odds: 16 of 1 + 4 + 16 + 1, and 81 of 82.
    np.testing.assert_allclose(scores.tempered, [16 / 22, 81 / 82], rtol=1e-6)
    # (1² + 2² + 4² + (1 - 8)²) / 8² and (9² + (1 - 10)²) / 10²
    np.testing.assert_allclose(scores.brier, [70 / 64, 162 / 100], rtol=1e-6)
    np.testing.assert_allclose(scores.expected, [1 / 8 + 9 / 10, 2 / 8 + 1 / 10, 4 / 8, 1 / 8], rtol=1e-6)
    assert scores.predicted.tolist() == [2, 0]
    assert scores.in_top5.all()
