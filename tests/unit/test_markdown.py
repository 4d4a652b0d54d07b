"""Markdown to plain text; what is expected is written down from the CommonMark specification."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.corpus.markdown import render_markdown


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Uno\ndos.\n\nTres.", "Uno dos.\n\nTres."),
        ("# Uno #\nDos\n===\nTres", "Uno\n\nDos\n\nTres"),
        ("**a** _b_ ***c*** `d*` ~~e~~", "a b c d* e"),
        ("2 * 3 * 4 y un_nombre_largo", "2 * 3 * 4 y un_nombre_largo"),
        (r"\*a\* &amp; &ntilde; &lt;b&gt;", "*a* & ñ <b>"),
        ("[a **b**](c 'd'), [e][f], <https://g.h>\n\n[f]: i", "a b, e, https://g.h"),
        ("a ![b](c)", "a"),
        ("uno  \ndos\\\ntres<br/>cuatro", "uno\ndos\ntres\ncuatro"),
        ("a <b class='c'>d</b><!-- e -->", "a d"),
        ("<div>\na\n</div>\n\nb", "b"),
        ("a\n\n```x\nb\n```\n\n    c\n\nd", "a\n\nd"),
        ("- a\n- b\n  - c\n\n1. d\n2. e\n\nf", "a\nb\nc\n\nd\ne\n\nf"),
        ("- a\n\n  b\n\n- c", "a\nb\nc"),
        ("> a\n> b\n>\n> c", "a b\n\nc"),
        ("a\n\n| b | c |\n|---|---|\n| d | e |\n\nf", "a\n\nf"),
        ("a\n\n---\n\nb", "a\n\nb"),
        ("", ""),
    ],
)
def test_only_what_is_read_stays(source: str, text: str) -> None:
    assert render_markdown(source) == ("", text)


@pytest.mark.parametrize(
    ("source", "title", "text"),
    [
        ("---\ntitle: El faro\ntags: [a]\n---\nUno.", "El faro", "Uno."),
        ('---\na: 1\ntitle:  "2001: una odisea" \n...\n\nUno.', "2001: una odisea", "Uno."),
        ("---\ntitle: 'Ñu'\n---\n", "Ñu", ""),
        ("---\nsubtitle: no\n---\nUno.", "", "Uno."),
        ("---\n---\nUno.", "", "Uno."),
        ("Uno.\n\n---\ntitle: no\n---\n", "", "Uno.\n\ntitle: no"),
        ("---\n\nsin final", "", "sin final"),
    ],
)
def test_front_matter(source: str, title: str, text: str) -> None:
    assert render_markdown(source) == (title, text)


@given(st.text(alphabet="ab *_`[]()<>!#-\n|~\\&;:1.", max_size=80))
def test_letters_are_neither_made_nor_moved(source: str) -> None:
    _, text = render_markdown(source)
    rest = iter(source)
    assert all(letter in rest for letter in text if letter in "ab1")
    assert "\n\n\n" not in text
