"""Numbers as a Spanish reader writes them (worked out by hand); text that is only printed."""

import json
import math
import re
from pathlib import Path

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.paper.latex import (
    Latex,
    Number,
    PrintedNumbers,
    Quantity,
    decimal,
    environment,
    escape,
    exact,
    integer,
    interval,
    percent,
    sample,
    scientific,
    significant,
    with_unit,
)


@pytest.fixture
def templates(tmp_path: Path) -> jinja2.Environment:
    return environment(tmp_path)


def say(templates: jinja2.Environment, template: str, **values: object) -> str:
    return templates.from_string(template).render(**values)


@pytest.mark.parametrize(
    ("value", "places", "latex", "plain"),
    [
        (1.7, 2, "1{,}70", "1,70"),
        (0, 0, "0", "0"),
        (3, 2, "3{,}00", "3,00"),
        (1234.5, 2, "1234{,}50", "1234,50"),
        (12345.67, 1, r"12\,345{,}7", "12 345,7"),
        (9999.96, 1, r"10\,000{,}0", "10 000,0"),
        (1234567.0, 0, r"1\,234\,567", "1 234 567"),
        (-0.5, 1, r"\ensuremath{-}0{,}5", "−0,5"),
        (-0.001, 2, "0{,}00", "0,00"),
        (-0.0, 1, "0{,}0", "0,0"),
        (-12345, 0, r"\ensuremath{-}12\,345", "−12 345"),
        (2.675, 2, "2{,}68", "2,68"),
        (0.125, 2, "0{,}12", "0,12"),
        (1e-7, 3, "0{,}000", "0,000"),
        (1e22, 0, r"10\,000\,000\,000\,000\,000\,000\,000", "10 000 000 000 000 000 000 000"),
        (0.1 + 0.2, 4, "0{,}3000", "0,3000"),
    ],
)
def test_decimal(value: float, places: int, latex: str, plain: str) -> None:
    number = decimal(value, places)
    assert (number, number.plain, number.value) == (latex, plain, value)


@pytest.mark.parametrize(
    ("value", "digits", "plain"),
    [
        (0.001234, 2, "0,0012"),
        (12345, 2, "12 000"),
        (9.996, 3, "10,0"),
        (99.96, 3, "100"),
        (0, 2, "0"),
        (0.0, 2, "0"),
        (-1.25, 2, "−1,2"),
        (123456789, 4, "123 500 000"),
    ],
)
def test_significant(value: float, digits: int, plain: str) -> None:
    assert significant(value, digits).plain == plain


def test_integer() -> None:
    assert integer(1234) == "1234"
    assert integer(12345.0) == r"12\,345"
    assert integer(10**15).plain == "1 000 000 000 000 000"
    with pytest.raises(ValueError, match=r"tokens is 3\.5, not a whole number; use \|decimal\(0\)"):
        integer(Quantity(3.5, metric="tokens"))


@pytest.mark.parametrize(
    ("value", "places", "plain"),
    [
        (0.123, 1, "12,3 %"),
        (1.0, 0, "100 %"),
        (0.285, 0, "28 %"),
        (0.295, 0, "30 %"),
        (0.00049, 1, "0,0 %"),
        (-0.05, 0, "−5 %"),
        (0.07, 2, "7,00 %"),
    ],
)
def test_percent(value: float, places: int, plain: str) -> None:
    assert percent(value, places).plain == plain


def test_percent_latex() -> None:
    assert percent(0.123, 1) == r"12{,}3~\%"


def test_interval() -> None:
    quantity = Quantity(1.7, "bits por byte", 1.66, 1.75)
    assert interval(quantity, 2) == "1{,}70 {[}1{,}66;~1{,}75{]}"
    assert interval(quantity, 2).plain == "1,70 [1,66; 1,75]"
    assert interval(Quantity(0.0, low=-0.104, high=0.2), 2).plain == "0,00 [−0,10; 0,20]"
    assert interval(Quantity(1.7), 2) == interval(1.7, 2) == "1{,}70"


@pytest.mark.parametrize(
    ("value", "digits", "latex", "plain"),
    [
        (37012345, 2, r"\ensuremath{3{,}7\times 10^{7}}", "3,7 × 10⁷"),
        (0.00052, 2, r"\ensuremath{5{,}2\times 10^{-4}}", "5,2 × 10⁻⁴"),
        (-4e12, 1, r"\ensuremath{\ensuremath{-}4\times 10^{12}}", "−4 × 10¹²"),
        (9.99e5, 2, r"\ensuremath{1{,}0\times 10^{6}}", "1,0 × 10⁶"),
        (0.0, 2, "0", "0"),
    ],
)
def test_scientific(value: float, digits: int, latex: str, plain: str) -> None:
    assert (scientific(value, digits), scientific(value, digits).plain) == (latex, plain)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (0.00025, "0,00025"),
        (1e-7, "0,0000001"),
        (0.1, "0,1"),
        (0.1 + 0.2, "0,30000000000000004"),
        (3, "3"),
        (3.0, "3"),
        (30000.0, "30 000"),
        (1e22, "10 000 000 000 000 000 000 000"),
        (0, "0"),
        (-0.0, "0"),
        (-1.50, "−1,5"),
    ],
)
def test_exact(value: float, plain: str) -> None:
    """A setting as it was written, without zeros at the end."""
    assert (exact(value).plain, exact(value).value) == (plain, value)


def test_exact_latex(templates: jinja2.Environment) -> None:
    assert exact(0.00025) == "0{,}00025"
    assert exact(-12345.5) == r"\ensuremath{-}12\,345{,}5"
    assert exact(Quantity(0.5, struck=True)) == r"\tachado{0{,}5}"
    assert say(templates, r"\VAR{x|exact}", x=0.1) == "0{,}1"
    with pytest.raises(ValueError, match="rate is nan; mend the stage"):
        exact(Quantity(math.nan, metric="rate"))
    with pytest.raises(TypeError, match=r"\|exact prints a number or a Quantity, not '0,1'"):
        exact("0,1")


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**15), 10**15))
def test_no_digit_of_an_exact_number_is_lost(value: float) -> None:
    plain = exact(value).plain
    assert float(plain.replace(" ", "").replace("−", "-").replace(",", ".")) == value
    assert not re.search(r",\d*0$|,$", plain)


def test_with_unit() -> None:
    quantity = Quantity(1.7, "bits & bytes", 1.66, 1.75)
    assert with_unit(quantity, 2) == r"1{,}70~bits \& bytes"
    assert with_unit(interval(quantity, 1)) == r"1{,}7 {[}1{,}7;~1{,}8{]}~bits \& bytes"
    assert with_unit(quantity, 2).plain == "1,70"
    assert with_unit(5, 0) == "5"
    with pytest.raises(TypeError, match=r"use \|with_unit\(2\)"):
        with_unit(quantity)


def test_struck() -> None:
    assert decimal(Quantity(1.5, struck=True), 1) == r"\tachado{1{,}5}"
    assert with_unit(percent(Quantity(0.5, "x", struck=True), 0)) == r"\tachado{50~\%}~x"
    assert decimal(Quantity(1.5, struck=True), 1).plain == "1,5"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_not_finite_names_the_metric(bad: float) -> None:
    with pytest.raises(ValueError, match=r"bits_per_byte is (nan|inf|-inf); mend the stage"):
        decimal(Quantity(bad, metric="bits_per_byte"), 2)
    with pytest.raises(ValueError, match="mend the stage"):
        interval(Quantity(1.0, low=0.0, high=bad), 2)


@pytest.mark.parametrize("bad", ["1.5", None, True, [1]])
def test_filters_refuse_what_is_no_number(bad: object) -> None:
    with pytest.raises(TypeError, match=r"\|percent prints a number or a Quantity, not"):
        percent(bad, 1)


def test_bad_digits_and_half_an_interval() -> None:
    with pytest.raises(ValueError, match="write a whole number from 0 up"):
        decimal(1.5, -1)
    with pytest.raises(ValueError, match="write a whole number from 1 up"):
        significant(1.5, 0)
    with pytest.raises(ValueError, match="loss has half an interval"):
        Quantity(1.5, low=1.0, metric="loss")


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 8))
def test_printed_numbers_read_back(value: float, places: int) -> None:
    plain = decimal(value, places).plain
    back = float(plain.replace(" ", "").replace("−", "-").replace(",", "."))
    assert math.isclose(back, value, rel_tol=1e-15, abs_tol=0.5000001 * 10.0**-places)
    assert re.fullmatch(r"−?(\d{1,4}|\d{1,3}( \d{3})+)(,\d+)?", plain)


# What escape may print: safe characters, the commands of its tables, and braces that pair off.
_SAFE = re.compile(
    r"""[A-Za-z0-9 .:;()/+@!?~]|\{[]\[*,=-]\}|\\[{}$&#_,]
    |\\symbol\{(37|0)\}|\\codepoint\{[0-9A-F]{4,6}\}
    |\\text(backslash|asciicircum|asciitilde|less|greater|bar|quotedbl|quotesingle)\{\}
    |\\ensuremath\{(\\[A-Za-z]+|-)\}|[¡-ſƒ‘’‚“”„†‡•…‰‹›⁄€™–—]""",
    re.VERBOSE,
)


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", errors="replace")))
def test_nothing_but_the_allow_list(text: str) -> None:
    shown = escape(text)
    assert _SAFE.sub("", shown) == ""
    assert "\n" not in shown


@given(st.text(alphabet="abcñáéíóúüÑ¿¡ ().:;«»"))
def test_spanish_prints_as_itself(text: str) -> None:
    assert escape(text) == re.sub(" +", " ", text)


def test_every_character() -> None:
    for code in range(0x110000):
        assert not _SAFE.sub("", escape(chr(code))), hex(code)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("100 %", r"100 \symbol{37}"),
        ("a--b", "a{-}{-}b"),
        ("a\n\n b\tc\r\nd", "a b c d"),
        ("n\u0303", "ñ"),
        ("q\u0303", r"q\codepoint{0303}"),
        ("\x00\ufffd😀", r"\codepoint{0000}\codepoint{FFFD}\codepoint{1F600}"),
        ("\udc80", r"\codepoint{DC80}"),
        ("\u200b\u202e\u00ad", r"\codepoint{200B}\codepoint{202E}\codepoint{00AD}"),
        ("α\u00a0€", r"\ensuremath{\alpha}~€"),
        ("", ""),
    ],
)
def test_escape(text: str, latex: str) -> None:
    assert escape(text) == latex
    assert isinstance(escape(text), Latex)


def test_delimiters(templates: jinja2.Environment) -> None:
    template = "\\BLOCK{for x in xs}\n\\COMMENT{no}\\VAR{x}\n\\BLOCK{endfor}\n%% if 1\nsí\n%% endif\nfin%# no\n"
    assert say(templates, template, xs=["{%", "{{a}}"]) == ("\\{\\symbol{37}\n\\{\\{a\\}\\}\nsí\nfin\n")


def test_finalize(templates: jinja2.Environment) -> None:
    assert say(templates, r"\VAR{x}", x=Latex(r"\alpha")) == r"\alpha"
    assert say(templates, r"\VAR{x}", x=r"\alpha") == r"\textbackslash{}alpha"
    assert say(templates, r"\VAR{x} \VAR{y}", x=2026, y=-1234567) == r"2026 \ensuremath{-}1\,234\,567"
    assert say(templates, r"\VAR{x|decimal(2)}", x=Quantity(2.5)) == "2{,}50"


@pytest.mark.parametrize(
    ("value", "mend"),
    [
        (1.5, r"use \|decimal\(2\)"),
        (Quantity(1.5), r"use \|decimal\(2\)"),
        (None, "there is no value to print"),
        (True, "choose words"),
        ([1], "print one of its parts"),
    ],
)
def test_finalize_refuses(templates: jinja2.Environment, value: object, mend: str) -> None:
    with pytest.raises(TypeError, match=mend):
        say(templates, r"\VAR{x}", x=value)


def test_undefined_is_an_error(templates: jinja2.Environment) -> None:
    with pytest.raises(jinja2.UndefinedError, match="'nada' is undefined"):
        say(templates, r"\VAR{nada}")


def test_templates_stay_in_their_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.tex").write_text("secreto")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.tex").write_text(r"\BLOCK{include 'b.tex'}")
    (tmp_path / "in" / "b.tex").write_text("dentro\n")
    templates = environment(tmp_path / "in")
    assert templates.get_template("a.tex").render().splitlines() == [
        *("% <a.tex>", "% <b.tex>", "dentro", "% </b.tex>", "% </a.tex>"),
    ]
    for name in ("../secret.tex", str(tmp_path / "secret.tex")):
        with pytest.raises(jinja2.TemplateNotFound):
            templates.get_template(name)


def test_a_macro_is_latex_when_it_says_so(templates: jinja2.Environment) -> None:
    macro = r"\BLOCK{macro f(x)}\textbf{\VAR{x}}\BLOCK{endmacro}"
    assert say(templates, macro + r"\VAR{f(x)|latex}", x="a_b") == r"\textbf{a\_b}"
    assert say(templates, macro + r"\VAR{f(x)}", x="a").startswith(r"\textbackslash{}textbf")


def test_recorder_keeps_what_is_printed_in_order(tmp_path: Path) -> None:
    recorder = PrintedNumbers()
    template = (
        r"\BLOCK{set unused = a|decimal(1)}\VAR{b|percent(1)} \VAR{2.5|decimal(1)}"
        r"\BLOCK{for i in [1, 2]}\VAR{a|interval(2)|with_unit}\BLOCK{endfor} \VAR{7} \VAR{'8'}"
    )
    page = environment(tmp_path, recorder).from_string(template)
    assert recorder.records == []
    page.render(a=Quantity(1.7, "bits", 1.66, 1.75), b=0.123)
    assert recorder.records == [
        {"printed": "12,3 %", "value": 0.123},
        {"printed": "2,5", "value": 2.5},
        {"printed": "1,70 [1,66; 1,75]", "value": 1.7},
        {"printed": "1,70 [1,66; 1,75]", "value": 1.7},
    ]
    recorder.write(tmp_path / "numbers.json")
    assert json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8")) == recorder.records


def test_number_is_latex() -> None:
    assert isinstance(decimal(1, 0), Number)
    assert isinstance(decimal(1, 0), Latex)


def test_a_sample_may_break_inside_a_long_word() -> None:
    assert sample(" corto y\n" + "a" * 45) == " corto y " + r"\hspace{0pt}".join(["a" * 20, "a" * 20, "a" * 5])
    assert sample("50 %") == r"50 \symbol{37}"
    assert sample("") == ""


def test_where_a_sample_may_break() -> None:
    """Not in a word of 20 characters, but in one of 21; a character that takes a command stays whole."""
    assert sample("a" * 20) == "a" * 20
    assert sample("a" * 21) == "a" * 20 + r"\hspace{0pt}a"
    assert sample("ñ" * 19 + "%%") == "ñ" * 19 + r"\symbol{37}\hspace{0pt}\symbol{37}"
    assert isinstance(sample("a"), Latex)


# Composed letters and words of at most one blank in between: what a vocabulary of normalised text can write.
written = st.lists(st.text("abcñáé¿?.,%_\\😀«»", min_size=1, max_size=70), max_size=4).map(" ".join)


@given(written)
def test_a_sample_is_the_text_but_for_its_breaks(text: str) -> None:
    assert sample(text).replace(r"\hspace{0pt}", "") == escape(text)


@pytest.mark.parametrize("text", ["a" * 19 + "n\u0303", "uno" + "\n" * 25 + "dos"])
def test_a_break_does_not_change_the_text(text: str) -> None:
    """A tilde that is the 21st character, and more than 20 ends of line in a row."""
    assert sample(text).replace(r"\hspace{0pt}", "") == escape(text)


def test_a_sample_in_a_template(templates: jinja2.Environment) -> None:
    assert say(templates, r"\VAR{x|sample}", x="b" * 25) == "b" * 20 + r"\hspace{0pt}" + "b" * 5
