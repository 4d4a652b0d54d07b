"""N-grams against the recursion of Chen and Goodman written out with dictionaries, and as probabilities."""

import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from minillm.evaluation import ngrams
from minillm.evaluation.ngrams import NGramModel

SIZE = 7


def texts(number: int, seed: int, length: int = 40) -> list[list[int]]:
    """Texts with habits: the next token is often the last one plus one."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(number):
        ids = [int(random.integers(SIZE))]
        while len(ids) < length:
            ids.append((ids[-1] + 1) % SIZE if random.random() < 0.6 else int(random.integers(SIZE)))
        found.append(ids)
    return found


def probability_by_definition(train: list[list[int]], history: tuple[int, ...], token: int) -> float:
    """p(token | history) of order len(history) + 1, straight from the formulas."""
    order = len(history) + 1
    counts: dict[int, Counter[tuple[int, ...]]] = {order: Counter()}
    for ids in train:
        padded = [SIZE] * (order - 1) + ids
        counts[order].update(tuple(padded[place : place + order]) for place in range(len(ids)))
    for length in range(order - 1, 0, -1):
        before = defaultdict(set)
        for ngram in counts[length + 1]:
            before[ngram[1:]].add(ngram[0])
        counts[length] = Counter({ngram: len(first) for ngram, first in before.items()})
    p = 1 / SIZE
    for length in range(1, order + 1):
        context = history[len(history) - length + 1 :]
        after = {ngram[-1]: count for ngram, count in counts[length].items() if ngram[:-1] == context}
        if not after:
            break
        n = [sum(count == number for count in counts[length].values()) for number in range(5)]
        share = n[1] / (n[1] + 2 * n[2]) if n[1] else 0
        taken = [0.0, 0.5, 1.0, 1.5]
        if all(n[1:]):
            exact = [0.0] + [k - (k + 1) * share * n[k + 1] / n[k] for k in (1, 2, 3)]
            if all(0 < exact[k] < k for k in (1, 2, 3)):
                taken = exact
        total = sum(after.values())
        own = after[token] - taken[min(after[token], 3)] if token in after else 0
        p = (own + p * sum(taken[min(count, 3)] for count in after.values())) / total
    return p


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("number", [2, 30])
def test_as_the_formulas_say(monkeypatch: pytest.MonkeyPatch, order: int, number: int) -> None:
    monkeypatch.setattr(ngrams, "ORDER", order)
    train, test = texts(number, seed=1), texts(3, seed=2, length=15)
    model = NGramModel(train, SIZE)
    for ids, nll in zip(test, model.nll(test), strict=True):
        padded = [SIZE] * (order - 1) + ids
        expected = sum(
            -math.log(probability_by_definition(train, tuple(padded[place : place + order - 1]), token))
            for place, token in enumerate(ids)
        )
        assert nll == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seen", [2, 25])
def test_probabilities_of_all_next_tokens_add_up_to_one(seen: int) -> None:
    model = NGramModel(texts(seen, seed=3), SIZE)
    for history in itertools.product(range(SIZE), repeat=3):
        before = model.nll([list(history)])[0]
        after = model.nll([[*history, token] for token in range(SIZE)])
        assert np.exp(before - after).sum() == pytest.approx(1)


def test_it_learns_more_from_more_of_the_past(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test, losses = texts(200, seed=4), texts(400, seed=5), []
    for order in (1, 2):
        monkeypatch.setattr(ngrams, "ORDER", order)
        losses.append(NGramModel(train, SIZE).nll(test).sum() / 16_000)
    # The entropy of the habit: 0.6 + 0.4 / 7 for one token, 0.4 / 7 for each of the other six.
    entropy = -(0.6 + 0.4 / 7) * math.log(0.6 + 0.4 / 7) - 6 * 0.4 / 7 * math.log(0.4 / 7)
    assert losses[0] == pytest.approx(math.log(SIZE), abs=0.02)
    assert losses[1] == pytest.approx(entropy, abs=0.02)


def test_documents_are_apart_and_may_be_empty() -> None:
    model = NGramModel([[1, 2, 3], [], [1, 2, 4]], SIZE)
    together = model.nll([[1, 2], [], [3]])
    assert together.tolist() == pytest.approx([*model.nll([[1, 2]]), 0, *model.nll([[3]])])


def test_a_vocabulary_too_large_for_four_tokens_in_an_integer() -> None:
    large = NGramModel([[1, 200_000, 2, 199_999]], 200_001)
    assert large.order == 3
    assert NGramModel([[1]], 50_257).order == 4
    assert math.isfinite(large.nll([[200_000, 5, 1]])[0])
