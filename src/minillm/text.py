"""The one form of text in the project: what the corpus stores, the vocabularies split and the metrics count.

`normalise` is applied once by the corpus and again, harmlessly, to whatever a person types (a prompt, a text of
their own): it is idempotent.
"""

import re
import unicodedata

# Everything that is not a visible character or a space: controls, formats (zero-width, bidi marks), surrogates,
# private use and unassigned code points. The newline is kept.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}
# Controls that separate words or lines.
_BLANKS = str.maketrans({"\r": "\n", "\t": " ", "\v": " ", "\f": " ", "\x85": "\n", "\u2028": "\n", "\u2029": "\n\n"})
_SPACES = re.compile(r"[^\S\n]+")
_LINE_EDGES = re.compile(r" *\n *")
_BLANK_LINES = re.compile(r"\n{3,}")


# Marks above and below letters in a row: more than any script piles up, and ordering them takes the square of the time.
_MARK = "[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]"
_MARKS = re.compile(f"({_MARK}{{30}}){_MARK}+")


def compose(text: str) -> str:
    """The text in NFC, with at most 30 combining marks in a row."""
    return unicodedata.normalize("NFC", _MARKS.sub(r"\1", text))


def normalise(text: str) -> str:
    """NFC, no invisible characters, single spaces, at most one blank line, no space at the edge of a line."""
    text = text.replace("\r\n", "\n").translate(_BLANKS)
    text = "".join(c for c in text if c == "\n" or unicodedata.category(c) not in _INVISIBLE)
    text = compose(text)
    text = _LINE_EDGES.sub("\n", _SPACES.sub(" ", text))
    return _BLANK_LINES.sub("\n\n", text).strip()
