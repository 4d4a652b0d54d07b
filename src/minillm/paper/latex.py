"""The bridge from values to LaTeX: text is escaped, numbers are written the Spanish way.

Templates hold `\\VAR{…}`, `\\BLOCK{…}` and `\\COMMENT{…}`. What a model says is data: `escape` lets
an allow-list of characters through and prints every other one as a boxed code point, so that no
text can run a command, break an argument or stop pdflatex. A number reaches the page only through a
filter that fixes its digits; each one is recorded, so that `minillm.paper.check` can look for it in
the PDF.

The article's preamble defines `\\codepoint{FFFD}` (a boxed code point) and `\\tachado{…}` (struck
out).
"""

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import jinja2
from jinja2.runtime import Context

from minillm.files import write_json


class Latex(str):
    """Text that is LaTeX already: it reaches the page as it is."""

    __slots__ = ()


# Braces around a character break ligatures (--, ,,) and keep [ * , = from being read as an option.
_ASCII = {
    **{c: c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .:;()/+@!?"},
    **{c: f"{{{c}}}" for c in "[]*,=-"},
    **{c: f"\\{c}" for c in "{}$&#_"},
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    # Positions in T1: babel's Spanish puts a space before \%, and \textasciigrave is a bitmap (Type
    # 3) font in Times.
    "%": r"\symbol{37}",
    "`": r"\symbol{0}",
}

# What T1 and TS1 hold as one glyph of a Type 1 font in Times, Helvetica and Courier. Other accented
# letters are drawn from two glyphs and do not come out of the PDF as themselves; lone accents are
# too easily lost.
_TYPE_1 = (
    "¡¢£¤¥¦§©ª«¬®°±²³µ¶·¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ"
    "ıŁłŒœŠšŸŽžƒ‘’‚“”„†‡•…‰‹›⁄€™–—"
)

_MATHS = {
    "−": "-",
    "≤": r"\leq",
    "≥": r"\geq",
    "≈": r"\approx",
    "∞": r"\infty",
    "∈": r"\in",
    "√": r"\surd",
    "←": r"\leftarrow",
    "→": r"\rightarrow",
    "↔": r"\leftrightarrow",
    **dict(
        re.findall(
            r"(\S) (\\\w+)",
            r"α \alpha  β \beta  γ \gamma  δ \delta  ε \varepsilon  ζ \zeta  η \eta  θ \theta  ι \iota  "
            r"κ \kappa  λ \lambda  μ \mu  ν \nu  ξ \xi  π \pi  ρ \rho  σ \sigma  ς \varsigma  "
            r"τ \tau  υ \upsilon  φ \varphi  χ \chi  ψ \psi  ω \omega  Γ \Gamma  Δ \Delta  Θ \Theta  "
            r"Λ \Lambda  Ξ \Xi  Π \Pi  Σ \Sigma  Υ \Upsilon  Φ \Phi  Ψ \Psi  Ω \Omega  ",
        )
    ),
}

_ALLOWED = {
    **_ASCII,
    **{c: c for c in _TYPE_1},
    **{c: rf"\ensuremath{{{command}}}" for c, command in _MATHS.items()},
    "\N{NO-BREAK SPACE}": "~",
    "\N{THIN SPACE}": r"\,",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
}

LONGEST_WORD = 20  # characters of a model's text that are kept on one line
_BLANK = re.compile(r"[ \t\r\n]+")


def escape(text: str) -> Latex:
    """Any text as LaTeX that prints it: in a paragraph, in an argument, in a cell of a table.

    Blanks, ends of line among them, become one space. A character that is not on the allow-list is
    printed as its code point in a box, `\\codepoint{1F600}`. Letters are composed first (NFC): n
    and a combining tilde print as ñ.
    """
    return Latex("".join(_ALLOWED.get(c) or rf"\codepoint{{{ord(c):04X}}}" for c in _composed(text)))


def sample(text: str) -> Latex:
    """What a model wrote, as `escape` prints it; a line may end inside a word that is too long for one."""
    words = _composed(text).split(" ")
    broken = (
        r"\hspace{0pt}".join(escape(word[start : start + LONGEST_WORD]) for start in range(0, len(word), LONGEST_WORD))
        for word in words
    )
    return Latex(" ".join(broken))


def _composed(text: str) -> str:
    """Letters composed with their marks, and single blanks."""
    return unicodedata.normalize("NFC", _BLANK.sub(" ", text))


@dataclass(frozen=True)
class Quantity:
    """A measured number on its way to the page.

    `low` and `high` are its interval (both or neither), `n` what it was measured on, `struck`
    whether a failed check strikes it out, `metric` the name that an error message calls it by.
    """

    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None
    struck: bool = False
    metric: str = ""

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise ValueError(f"{self.metric or 'a quantity'} has half an interval: give low and high, or neither")


class Number(Latex):
    """A number as LaTeX, with its plain text (as the PDF will show it), its value and its unit."""

    __slots__ = ("plain", "unit", "value")
    plain: str
    value: float
    unit: str

    def __new__(cls, latex: str, plain: str, value: float, unit: str) -> "Number":
        number = super().__new__(cls, latex)
        number.plain, number.value, number.unit = plain, value, unit
        return number


@dataclass
class PrintedNumbers:
    """Every number that a filter put on the page, in order, for the check of the PDF to find."""

    records: list[dict[str, str | float]] = field(default_factory=list)

    def append(self, number: Number) -> None:
        self.records.append({"printed": number.plain, "value": number.value})

    def write(self, path: Path) -> None:
        """Write numbers.json: a list of {"printed": "12 345,67", "value": 12345.67}."""
        write_json(path, self.records)


def decimal(value: object, places: int) -> Number:
    """1234.5 with two places: «1234,50». Half to even, on the digits that the result file shows."""
    quantity = _quantity(value, "decimal")
    return _print(quantity, *_spanish(_fixed(quantity.value, places)))


def significant(value: object, digits: int) -> Number:
    """0.001234 with two digits: «0,0012»; 12345 with two digits: «12 000»; zero: «0»."""
    quantity = _quantity(value, "significant")
    mantissa, exponent = _mantissa(quantity.value, digits)
    rounded = Decimal(mantissa).scaleb(exponent)
    return _print(quantity, *_spanish(format(rounded, "f")))


def integer(value: object) -> Number:
    """A count: «1234», «12 345». A value that is not whole is refused: rounding is |decimal(0)."""
    quantity = _quantity(value, "integer")
    if quantity.value != int(quantity.value):
        raise ValueError(f"{_name(quantity)} is {quantity.value}, not a whole number; use |decimal(0)")
    return _print(quantity, *_spanish(str(int(quantity.value))))


def percent(value: object, places: int) -> Number:
    """A share from 0 to 1: 0.1234 with one place is «12,3 %»."""
    quantity = _quantity(value, "percent")
    latex, plain = _spanish(_fixed(quantity.value, places, shift=2))
    # babel's Spanish \% takes the space before it away and puts a thin one.
    return _print(quantity, rf"{latex}~\%", f"{plain} %")


def interval(value: object, places: int) -> Number:
    """The value and its interval, «1,70 [1,66; 1,75]»; the value alone if it has none."""
    quantity = _quantity(value, "interval")
    latex, plain = _spanish(_fixed(quantity.value, places))
    if quantity.low is not None and quantity.high is not None:
        low, high = (_spanish(_fixed(bound, places)) for bound in (quantity.low, quantity.high))
        latex, plain = f"{latex} {{[}}{low[0]};~{high[0]}{{]}}", f"{plain} [{low[1]}; {high[1]}]"
    return _print(quantity, latex, plain)


def exact(value: object) -> Number:
    """A setting with all the digits that it was given: 0.00025 is «0,00025», 0.1 is «0,1»."""
    quantity = _quantity(value, "exact")
    return _print(quantity, *_spanish(format(_exact(quantity.value).normalize(), "f")))


def scientific(value: object, digits: int) -> Number:
    """37012345 with two digits: «3,7 × 10⁷»; zero: «0»."""
    quantity = _quantity(value, "scientific")
    mantissa, exponent = _mantissa(quantity.value, digits)
    latex, plain = _spanish(mantissa)
    if quantity.value:
        raised = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        latex = rf"\ensuremath{{{latex}\times 10^{{{exponent}}}}}"
        plain = f"{plain} × 10{raised}"
    return _print(quantity, latex, plain)


def with_unit(value: object, places: int | None = None) -> Number:
    """The number and its unit: `q|with_unit(2)`, or after a filter, `q|interval(2)|with_unit`."""
    if not isinstance(value, Number):
        if places is None:
            raise TypeError("|with_unit needs to know the digits; use |with_unit(2) or |decimal(2)|with_unit")
        value = decimal(value, places)
    unit = f"~{escape(value.unit)}" if value.unit else ""
    return Number(f"{value}{unit}", value.plain, value.value, value.unit)


class _MarkedLoader(jinja2.FileSystemLoader):
    """Puts the name of each template around its text, in comments: an error of LaTeX is traced back by them."""

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        source, path, is_current = super().get_source(environment, template)
        begin, end = (rf"\VAR{{{mark!r} | latex}}" for mark in (f"% <{template}>\n", f"% </{template}>\n"))
        return f"{begin}{source}{end}", path, is_current


def environment(folders: Path | Sequence[Path], recorder: PrintedNumbers | None = None) -> jinja2.Environment:
    """A Jinja environment for the LaTeX templates of some folders; it reads no file outside them.

    A template in an earlier folder takes the place of one with the same name in a later one.
    `recorder` is told of every number that a filter printed. What a macro or a `\\BLOCK{set}` block
    returns is text to Jinja: write `\\VAR{table(rows)|latex}`; the values inside it were escaped
    when it was made.
    """
    templates = jinja2.Environment(
        loader=_MarkedLoader(folders),
        block_start_string=r"\BLOCK{",
        block_end_string="}",
        variable_start_string=r"\VAR{",
        variable_end_string="}",
        comment_start_string=r"\COMMENT{",
        comment_end_string="}",
        line_statement_prefix="%%",
        line_comment_prefix="%#",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Jinja's own escaping is for HTML; `finalize` sees every value instead.
        undefined=jinja2.StrictUndefined,
        finalize=_finalize(recorder),
    )
    templates.filters.update(
        decimal=decimal,
        significant=significant,
        integer=integer,
        percent=percent,
        exact=exact,
        interval=interval,
        scientific=scientific,
        with_unit=with_unit,
        latex=Latex,
        sample=sample,
    )
    return templates


def _finalize(recorder: PrintedNumbers | None) -> Any:
    # pass_context keeps Jinja from calling it when a template is compiled, where nothing is printed
    # yet.
    @jinja2.pass_context
    def finalize(context: Context, value: object) -> str:
        if isinstance(value, Latex):
            if recorder is not None and isinstance(value, Number):
                recorder.append(value)
            return value
        if isinstance(value, str | jinja2.Undefined):
            return escape(str(value))
        if isinstance(value, int) and not isinstance(value, bool):
            return _spanish(str(value))[0]
        if isinstance(value, float | Quantity):
            mend = "use |decimal(2) or another filter that says how many digits to print"
        elif value is None:
            mend = "there is no value to print: test it with \\BLOCK{if … is not none}"
        else:
            mend = "print one of its parts, or choose words with \\BLOCK{if}"
        raise TypeError(f"{context.name or 'the template'} prints {value!r} as it is; {mend}")

    return finalize


def _quantity(value: object, filter_name: str) -> Quantity:
    """The filter's input as a Quantity whose numbers are all finite."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = Quantity(value)
    if not isinstance(value, Quantity):
        raise TypeError(f"|{filter_name} prints a number or a Quantity, not {value!r}; give it the value")
    for number in (value.value, value.low, value.high):
        if number is not None and not math.isfinite(number):
            raise ValueError(f"{_name(value)} is {number}; mend the stage that measured it, or leave it out")
    return value


def _name(quantity: Quantity) -> str:
    return quantity.metric or "the number"


def _print(quantity: Quantity, latex: str, plain: str) -> Number:
    if quantity.struck:
        latex = rf"\tachado{{{latex}}}"
    return Number(latex, plain, quantity.value, quantity.unit)


def _exact(value: float) -> Decimal:
    """The digits that Python and the result files show: 2.675, not 2.67499999999999982236431606."""
    return Decimal(value) if isinstance(value, int) else Decimal(repr(float(value)))


def _fixed(value: float, places: int, shift: int = 0) -> str:
    return format(_exact(value).scaleb(shift), f".{_count(places, 0)}f")


def _mantissa(value: float, digits: int) -> tuple[str, int]:
    """The value as (3.7, 7) for 3.7 × 10⁷; zero has no significant digits and is (0, 0)."""
    mantissa, exponent = format(_exact(value), f".{_count(digits, 1) - 1}e").split("e")
    return (mantissa, int(exponent)) if value else ("0", 0)


def _count(digits: int, least: int) -> int:
    if not isinstance(digits, int) or digits < least:
        raise ValueError(f"{digits!r} digits cannot be printed; write a whole number from {least} up")
    return digits


def _spanish(digits: str) -> tuple[str, str]:
    """The digits -12345.67 as LaTeX and as plain text, «−12 345,67».

    Decimal comma; thin spaces group whole parts of five digits or more (Ortografía de la lengua
    española, 2010; ISO 80000-1).
    """
    whole, _, fraction = digits.lstrip("-").partition(".")
    negative = digits.startswith("-") and any(c in "123456789" for c in digits)
    groups = f"{int(whole):,}".split(",") if len(whole) > 4 else [whole]
    latex = (r"\ensuremath{-}" if negative else "") + r"\,".join(groups)
    plain = ("−" if negative else "") + " ".join(groups)
    return (f"{latex}{{,}}{fraction}", f"{plain},{fraction}") if fraction else (latex, plain)
