"""One form of text: worked examples, and the laws that every text must obey."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minillm.text import normalise

# Any code point, lone surrogates and unassigned ones included, with the troublesome ones more often than by chance.
TROUBLE = (
    " \t\n\r\u00a0\u2009\u3000\u2028\u2029\u200b\u200d\ufeff\u00ad\u202e\x00\x85\ue000\ud800"
    "e\u0301\u0327=\u0338\u212b\u1100\u1161"
)
texts = st.text(st.one_of(st.characters(), st.sampled_from(TROUBLE)), max_size=60)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("cafe\u0301", "caf\u00e9"),
        ("\u212b", "\u00c5"),  # Ångström sign to the letter
        ("\u1100\u1161", "\uac00"),  # two jamo to one syllable
        ("c\u0301\u0327", "\u1e09"),  # marks in the wrong order
        ("e\u200b\u0301", "\u00e9"),  # composes once the zero-width space is gone
        ("\ufb01n", "\ufb01n"),  # NFC, not NFKC: a ligature stays
        ("5 000\u00a0km\u00b2", "5 000 km\u00b2"),
        ("a\u2009\u3000 b", "a b"),
        ("a\tb", "a b"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\u2028b\u2029c", "a\nb\n\nc"),
        ("a  \n  b", "a\nb"),
        ("a\n \n\t\n\u00a0\nb", "a\n\nb"),
        ("\n\n  a \n\n", "a"),
        ("a\x00b\x1b\u200b\u00ad\ufeff\u202ec", "abc"),
        ("a\ue000\ud800\ufffe\U000e0001b", "ab"),
        ("«¿Qué?» — 3 × 10⁸ 😀", "«¿Qué?» — 3 × 10⁸ 😀"),
        ("a\ufffdb", "a\ufffdb"),  # the replacement character is a visible sign of damage
        (" \u200b\n\t", ""),
        ("", ""),
    ],
)
def test_worked_examples(raw: str, expected: str) -> None:
    assert normalise(raw) == expected


@given(texts)
@example("a \u200b b")
@example("a\n\u200b\n\n\u200b\nb")
@example("\u200b \u0301")
@example("\u2000\u2001")  # NFC maps these spaces to other spaces
def test_idempotent(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(texts)
def test_form(text: str) -> None:
    once = normalise(text)
    assert unicodedata.is_normalized("NFC", once)
    assert once == once.strip()
    for never in ("  ", " \n", "\n ", "\n\n\n", "\t", "\r", "\u00a0"):
        assert never not in once
    assert {c for c in once if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn"}} <= {"\n"}


@given(st.text("aéñÑ9.,;«» \t\n\u00a0", max_size=60))
def test_no_word_is_lost_or_joined(text: str) -> None:
    assert normalise(text).split() == text.split()


def test_marks_do_not_pile_up() -> None:
    assert normalise("b" + "\u0323" * 40 + "e\u0301") == "ḅ" + "\u0323" * 29 + "é"
