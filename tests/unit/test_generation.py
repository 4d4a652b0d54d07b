"""Generated text: the argmax or a fair draw of the model's own distribution, whoever else is continued beside it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats

from minillm.evaluation import generation
from minillm.evaluation.generation import Sampling, _choose, distribution, generate, generate_texts, steps
from minillm.files import read_json
from minillm.model.attention import Cache
from minillm.model.build import build_model
from minillm.model.config import MiniGPTConfig, QwenConfig
from minillm.model.language_model import LanguageModel
from minillm.vocabulary.tokenizer import BOS, EOS, PAD, UNK

VOCABULARY = 20
PROMPTS = [[5, 6], [], [7, 8, 9], [11, 4], [5] * 12, [19, 18], [12]]


class Known(LanguageModel):
    """A model with given answers: row i of the table holds the logits after token i."""

    def __init__(self, table_VV: torch.Tensor, context: int = 4) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(table_VV)
        self.context = context

    def forward(self, ids_BT: torch.Tensor, *, last_only: bool = False, cache: Cache | None = None) -> torch.Tensor:
        assert last_only
        assert cache is None
        assert ids_BT.shape[1] <= self.context
        return self.table[ids_BT[:, -1:]]

    def token_embedding(self) -> torch.nn.Embedding:
        pytest.fail("generation asks for logits and nothing else")

    def output_layer(self) -> torch.nn.Linear | None:
        pytest.fail("generation asks for logits and nothing else")


def path_model(following: dict[int, int]) -> LanguageModel:
    table = torch.zeros(VOCABULARY, VOCABULARY)
    for before, after in following.items():
        table[before, after] = 50.0
    return Known(table)


def real_model(architecture: str = "minigpt") -> LanguageModel:
    shape = {"layers": 1, "width": 16, "heads": 2, "feed_forward": 16, "context": 6, "dropout": 0.0}
    torch.manual_seed(3)
    config = MiniGPTConfig(**shape) if architecture == "minigpt" else QwenConfig(architecture="qwen", **shape)  # type: ignore[arg-type]
    model = build_model(config, VOCABULARY).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return model


@pytest.mark.parametrize("architecture", ["minigpt", "qwen"])
@torch.no_grad()
def test_greedy_is_the_argmax_step_by_step(architecture: str) -> None:
    """Each text on its own, everything computed anew for each token, from the last six tokens."""
    model = real_model(architecture)
    for prompt, found in zip(PROMPTS, generate(model, PROMPTS, 15), strict=True):
        ids = [BOS, *prompt]
        for _ in range(15):
            logits = model(torch.tensor([ids[-6:]]))[0, -1].tolist()
            best = max(range(EOS, VOCABULARY), key=lambda id_: logits[id_])
            if best == EOS:
                break
            ids.append(best)
        assert found == ids[1 + len(prompt) :]


def test_the_toy_model_says_more_than_one_thing() -> None:
    """Otherwise the other tests would show little."""
    texts = generate(real_model(), PROMPTS, 15)
    assert len({tuple(text) for text in texts}) > 3
    assert len({token for text in texts for token in text}) > 3


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_a_text_does_not_depend_on_its_neighbours(temperature: float) -> None:
    """Prompts of other lengths beside it, or none: only its place counts (and for greedy not even that)."""
    model = real_model()
    together = generate(model, PROMPTS, 15, temperature, seed=4)
    for place, prompt in enumerate(PROMPTS):
        others = [[10 + place]] * place + [prompt]
        assert generate(model, others, 15, temperature, seed=4)[place] == together[place]


def test_sampling_is_reproducible_and_depends_on_the_seed() -> None:
    model = real_model()
    first = generate(model, PROMPTS, 15, 1.0, seed=1)
    torch.manual_seed(9)
    np.random.seed(9)
    assert generate(model, PROMPTS, 15, 1.0, seed=1) == first
    assert generate(model, PROMPTS, 15, 1.0, seed=2) != first
    longer = generate(model, PROMPTS, 20, 1.0, seed=1)
    assert [text[:15] for text in longer] == first, "the random numbers of a token depend on how many follow"


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_samples_follow_the_softmax(temperature: float) -> None:
    """4000 first tokens against the distribution without the special tokens that stand for no text."""
    table = torch.randn(VOCABULARY, VOCABULARY, generator=torch.manual_seed(0)) * 1.5
    texts = generate(Known(table), [[7]] * 4000, 1, temperature, seed=11)  # type: ignore[arg-type]
    counts = Counter(text[0] if text else EOS for text in texts)
    weights = np.exp(table[7].double().numpy() / temperature)
    weights[[PAD, UNK, BOS]] = 0
    expected = 4000 * weights / weights.sum()
    assert set(counts) <= set(range(EOS, VOCABULARY))
    big = expected >= 5  # Pearson's test needs cells that are not too small
    cells = [[counts[i] for i in np.flatnonzero(big)], expected[big]]
    rest = [4000 - sum(cells[0]), 4000 - sum(cells[1])]
    if rest[1] > 1:
        cells = [[*cells[0], rest[0]], [*cells[1], rest[1]]]
    chi2 = sum((n - e) ** 2 / e for n, e in zip(*cells, strict=True))
    assert stats.chi2.sf(chi2, len(cells[0]) - 1) > 1e-3


def test_steps_of_a_sample_are_independent() -> None:
    """From a uniform model: two tokens after each other are uncorrelated, and so are two texts."""
    model = Known(torch.full((VOCABULARY, VOCABULARY), 0.0).index_fill(1, torch.tensor([EOS]), -1e9))
    texts = np.array(generate(model, [[5]] * 3000, 2, 1.0))  # type: ignore[arg-type]
    for a, b in ((texts[:, 0], texts[:, 1]), (texts[1:, 0], texts[:-1, 0])):
        table = np.zeros((16, 16))
        np.add.at(table, (a - 4, b - 4), 1)
        assert stats.chi2_contingency(table).pvalue > 1e-3


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_pad_unknown_and_bos_are_never_said(temperature: float) -> None:
    """Not even by a model that wants nothing else."""
    table = torch.zeros(VOCABULARY, VOCABULARY)
    table[:, [PAD, UNK, BOS]] = 1e4
    texts = generate(Known(table), [[5]] * 50, 10, temperature)  # type: ignore[arg-type]
    assert not {PAD, UNK, BOS, EOS} & {token for text in texts for token in text}


def test_the_lowest_draw_is_not_pad(monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = SimpleNamespace(random=np.zeros)
    monkeypatch.setattr(generation.np.random, "default_rng", lambda _: zeros)
    model = Known(torch.zeros(VOCABULARY, VOCABULARY))
    assert generate(model, [[5]], 3, 1.0) == [[]]  # type: ignore[arg-type]


def test_it_ends_at_eos_without_it() -> None:
    model = path_model({BOS: 5, 5: 6, 6: 7, 7: EOS, EOS: 9, 9: 9, 10: 10})
    assert generate(model, [[], [6], [7], [10]], 6) == [[5, 6, 7], [7], [], [10] * 6]
    assert generate(model, [[]], 2) == [[5, 6]]
    assert generate(model, [[5], []], 0) == [[], []]
    assert generate(model, [], 3) == []


def test_an_almost_cold_sample_is_greedy() -> None:
    model = real_model()
    assert generate(model, PROMPTS, 15, temperature=1e-6) == generate(model, PROMPTS, 15)


def test_the_stage(toy_corpus: Path, save_tiny: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    weights, description = save_tiny(24)
    prompts = ["La villa", "El río es"]

    def run(name: str, seed: int) -> dict[str, list[dict[str, str]]]:
        output = tmp_path / name
        generate_texts(weights, description, toy_corpus / "words.json", prompts, 8, 0.9, seed, 1, "cpu", output)
        result: dict[str, list[dict[str, str]]] = read_json(output)
        return result

    first, again, other = run("a.json", 1), run("b.json", 1), run("c.json", 2)
    assert first == again
    assert [row["prompt"] for row in first["texts"]] == prompts
    assert [row["greedy"] for row in first["texts"]] == [row["greedy"] for row in other["texts"]]
    assert [row["sampled"] for row in first["texts"]] != [row["sampled"] for row in other["texts"]]
    assert all("[" not in row[way] for row in first["texts"] for way in ("greedy", "sampled"))
    assert (first["temperature"], first["seed"]) == (0.9, 1)


@pytest.mark.parametrize("temperature", [0.0, 0.7])
@pytest.mark.parametrize("architecture", ["minigpt", "qwen"])
def test_more_texts_than_fit_side_by_side(
    monkeypatch: pytest.MonkeyPatch, architecture: str, temperature: float
) -> None:
    """Of all lengths, within the context and past it: each is what the model writes without company or cache."""
    model = real_model(architecture)
    prompts = [[4 + (3 * row + place) % 16 for place in range(row % 9)] for row in range(30)]

    def texts() -> list[list[int]]:
        return generate(model, prompts, 12, temperature, seed=2, enough=lambda ids: sum(ids) % 7 == 0)

    together = texts()
    assert len({len(text) for text in together}) > 3, "the rows end at different steps"
    monkeypatch.setattr(generation, "ROWS_AT_ONCE", 7)
    assert texts() == together
    monkeypatch.setattr(generation, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(type(model), "new_cache", lambda _: None)
    assert texts() == together


def test_a_text_ends_when_it_is_enough() -> None:
    """For each on its own; the token that made it enough is there, and what is left is as without the question."""
    model = real_model()
    whole = generate(model, PROMPTS, 15)
    short = generate(model, PROMPTS, 15, enough=lambda ids: sum(ids) > 40)
    for all_ids, ids in zip(whole, short, strict=True):
        assert ids == all_ids[: len(ids)]
        assert sum(ids[:-1]) <= 40
        assert sum(ids) > 40 or ids == all_ids
    assert short != whole


def test_a_prompt_is_read_without_its_neighbours_tokens() -> None:
    """The long prompt goes on being read while the short one is continued, and neither ends the other."""
    model = path_model({5: EOS, 6: 7, 7: 8, 8: EOS, 9: 10, 10: EOS})
    assert generate(model, [[5], [5, 5, 5, 6], [9]], 4) == [[], [7, 8], [10]]


# How a token is chosen

KNOWN = torch.tensor([[0.15, 0.5, 0.05, 0.3]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ({"temperature": 1.0}, [0.15, 0.5, 0.05, 0.3]),
        ({"temperature": 0.5}, [0.0225 / 0.365, 0.25 / 0.365, 0.0025 / 0.365, 0.09 / 0.365]),
        ({"temperature": 1.0, "top_k": 1}, [0, 1, 0, 0]),
        ({"temperature": 1.0, "top_k": 2}, [0, 0.625, 0, 0.375]),
        ({"temperature": 1.0, "top_k": 9}, [0.15, 0.5, 0.05, 0.3]),
        ({"temperature": 1.0, "top_p": 0.1}, [0, 1, 0, 0]),
        ({"temperature": 1.0, "top_p": 0.79}, [0, 0.625, 0, 0.375]),
        ({"temperature": 1.0, "top_p": 0.81}, [0.15 / 0.95, 0.5 / 0.95, 0, 0.3 / 0.95]),
        # Of the three that are left, two have 0.8 / 0.95 = 0.842 of the probability.
        ({"temperature": 1.0, "top_k": 3, "top_p": 0.84}, [0, 0.625, 0, 0.375]),
        # Colder, the first has 0.25 / 0.365 = 0.685 of it.
        ({"temperature": 0.5, "top_p": 0.68}, [0, 1, 0, 0]),
    ],
)
def test_what_a_token_is_drawn_from(way: dict[str, float], expected: list[float]) -> None:
    found = distribution(KNOWN.log() + 3, Sampling(**way))[0].tolist()  # type: ignore[arg-type]
    assert found == pytest.approx(expected, abs=1e-12)
    assert [value == 0 for value in found] == [value == 0 for value in expected]


def test_of_equally_probable_tokens_the_first_ones_are_kept() -> None:
    found = distribution(torch.zeros(1, 40), Sampling(temperature=1.0, top_k=3))[0]
    assert found.nonzero().flatten().tolist() == [0, 1, 2]


def test_no_draw_takes_what_has_no_probability() -> None:
    """Not even the highest, where the sum of the others is rounded below 1."""
    logits_BV = torch.full((200, 30), -torch.inf)
    logits_BV[:, 5:20] = torch.randn(200, 15, generator=torch.manual_seed(0))
    for draw in (0.0, 1 - 2**-53):
        chosen = _choose(logits_BV, Sampling(temperature=0.7), np.full(200, draw))
        assert set(chosen.tolist()) <= set(range(5, 20))
    sums = distribution(logits_BV, Sampling(temperature=0.7)).cumsum(-1)[:, -1]
    assert (sums < 1 - 2**-53).any(), "otherwise the test shows nothing"


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ({"temperature": -0.1}, "temperature -0.1: give 0"),
        ({"temperature": float("nan")}, "temperature nan: give 0"),
        ({"temperature": float("inf")}, "temperature inf: give 0"),
        ({"top_k": 0}, "top-k 0: give how many tokens to draw from, 1 or more"),
        ({"top_p": 0.0}, "top-p 0: give a share"),
        ({"top_p": 1.1}, r"top-p 1\.1: give a share"),
    ],
)
def test_a_way_out_of_range(way: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampling(**way)  # type: ignore[arg-type]


# Step by step


@pytest.mark.parametrize("temperature", [0.0, 0.9])
@pytest.mark.parametrize("architecture", ["minigpt", "qwen"])
def test_steps_are_those_of_the_text(architecture: str, temperature: float) -> None:
    """The token of each, the text up to there, and the logits that the model gives for it, computed anew."""
    model, prompt = real_model(architecture), [5, 6, 7]
    (text,) = generate(model, [prompt], 20, temperature, seed=3)
    grown: list[int] = []
    for number, step in enumerate(steps(model, prompt, 20, Sampling(temperature=temperature), seed=3)):
        assert number == len(grown), "[EOS] is the last step"
        with torch.no_grad():
            expected_V = model(torch.tensor([[BOS, *prompt, *grown][-6:]]))[0, -1]
        assert torch.allclose(step.logits_V[EOS:], expected_V[EOS:], atol=1e-5)
        assert step.logits_V[[PAD, UNK, BOS]].tolist() == [-float("inf")] * 3
        if step.token != EOS:
            grown.append(step.token)
        assert (step.text, step.ids) == (0, grown)
    assert grown == text


def test_the_end_is_a_step_too() -> None:
    found = [(step.token, list(step.ids)) for step in steps(path_model({5: 6, 6: EOS}), [5], 9, Sampling(), seed=0)]
    assert found == [(6, [6]), (EOS, [6])]


def test_of_one_candidate_any_seed_takes_it() -> None:
    model = real_model()
    greedy = generate(model, [[5, 6]], 20)
    for seed in range(3):
        *_, last = steps(model, [5, 6], 20, Sampling(temperature=2.0, top_k=1), seed)
        assert last.ids == greedy[0]
    *_, last = steps(model, [5, 6], 20, Sampling(temperature=2.0), seed=0)
    assert last.ids != greedy[0]


def test_only_the_nucleus_is_drawn() -> None:
    """Tokens 4 to 7 have 0.4, 0.3, 0.2 and 0.1 of the probability: 0.75 of it are the first three, 4 : 3 : 2."""
    table = torch.full((VOCABULARY, VOCABULARY), -torch.inf)
    table[:, 4:8] = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()
    way = Sampling(temperature=1.0, top_p=0.75)
    counts = Counter(step.token for step in steps(Known(table), [5], 4500, way, seed=1))
    assert set(counts) == {4, 5, 6}
    observed, expected = [counts[token] for token in (4, 5, 6)], [2000, 1500, 1000]
    assert stats.chisquare(observed, expected).pvalue > 1e-3
