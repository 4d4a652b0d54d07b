"""Wikitext to plain text, for prose: numbers, units, dates and names survive, markup and apparatus do not.

Public cleaners lose what Spanish templates show («Mide de largo.») or are slow or under a licence that spreads. This
one reads a page once, from left to right, with a stack of open constructs ({{ }}, [[ ]], [http ], {| |}), so time is
linear whatever the page holds, and an opener that is never closed costs its own line at most. Closed constructs are
rendered at once; what is taken out leaves a mark, and the blanks, commas and brackets around marks are mended line by
line, so that text that was plain already comes back unchanged.

What is kept: paragraphs, headings (title only), list items (a line each, no marker), link labels, formulas as their
TeX source, short code, and what templates write in the prose, as far as it is known (`templates.py`). What is dropped:
tables, files, galleries, references, infoboxes, notices, long code, and the sections that the data of the language
lists (references, see also, …). A sentence in which something that stood there could not be rendered is dropped whole
(«Mide de largo.»), and counted; of a hole within brackets only these are lost.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from minillm.corpus.language import Language, section_key
from minillm.corpus.numbers import superscript
from minillm.corpus.sentences import WOUND, whole_sentences
from minillm.corpus.templates import (
    APOSTROPHE,
    HOLE,
    Page,
    is_parser_function,
    normalise_name,
    render_template,
)
from minillm.text import compose

_NOWHERE = Page()


@dataclass(frozen=True)
class Rendered:
    """A page as plain text.

    text: NFC; one blank line between paragraphs, headings as paragraphs of their own, list items one a line.
    sections: headings that were kept, that is, with text under them.
    list_share: share of the lines that are list items or rows of (dropped) tables, 0 to 1; 0 for an empty page.
        Indented lines (:) do not count: they hold formulas, quotations and verse.
    unrendered: names of the templates inside prose that could not be rendered, sorted, with repeats.
    holed: sentences left out because such a template, or something else that was taken out, left a hole in them.
    """

    text: str = ""
    sections: int = 0
    list_share: float = 0.0
    unrendered: tuple[str, ...] = ()
    holed: int = 0


def render(wikitext: str, language: Language, page: Page = _NOWHERE) -> Rendered:
    """Plain text of a page; any string is accepted. `page` is what templates may ask of it."""
    if redirect_target(wikitext, language) is not None:
        return Rendered()
    text = wikitext.replace("\r\n", "\n").replace("\r", "\n")
    if _UNWANTED.search(text):
        text = _UNWANTED.sub("", text)
    scanner = _Scanner(text, language, page)
    text = scanner.scan().replace(_EQUALS, "=")
    if "__" in text:
        text = _magic_words(language).sub("", text)
    if "''" in text:
        text = "\n".join(_without_quotes(line) if "''" in line else line for line in text.split("\n"))
    if "&" in text:
        text = _ENTITY.sub(_entity, text)
    return _assemble(_lines(text, scanner.unknown, language), language)


def redirect_target(wikitext: str, language: Language) -> str | None:
    """Title a redirect page points to, without its section; None if the page is not a redirect."""
    match = _REDIRECT.match(wikitext)
    if match is None or match[1].lower() not in language.redirect_words:
        return None
    return " ".join(match[2].replace("_", " ").split()).removeprefix(":").strip() or None


def template_names(wikitext: str, language: Language) -> list[str]:
    """Names of the templates a page calls, in order, first letter in lower case; parser functions left out."""
    visible = _strip_paired(_strip_paired(wikitext, "<!--", "-->"), "<nowiki>", "</nowiki>")
    names = (match[1] for match in _TEMPLATE_NAME.finditer(visible))
    return [normalise_name(n, language) for n in names if n.strip() and not is_parser_function(n, language)]


def _strip_paired(text: str, opener: str, closer: str) -> str:
    """Text without what stands between each opener and its closer."""
    pieces, position = [], 0
    while (start := text.find(opener, position)) >= 0 and (end := text.find(closer, start)) >= 0:
        pieces.append(text[position:start])
        position = end + len(closer)
    return "".join([*pieces, text[position:]])


_REDIRECT = re.compile(r"\s*+#\s{0,9}([^\W\d_]{1,30})\s{0,9}:?\s{0,9}\[\[([^\]|#\n]{1,300})", re.UNICODE)
_TEMPLATE_NAME = re.compile(r"\{\{([^{}|\[\]<>]{1,255})")

# --- Marks -----------------------------------------------------------------------------------------------------------
# Noncharacters that stand for something until the text is assembled. `HOLE` is where something was taken out.

_BREAK = "\ufdd1"  # <br>: a line break that starts no list or heading
_LITERAL = "\ufdd2"  # before text from <nowiki>, <math> or an entity, which is no markup even at the start of a line
_ROW = "\ufdd3"  # one row of a dropped table
_EQUALS = "\ufdd4"  # a «=» from inside a nested construct, which does not name an argument
_UNKNOWN = "\ufdd6"  # before and after the number, in `_DIGITS`, of a template that could not be rendered
_DIGITS = "\ufde0\ufde1\ufde2\ufde3\ufde4\ufde5\ufde6\ufde7\ufde8\ufde9"
_UNKNOWN_TEMPLATE = re.compile(f"{_UNKNOWN}([{_DIGITS}]+){_UNKNOWN}")
_TO_DIGITS = str.maketrans("0123456789", _DIGITS)
_FROM_DIGITS = str.maketrans(_DIGITS, "0123456789")
_UNWANTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufffe\uffff"
    "\ufdd0-\ufdef\ud800-\udfff]"
)
_ODD_SPACES = re.compile("[\t\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]|  ")
_SPACES = re.compile("[ \t\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")

# --- Scanning --------------------------------------------------------------------------------------------------------

_PAGE, _TEMPLATE, _LINK, _ADDRESS, _TABLE, _HTML_TABLE = range(6)
_CAPTION = 2_000  # characters; a longer one was not closed
# Constructs open at once. Real pages stay under 15; deeper openers are dropped as if they were never closed.
_MAX_DEPTH = 60

_OPENERS = r"\{\{+|\[\[|\[(?=(?i:[a-z]{2,8}://|mailto:|news:|tel:|//))|<(?=[!/a-zA-Z])|\{\||\}\}+|\]\]|\|\}"
_ANYWHERE = re.compile(_OPENERS)
_IN_TEMPLATE = re.compile(_OPENERS + r"|\|")
_IN_LINK = re.compile(_OPENERS + r"|\||\]|\n")
_TOKENS = {_TEMPLATE: _IN_TEMPLATE, _LINK: _IN_LINK, _ADDRESS: _IN_LINK}

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*)>")
_SUPERSCRIPT = re.compile(r"<sup[^<>]*>\s*([-+−–]?\d{1,9}|n)\s*</sup\s*>", re.IGNORECASE)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HIDDEN_TAGS = _words(
    "ref references gallery timeline score hiero imagemap graph chart mapframe maplink templatedata categorytree "
    "inputbox includeonly indicator style script templatestyles phonos"
)
_VERBATIM_TAGS = _words("nowiki math chem ce pre source syntaxhighlight")
_LINE_TAGS = _words("div center li dt dd dl ul ol h1 h2 h3 h4 h5 h6 tr th td caption tbody")
_BLOCK_TAGS = _words("p blockquote hr poem")
_INLINE_TAGS = _words(
    "b i u s em strong small big sub sup span font tt code kbd var samp cite q del ins strike abbr bdi bdo dfn mark "
    "ruby rb rt rp rtc wbr data time noinclude onlyinclude section a img nobr noindex"
)
_TEX_STYLE = re.compile(r"\\(?:displaystyle|textstyle)\b\s*")
_DOUBLED_BRACKETS = re.compile(r"(?<=\{)(?=\{)|(?<=\})(?=\})|(?<=\[)(?=\[)|(?<=\])(?=\])")
_NO_TITLE = re.compile(r"[\\{}]")
_LINE_STARTS = re.compile(r"^(?=[*#:;=|!\s-])", re.MULTILINE)


class _Frame:
    """An open construct: the arguments completed so far and the pieces of the one being read."""

    __slots__ = ("kind", "parts", "pieces", "start", "width")

    def __init__(self, kind: int, start: int, width: int = 2) -> None:
        self.kind, self.start, self.width = kind, start, width
        self.parts: list[str] = []
        self.pieces: list[str] = []

    def next_part(self) -> None:
        self.parts.append("".join(self.pieces))
        self.pieces.clear()

    def close(self) -> list[str]:
        self.next_part()
        return self.parts


class _Scanner:
    """Turns a page into text whose only markup is at line starts and in marks."""

    def __init__(self, text: str, language: Language, page: Page) -> None:
        self.text, self.language, self.page = text, language, page
        self.stack = [_Frame(_PAGE, 0)]
        self.unknown: list[_Unknown] = []
        self.closers: dict[str, tuple[int, int]] = {}  # where the next </tag> starts and ends
        self.no_comment_end = False

    def scan(self) -> str:
        text, position = self.text, 0
        while True:
            frame = self.stack[-1]
            match = _TOKENS.get(frame.kind, _ANYWHERE).search(text, position)
            if match is None:
                frame.pieces.append(text[position:])
                break
            start, token = match.start(), match[0]
            if start > position:
                frame.pieces.append(text[position:start])
            position = self._token(frame, token, start, match.end())
        while len(self.stack) > 1:
            self._abandon()
        return "".join(self.stack[0].pieces)

    def _token(self, frame: _Frame, token: str, start: int, end: int) -> int:
        """Handle one token; returns the position to read on from."""
        match token[0]:
            case "<":
                end = self._tag(frame, start)
            case "[":
                self._open(_LINK if token == "[[" else _ADDRESS, start)
            case "]":
                end = self._closing_bracket(frame, token, start)
            case "{":
                end = self._opening_brace(frame, token, start, end)
            case "}":
                self._close_templates(len(token))
            case "\n":
                end = self._newline(start)
            case _:
                end = self._bar(frame, token, start, end)
        return end

    def _opening_brace(self, frame: _Frame, token: str, start: int, end: int) -> int:
        if token != "{|":
            # Two braces open a template, three a parameter; any before them are dropped.
            width = min(len(token), 3)
            self._open(_TEMPLATE, end - width, width)
            return end
        if self._opens_table(start):
            self._open(_TABLE, start)
            return end
        frame.pieces.append("{")
        return start + 1

    def _closing_bracket(self, frame: _Frame, token: str, start: int) -> int:
        if frame.kind == _ADDRESS:
            self._close_address()
            return start + 1
        if token == "]":
            frame.pieces.append("]")
        elif frame.kind == _LINK:
            self._close_link()
        return start + len(token)

    def _bar(self, frame: _Frame, token: str, start: int, end: int) -> int:
        # «|}» ends a table, unless it is an empty last argument before «}}».
        before_brace = self.text.startswith("}", end) and not self.text.startswith("}}", end)
        if token == "|}" and not before_brace and self._starts_line(start, " \t"):
            self._close_table(_TABLE, end)
            return end
        if frame.kind in (_TEMPLATE, _LINK):
            frame.next_part()
        else:
            frame.pieces.append("|")
        return start + 1

    def _starts_line(self, position: int, indents: str = " \t:*#") -> bool:
        while position > 0 and self.text[position - 1] in indents:
            position -= 1
        return position == 0 or self.text[position - 1] == "\n"

    def _opens_table(self, position: int) -> bool:
        # A table may also follow a template or a tag, or be an argument.
        return (
            self._starts_line(position)
            or self.text.endswith(("}}", ">"), 0, position)
            or (self.stack[-1].kind == _TEMPLATE and self.text.endswith(("=", "|", "= "), 0, position))
        )

    def _open(self, kind: int, start: int, width: int = 2) -> None:
        if len(self.stack) < _MAX_DEPTH:
            self.stack.append(_Frame(kind, start, width))

    def _emit(self, text: str) -> None:
        self.stack[-1].pieces.append(text.replace("=", _EQUALS))

    # Openers that are never closed.

    def _abandon(self) -> None:
        """Give up on the innermost open construct: its content goes on as plain text."""
        frame = self.stack.pop()
        parts = frame.close()
        if frame.kind == _ADDRESS:
            text = parts[0].partition(" ")[2]
        elif frame.kind == _LINK:
            text = _unclosed_link(parts, self.language)
        else:
            text = "|".join(parts)
            if frame.kind == _TEMPLATE:
                text = _unclosed_template(text)
            elif frame.kind == _TABLE:
                # Rows are taken out; lines that are not rows may be the article.
                text = "\n".join(s for s in text.split("\n")[1:] if not s.lstrip().startswith(("|", "!")))
        self.stack[-1].pieces.append(text)

    def _newline(self, start: int) -> int:
        # An address ends with its line; a link's target does too, and its label with its paragraph, but not a caption.
        blank = self.text.startswith(("\n\n", "\n=", "\n*", "\n#"), start)
        while (frame := self.stack[-1]).kind == _ADDRESS or (
            frame.kind == _LINK and (not frame.parts or (blank and not self._is_caption(frame, start)))
        ):
            self._abandon()
        self.stack[-1].pieces.append("\n")
        return start + 1

    def _is_caption(self, frame: _Frame, position: int) -> bool:
        """Whether an open link is one of a file, and ends not far from here."""
        namespace = frame.parts[0].partition(":")[0].strip().lower()
        return namespace in self.language.file_namespaces and self.text.find("]]", position, position + _CAPTION) >= 0

    def _find_open(self, kind: int) -> int:
        """Index of the innermost open construct of this kind; 0 if there is none."""
        for i in range(len(self.stack) - 1, 0, -1):
            if self.stack[i].kind == kind:
                return i
        return 0

    # Closers.

    def _close_templates(self, braces: int) -> None:
        while braces >= 2 and (index := self._find_open(_TEMPLATE)):
            while len(self.stack) - 1 > index:
                self._abandon()
            frame = self.stack[-1]
            if frame.width == 3 and braces < 3:
                frame.width = 2
            braces -= frame.width
            self.stack.pop()
            parts = frame.close()
            if frame.width == 3:
                # A parameter outside of a template shows its default.
                self._emit("".join(parts[1:2]))
            else:
                self._emit_template(parts)

    def _emit_template(self, parts: list[str]) -> None:
        name = parts[0].replace(HOLE, "")
        if name.strip() == "!" and self.stack[-1].kind == _LINK:
            self.stack[-1].next_part()
            return
        if _NO_TITLE.search(name):
            # Braces of a formula outside of <math>, or of a program.
            self._emit(_DOUBLED_BRACKETS.sub(" ", "{{" + "|".join(parts) + "}}"))
            return
        shown = render_template(name, parts[1:], self.language, self.page)
        if shown is None:
            number = str(len(self.unknown)).translate(_TO_DIGITS)
            self._emit(f"{_UNKNOWN}{number}{_UNKNOWN}")
            name = normalise_name(_UNKNOWN_TEMPLATE.sub("", name), self.language)
            if is_parser_function(name, self.language):
                name = name.partition(":")[0]
            self.unknown.append(_unknown(name, parts[1:]))
            return
        if not shown.strip(" "):
            self._emit(shown or HOLE)
            return
        pieces = self.stack[-1].pieces
        preposition = self.language.format["in_language"].partition("{")[0]
        if (
            preposition
            and shown.startswith(preposition)
            and pieces
            and pieces[-1].replace("\xa0", " ").endswith(preposition)
        ):
            shown = shown.removeprefix(preposition)  # «en {{lang-de|…}}» would say «en en alemán»
        if shown.startswith(" ") and pieces and pieces[-1].endswith(tuple(_CLOSED_BY)):
            shown = shown.lstrip(" ")
        if shown.endswith("\n"):
            shown = shown[:-1] + _BREAK  # a block: what follows starts a line
        if "/" in shown and shown[0].isdigit() and pieces and pieces[-1][-1:].isdigit():
            shown = " " + shown  # 19{{frac|1|2}}
        self._emit(shown)

    def _close_link(self) -> None:
        self._emit(_link_text(self.stack.pop().close(), self.language))

    def _close_address(self) -> None:
        label = self.stack.pop().close()[0].partition(" ")[2].strip(" |")
        self._emit(label or HOLE)

    def _close_table(self, kind: int, end: int) -> None:
        index = self._find_open(kind)
        if not index:
            return
        start = self.stack[index].start
        del self.stack[index:]
        row = "\n|-" if kind == _TABLE else "<tr"
        self.stack[-1].pieces.append(_ROW * (self.text.count(row, start, end) + 1))

    # Tags.

    def _tag(self, frame: _Frame, start: int) -> int:
        if self.text.startswith("<!--", start):
            return self._comment(start)
        match = _TAG.match(self.text, start)
        if match is None:
            frame.pieces.append("<")
            return start + 1
        closing, name, end = bool(match[1]), match[2].lower(), match.end()
        if name in _HIDDEN_TAGS or name in _VERBATIM_TAGS:
            if not closing and not match[3].endswith("/"):
                return self._raw_tag(name, end)
            frame.pieces.append(_LITERAL if name == "nowiki" else HOLE)
        elif name == "table":
            if closing:
                self._close_table(_HTML_TABLE, end)
            else:
                self._open(_HTML_TABLE, start)
        elif name == "sup" and (power := _SUPERSCRIPT.match(self.text, start)):
            frame.pieces.append(superscript(power[1]))
            end = power.end()
        elif (shown := _tag_text(name, closing)) is not None:
            frame.pieces.append(shown)
        else:
            # Not a tag of wikitext («#include <stdio.h>»): MediaWiki shows it.
            frame.pieces.append("<")
            end = start + 1
        return end

    def _comment(self, start: int) -> int:
        end = -1 if self.no_comment_end else self.text.find("-->", start + 4)
        if end < 0:
            self.no_comment_end = True
            return start + 4
        end += 3
        # A comment alone on its line takes the line with it.
        if self.text.startswith("\n", end) and (start == 0 or self.text[start - 1] == "\n"):
            return end + 1
        return end

    def _raw_tag(self, name: str, end: int) -> int:
        """A tag whose content is not wikitext or is dropped: look for its end."""
        closer = self._closer(name, end)
        unclosed = closer is None or (
            name == "ref"
            and (self.text.find("<ref", end, closer[0]) >= 0 or self.text.find("\n=", end, closer[0]) >= 0)
        )
        if closer is None or unclosed:
            self.stack[-1].pieces.append(HOLE)
            return end
        content = self.text[end : closer[0]]
        if name in _HIDDEN_TAGS:
            shown = HOLE
        elif name == "nowiki":
            shown = _literal(content)
        elif name in ("math", "chem", "ce"):
            shown = _literal(_formula(content)) or HOLE
        elif "\n" in content.strip("\n"):
            shown = HOLE + "\n"
        else:
            shown = _literal(content.strip())
        self._emit(shown)
        return closer[1]

    def _closer(self, name: str, position: int) -> tuple[int, int] | None:
        """Start and end of the next closing tag; remembered, so that a page is searched once for each name."""
        start, end = self.closers.get(name, (-1, -1))
        if start < position:
            match = _closing_tag(name).search(self.text, position)
            start, end = match.span() if match else (len(self.text) + 1, -1)
            self.closers[name] = (start, end)
        return None if end < 0 else (start, end)


def _tag_text(name: str, closing: bool) -> str | None:
    """What a formatting tag puts in the text; None if there is no such tag."""
    if name == "br":
        return _BREAK
    if name == "li" and not closing:
        return "\n* "
    if name in _LINE_TAGS:
        return "\n"
    if name in _BLOCK_TAGS:
        return "\n\n"
    return "" if name in _INLINE_TAGS else None


@cache
def _closing_tag(name: str) -> re.Pattern[str]:
    return re.compile(rf"</{name}\s*>", re.IGNORECASE)


def _formula(tex: str) -> str:
    """TeX on one line, without the style commands that MediaWiki adds, and without «{{», which is not wikitext here."""
    tex = " ".join(_TEX_STYLE.sub("", tex).split())
    if tex.startswith("{") and tex.endswith("}") and "{" not in tex[1:] and "}" not in tex[:-1]:
        tex = tex[1:-1].strip()
    return _DOUBLED_BRACKETS.sub(" ", tex)


def _literal(text: str) -> str:
    return _LINE_STARTS.sub(_LITERAL, text.replace("'", APOSTROPHE))


def _unclosed_template(text: str) -> str:
    """Content of a template that is never closed, less its name and the argument lines of an infobox."""
    first, newline, rest = text.partition("\n")
    cells = first.split("|")
    if rest.lstrip().startswith("|"):
        first = ""
    elif len(cells) > 1:
        first = " ".join(cells[1:])
    lines = rest.split("\n")
    count = 0
    while count < len(lines) and lines[count].lstrip().startswith(("|", "}")):
        count += 1
    return first + newline + "\n".join(lines[count:])


def _unclosed_link(parts: list[str], language: Language) -> str:
    namespace = parts[0].partition(":")[0].strip().lower()
    if namespace in language.file_namespaces or namespace in language.category_namespaces:
        return "|".join(parts).partition("\n")[2]
    return " ".join(parts[1:]) if len(parts) > 1 else parts[0]


def _link_text(parts: list[str], language: Language) -> str:
    target, labels = parts[0].strip(), parts[1:]
    if target.startswith(("http:", "https:", "//")):
        return target.partition(" ")[2] or HOLE  # [[ ]] typed where [ ] was meant
    if target.startswith(":"):
        # A leading colon makes a plain link of any namespace or language.
        target = target[1:].strip()
    else:
        prefix, colon, _ = target.partition(":")
        prefix = prefix.strip().lower()
        if colon and (
            prefix in language.file_namespaces
            or prefix in language.category_namespaces
            or prefix in language.interlanguage
            or (prefix in language.media_namespaces and not labels)
        ):
            return HOLE
    label = "|".join(labels).strip("\n") if labels else target.replace("_", " ")
    return label if label.strip() else target.partition(" (")[0] or HOLE


class _Unknown(NamedTuple):
    """A template that could not be rendered. words: what it surely shows, its only argument, if that is plain words."""

    name: str
    words: str
    has_number: bool  # as an argument without a name


def _unknown(name: str, arguments: list[str]) -> _Unknown:
    has_number = any("=" not in argument and any(map(str.isdigit, argument)) for argument in arguments)
    text = arguments[0].strip() if len(arguments) == 1 else ""
    words = text.split()
    plain = all(word.strip("'«»,.;:()").isalpha() for word in words)
    return _Unknown(name, text if len(words) >= 2 and plain and "\n" not in text else "", has_number)


# --- Lines -----------------------------------------------------------------------------------------------------------

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_QUOTES = re.compile(r"'{2,}")
_CLOSED_BY = {"(": ")", "[": "]", "«": "»", "“": "”", '"': '"'}
# Holes in one line beyond which it is not prose, and not worth mending.
_MAX_HOLES = 2_000

_TEXT, _ITEM, _INDENTED, _HEADING = range(4)


@dataclass(frozen=True)
class _Line:
    kind: int
    text: str
    level: int = 0
    unknown: tuple[str, ...] = ()
    rows: int = 0
    holed: int = 0


@cache
def _magic_words(language: Language) -> re.Pattern[str]:
    return re.compile(f"__(?:{'|'.join(language.magic_words)})__", re.IGNORECASE)


def _without_quotes(line: str) -> str:
    """A line without bold and italic marks; apostrophes that stand beside them stay."""
    pieces = _QUOTES.split(line)
    counts = [len(run) for run in _QUOTES.findall(line)]
    extra = {i for i, count in enumerate(counts) if count == 4}  # an apostrophe and bold
    bold = sum(count in (3, 4, 5) for count in counts)
    italic = sum(count in (2, 5) for count in counts)
    if bold % 2 and italic % 2:
        # As MediaWiki does, one bold mark is read as an apostrophe and italic; after a single letter if there is one.
        marks = [i for i, count in enumerate(counts) if count == 3]
        single = [i for i in marks if pieces[i] and pieces[i][-2:-1] in ("", " ")]
        extra.update((single or marks)[:1])
    for i in extra:
        pieces[i] += "'"
    return "".join(pieces)


def _entity(match: re.Match[str]) -> str:
    shown = _UNWANTED.sub("", html.unescape(match[0])).replace("\n", " ")
    return _LITERAL + shown if shown in "*#:;=|!-" else shown


def _lines(text: str, unknown: list[_Unknown], language: Language) -> Iterator[_Line | None]:
    """Every line with its kind, cleaned; None for a blank one."""
    for raw in text.split("\n"):
        line = raw.strip(" \t")
        rows = line.count(_ROW)
        if rows:
            line = line.replace(_ROW, HOLE)
        kind, level = _TEXT, 0
        if line and line[0] in "=*#:;|-":
            kind, level, line = _line_markup(line)
        names: list[str] = []
        holed = 0
        pieces = []
        for piece in line.split(_BREAK) if _BREAK in line else [line]:
            cleaned = _clean(piece, unknown, names, language, kind == _TEXT)
            if WOUND in cleaned:
                whole, wounds = whole_sentences(cleaned, language)
                cleaned = _SPACES.sub(" ", cleaned.replace(WOUND, "")).strip() if kind == _HEADING else whole
                holed += wounds
            if cleaned.strip(".,;:"):
                pieces.append(cleaned)
        if pieces:
            joined = (" " if kind == _HEADING else "\n").join(pieces)
            yield _Line(kind, joined, level, tuple(names), rows, holed)
        else:
            yield _Line(_TEXT, "", 0, tuple(names), rows, holed) if rows or holed else None


def _line_markup(line: str) -> tuple[int, int, str]:
    """Kind, heading level and content of a line that starts with a character of wikitext."""
    if line[0] == "|" or (len(line) > 1 and not line.strip("=")):
        return _TEXT, 0, ""  # a row of a table that was never opened, or a rule
    if line[0] == "=":
        level, title = _heading(line)
        return (_HEADING, level, title) if level else (_TEXT, 0, line)
    if line[0] == "-":
        return _TEXT, 0, line.lstrip("- ") if line.startswith("----") else line
    content = line.lstrip("*#:; \t")
    if line[0] == ";":
        content = content.replace(" : ", ": ", 1)  # term and definition on one line
    marks = line[: len(line) - len(line.lstrip("*#:; \t"))]
    return _ITEM if set("*#;").intersection(marks) else _INDENTED, 0, content


def _heading(line: str) -> tuple[int, str]:
    """Level and title of a heading line; level 0 if it is none."""
    line = line.rstrip(HOLE + " ")
    level = 0
    while level < 6 and line[level : level + 1] == "=" == line[-level - 1] and len(line) > 2 * level + 2:
        level += 1
    return level, line[level : len(line) - level].strip("= ")


def _clean(text: str, unknown: list[_Unknown], names: list[str], language: Language, prose: bool) -> str:
    """A line without marks but `WOUND`, with its holes mended and single blanks.

    Names of unrendered templates go to `names`. `prose`: the line is no list item or heading.
    """
    if _UNKNOWN in text:
        text = _resolve(text, unknown, names, prose)
    if _LITERAL in text:
        text = text.replace(_LITERAL, "")
    if _ODD_SPACES.search(text):
        text = _SPACES.sub(" ", text)
    if HOLE in text:
        text = _mend(text, language)
    return text.replace(APOSTROPHE, "'").strip()


def _resolve(text: str, unknown: list[_Unknown], names: list[str], prose: bool) -> str:
    """Put something in the place of each template that could not be rendered: its only argument, a hole or a wound."""
    if not any(c.isalnum() for c in _UNKNOWN_TEMPLATE.sub("", text)):
        return _UNKNOWN_TEMPLATE.sub(HOLE, text).replace(_UNKNOWN, "")
    pieces: list[str] = []
    position = 0
    for match in _UNKNOWN_TEMPLATE.finditer(text):
        template = unknown[int(match[1].translate(_FROM_DIGITS))]
        pieces.append(text[position : match.start()])
        position = match.end()
        before, after = text[match.start() - 1 : match.start()], text[position : position + 2]
        if template.words and before in (" ", "\xa0", "(", "«"):
            pieces.append(template.words)
            continue
        if template.name:
            names.append(template.name)
        # Between two words of a sentence something is missing, and so is a number before a comma or a full stop. What
        # is glued to a word, or stands at the edge of a sentence, was a note or an icon.
        next_ = after.lstrip(" \xa0")[:1]
        goes_on = next_.isalnum() or (next_ and next_ in "%‰°€$£-–/…")
        blank = before in (" ", "\xa0")
        within = blank and pieces[-1].strip(" \xa0" + HOLE)[-1:] not in ("", ".", "!", "?")
        opens = prose and not before and after[:1].isspace() and after[1:].islower()
        opens_quotation = before in ("«", "“", "¡", "¿", "[") and after[:1].isspace() and goes_on
        wounded = opens or opens_quotation or (within and (goes_on or template.has_number))
        pieces.append(WOUND + HOLE if wounded else HOLE)
    return "".join([*pieces, text[position:]]).replace(_UNKNOWN, "")


def _mend(line: str, language: Language) -> str:
    """Close the holes of a line: «Lima ( ; ) , capital» gives «Lima, capital» where something was taken out."""
    parts = line.split(HOLE)
    if len(parts) > _MAX_HOLES:
        return _SPACES.sub(" ", "".join(parts))
    left: list[str] = []
    for i, right in enumerate(parts):
        left.append(right if i == 0 else _join(left, right, language))
    mended = _SPACES.sub(" ", "".join(left))
    return mended if any(c.isalnum() for c in mended) else ""


def _join(left: list[str], right: str, language: Language) -> str:
    """Trim the end of `left` and the start of `right` on both sides of one hole; returns `right`."""
    spaced = right.startswith(" ")
    right = right.lstrip(" ")
    while True:
        spaced = _trim(left, " ") or spaced
        last = left[-1][-1] if left else ""
        next_ = right[:1]
        if last and next_ and _CLOSED_BY.get(last) == next_:
            # Nothing is left inside these brackets: they are part of the hole.
            left[-1] = left[-1][:-1]
            right = right[1:]
            spaced = right.startswith(" ") or spaced
            right = right.lstrip(" ")
        elif last in ("", "(", "[", "«", "“") and next_ and next_ in ",;:":
            right = right[1:].lstrip(" ")
        elif last == ":" and (next_ == ")" or (spaced and next_ and next_ in ".,;")):
            left[-1] += WOUND  # «(capital: )»
            break
        elif last and next_ and last in ",;:" and next_ in ",;:.)":
            left[-1] = left[-1][:-1]
        else:
            break
    if spaced and last.isalpha():
        word = left[-1].rpartition(" ")[2].lstrip("(«“¿¡\"'[")
        ends = not next_ or next_ in ",;:.!?)…-" or right.partition(" ")[0] in language.conjunctions
        if ends and word.lower() in language.function_words:
            # «Nació en .»: what stood here was part of the sentence.
            left[-1] += WOUND
    if last in ("", "(", "[", "«", "“") or (next_ and next_ in ",;:.!?)]»”"):
        return right
    spaced = spaced or (last in ".!?" and next_.isupper())  # «uno.<ref>…</ref>Dos»
    if not spaced:
        return right
    return " " + right


def _trim(left: list[str], characters: str) -> bool:
    """Strip characters from the end of a text in pieces; True if there were any."""
    trimmed = False
    while left:
        stripped = left[-1].rstrip(characters)
        trimmed = trimmed or len(stripped) < len(left[-1])
        if stripped:
            left[-1] = stripped
            break
        left.pop()
    return trimmed


# --- Paragraphs and sections -----------------------------------------------------------------------------------------


def _assemble(lines: Iterator[_Line | None], language: Language) -> Rendered:
    """Join lines into paragraphs; leave out listed sections and headings with nothing under them."""
    pieces: list[str] = []
    pending: list[_Line] = []  # headings that wait for text
    unrendered: list[str] = []
    dropped_level = 0  # level of the heading whose section is being dropped
    sections = items = count = rows = holed = 0
    previous: int | None = None  # kind of the line above, None after a blank line
    for line in lines:
        if line is None:
            previous = None
        elif line.kind == _HEADING:
            if dropped_level and line.level > dropped_level:
                continue
            dropped_level = line.level if section_key(line.text) in language.dropped_sections else 0
            pending = [heading for heading in pending if heading.level < line.level]
            if not dropped_level:
                pending.append(line)
            previous = None
        elif not dropped_level:
            rows += line.rows
            holed += line.holed
            if not line.text:
                unrendered += line.unknown
                previous = None
                continue
            for heading in pending:
                pieces += ["\n\n", heading.text]
                unrendered += heading.unknown
            sections += len(pending)
            count += len(pending)
            if pending:
                pending, previous = [], None
            same_block = previous is not None and (previous == _TEXT) == (line.kind == _TEXT)
            pieces += ["\n" if same_block else "\n\n", line.text]
            unrendered += line.unknown
            size = line.text.count("\n") + 1
            count += size
            items += size if line.kind == _ITEM else 0
            previous = line.kind
    text = compose("".join(pieces[1:]))
    list_share = (items + rows) / (count + rows) if count + rows else 0.0
    return Rendered(text, sections, list_share, tuple(sorted(unrendered)), holed)
