"""The spelling model is a probability distribution: over the next character, and over all strings."""

import itertools
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.evaluation.spelling import ORDER, SpellingModel

START, END, ESCAPE = "\x02", "\x03", "\x1b"
COUNTS = {" casa": 5, " caso": 2, " cosa": 3, "a": 1, " ñandú": 1}

words = st.dictionaries(st.text("abcñ é", min_size=1, max_size=6), st.integers(1, 9), min_size=1, max_size=6)


def by_definition(counts: dict[str, int], history: str, symbol: str, alphabet: int) -> float:
    """Witten and Bell, from the longest context to the shortest, counting in the list of all observed histories."""
    if history == "shortest":
        return 1 / alphabet
    seen: Counter[str] = Counter()
    for text, count in counts.items():
        padded = START * (ORDER - 1) + text + END
        for position in range(ORDER - 1, len(padded)):
            if padded[:position].endswith(history):
                seen[padded[position]] += count
    lower = by_definition(counts, history[1:] if history else "shortest", symbol, alphabet)
    if not seen:
        return lower
    return (seen[symbol] + len(seen) * lower) / (seen.total() + len(seen))


def nll_by_definition(counts: dict[str, int], text: str) -> float:
    alphabet = set("".join(counts)) | {END, ESCAPE}
    padded = START * (ORDER - 1) + text + END
    total = 0.0
    for position in range(ORDER - 1, len(padded)):
        symbol = padded[position] if padded[position] in alphabet else ESCAPE
        total -= math.log(by_definition(counts, padded[position - ORDER + 1 : position], symbol, len(alphabet)))
        total += math.log(0x110000) if padded[position] not in alphabet else 0
    return total


def test_one_letter_by_hand() -> None:
    """Trained on «a»: symbols a, end, escape. P(a) = (1 + 2/3) / 4 = 5/12 without context, then 17/24, 41/48, …"""
    probability = 5 / 12
    for _ in range(ORDER - 1):
        probability = (1 + probability) / 2
    assert probability == pytest.approx(185 / 192)
    assert SpellingModel({"a": 1}).nll("a") == pytest.approx(-2 * math.log(185 / 192))
    # An unseen letter: escape, 2/3 / 4 without context, then halved at each of four lengths; one code point; then the
    # end, whose contexts with the letter are unknown: 5/12.
    unseen = -math.log(1 / 6 / 16) + math.log(0x110000) - math.log(5 / 12)
    assert SpellingModel({"a": 1}).nll("z") == pytest.approx(unseen)


@pytest.mark.parametrize("text", [" casa", " caso", "", "a", "casa", " xyz", " cañón", "😀", " casa" * 5])
def test_against_the_definition(text: str) -> None:
    assert SpellingModel(COUNTS).nll(text) == pytest.approx(nll_by_definition(COUNTS, text))


@given(counts=words, context=st.text("abcñ éxyz", max_size=10))
@settings(max_examples=60, deadline=None)
def test_the_next_character_is_certain_to_be_something(counts: dict[str, int], context: str) -> None:
    """Alphabet, end and escape sum to one after any beginning, seen or not."""
    model = SpellingModel(counts)
    history = (START * (ORDER - 1) + context)[-(ORDER - 1) :]
    symbols = set("".join(counts)) | {END, ESCAPE}
    probabilities = [model._probability(history, symbol) for symbol in symbols]
    assert min(probabilities) > 0
    assert sum(probabilities) == pytest.approx(1)
    assert model.symbols == symbols


@given(counts=st.dictionaries(st.text("ab", min_size=1, max_size=4), st.integers(1, 9), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_all_strings_together_are_at_most_certain(counts: dict[str, int]) -> None:
    """Over {a, b}: the strings up to length n, and those that go on (or have another character), share one."""
    model = SpellingModel(counts)
    totals = [
        sum(math.exp(-model.nll("".join(letters))) for letters in itertools.product("ab", repeat=length))
        for length in range(8)
    ]
    assert all(total > 0 for total in totals)
    assert sum(totals) <= 1 + 1e-12
    going_on = 0.0  # what has not ended after 7 characters, or left the alphabet on the way
    for length in range(8):
        for letters in itertools.product("ab", repeat=length):
            text = "".join(letters)
            before_end = math.exp(-model.nll(text)) / model._probability((START * 4 + text)[-4:], END)
            history = (START * 4 + text)[-4:]
            leaving = 1 - model._probability(history, END)
            if length < 7:
                leaving -= sum(model._probability(history, c) for c in set("ab") & model.symbols)
                # a letter of {a, b} that was never seen counts as a character by itself
                leaving -= sum(model._probability(history, ESCAPE) / 0x110000 for c in set("ab") - model.symbols)
            going_on += before_end * leaving
    assert sum(totals) + going_on == pytest.approx(1)


def test_seeing_a_word_more_often_makes_it_cheaper() -> None:
    costs = [SpellingModel({**COUNTS, " pozo": count}).nll(" pozo") for count in (1, 2, 5, 50, 5000)]
    assert costs == sorted(costs, reverse=True)
    assert SpellingModel(COUNTS).nll(" pozo") > costs[0] + 1
    assert costs[-1] < 0.5
    assert SpellingModel(COUNTS).nll(" casa") < SpellingModel(COUNTS).nll(" saca")


@given(st.text(max_size=30))
def test_any_string_has_a_finite_price(text: str) -> None:
    nll = SpellingModel(COUNTS).nll(text)
    assert math.isfinite(nll)
    assert nll > 0


def test_a_longer_context_than_order_does_not_matter() -> None:
    """Five-grams: after the same four characters everything is the same."""
    model = SpellingModel(COUNTS)
    tail = [model.nll(start + "casas") - model.nll(start + "casa") for start in (" ", "x", "xyz ")]
    assert tail == pytest.approx([tail[0]] * 3)


def test_trained_on_nothing_it_still_has_a_price() -> None:
    """As for a vocabulary that knows every word of the train split: end and escape are equally probable."""
    assert SpellingModel({}).nll(" molino") == pytest.approx(7 * (math.log(2) + math.log(0x110000)) + math.log(2))
