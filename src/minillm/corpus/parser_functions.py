"""What MediaWiki's parser functions and variables show: {{formatnum:}}, {{#if:}}, {{#expr:}}, {{PAGENAME}} …

As documented on mediawiki.org (Help:Magic words, Help:Extension:ParserFunctions).
"""

import math
import re
from collections.abc import Callable

from minillm.corpus.language import Language
from minillm.corpus.numbers import format_number

LONGEST_EXPRESSION = 200  # characters


def call_function(name: str, first: str, parts: list[str], language: Language, title: str, date: str) -> str | None:
    """The text of one call; None if it cannot be known here.

    `name` is canonical, `first` the argument behind the colon, `parts` the others; `title` and `date` are the page's.
    """
    second, third, fourth = ([part.strip() for part in parts] + ["", "", ""])[:3]
    shown: str | None = None
    match name:
        case "formatnum":
            shown = _formatnum(first, second, language)
        case "#if":
            shown = second if first else third
        case "#ifeq":
            shown = third if _equal(first, second) else fourth
        case "#switch":
            shown = _switch(first, parts)
        case "#expr":
            shown = evaluate(first)
        case "#ifexpr":
            value = evaluate(first)
            shown = None if value is None else third if value in ("", "0") else second
        case "plural":
            shown = second if first == "1" else third or second
        case "padleft" | "padright" if re.fullmatch("[0-9]{1,3}", second):
            missing = int(second) - len(first)
            padding = ((third or "0") * max(missing, 0))[: max(missing, 0)]
            shown = padding + first if name == "padleft" else first + padding
        case "pagename" | "currentyear":
            shown = {"pagename": title, "currentyear": date[:4]}[name] or None
        case "silent":
            shown = ""
        case _ if name in _CASES:
            shown = _CASES[name](first)
    return shown


_CASES: dict[str, Callable[[str], str]] = {
    "lc": str.lower,
    "uc": str.upper,
    "lcfirst": lambda text: text[:1].lower() + text[1:],
    "ucfirst": lambda text: text[:1].upper() + text[1:],
}


def _formatnum(number: str, option: str, language: Language) -> str:
    if option.upper() == "NOSEP":
        return number.replace(".", language.format["decimal"])
    if option.upper() in ("R", "SF"):
        plain = number.replace(language.format["thousands"], "").replace("\xa0", "")
        return plain.replace(language.format["decimal"], ".")
    return format_number(number, language).replace("-", "−")


def _equal(a: str, b: str) -> bool:
    return a == b or (_as_number(a) is not None and _as_number(a) == _as_number(b))


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _switch(value: str, parts: list[str]) -> str:
    # «a|b=x» gives x for a and for b; the default is «#default=…» or a last part without «=».
    default, falls_through = "", False
    for part in parts:
        case, equals, result = part.partition("=")
        case = case.strip()
        falls_through = falls_through or _equal(case, value)
        if equals and falls_through:
            return result.strip()
        if equals and case == "#default":
            default = result.strip()
    if parts and "=" not in parts[-1]:
        return parts[-1].strip()
    return default


# --- Expressions -----------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+|[a-zA-Zπ]+|<>|!=|<=|>=|[-+−*/^()=<>×÷])")
_UNARY: dict[str, Callable[[float], float]] = {
    "-": lambda x: -x,
    "−": lambda x: -x,
    "+": lambda x: x,
    "not": lambda x: float(not x),
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
    "ln": math.log,
    "exp": math.exp,
    "sqrt": math.sqrt,
}
_BINARY: dict[str, tuple[int, Callable[[float, float], float]]] = {
    "or": (1, lambda a, b: float(bool(a) or bool(b))),
    "and": (2, lambda a, b: float(bool(a) and bool(b))),
    "=": (3, lambda a, b: float(a == b)),
    "<>": (3, lambda a, b: float(a != b)),
    "!=": (3, lambda a, b: float(a != b)),
    "<": (3, lambda a, b: float(a < b)),
    ">": (3, lambda a, b: float(a > b)),
    "<=": (3, lambda a, b: float(a <= b)),
    ">=": (3, lambda a, b: float(a >= b)),
    "round": (4, lambda a, b: _round(a, int(b))),
    "+": (5, lambda a, b: a + b),
    "-": (5, lambda a, b: a - b),
    "−": (5, lambda a, b: a - b),
    "*": (6, lambda a, b: a * b),
    "×": (6, lambda a, b: a * b),
    "/": (6, lambda a, b: a / b),
    "÷": (6, lambda a, b: a / b),
    "div": (6, lambda a, b: a / b),
    "mod": (6, lambda a, b: math.fmod(int(a), int(b))),
    "^": (7, lambda a, b: a**b),
}


def evaluate(expression: str) -> str | None:
    """The value of an {{#expr:}} as MediaWiki writes it, with a point; None if it is wrong."""
    if not expression:
        return ""
    tokens = _TOKEN.findall(expression)
    if len(expression) > LONGEST_EXPRESSION or "".join(tokens) != "".join(expression.split()):
        return None
    try:
        value = _parse(tokens[::-1], 0, closed=False)
        return f"{value:.14g}" if math.isfinite(value) else None
    except (ArithmeticError, ValueError, IndexError, TypeError):
        return None


def _parse(tokens: list[str], strength: int, closed: bool) -> float:
    """Value of the tokens (in reverse order, consumed) up to an operator that binds less than `strength`.

    `closed`: whether they end with a closing bracket, which the caller consumes.
    """
    token = tokens.pop().lower()
    if token == "(":
        value = _parse(tokens, 0, closed=True)
        if tokens.pop() != ")":
            raise ValueError("a bracket is not closed")
    elif token in _UNARY:
        value = float(_UNARY[token](_parse(tokens, 8, closed)))
    else:
        value = {"pi": math.pi, "π": math.pi, "e": math.e}.get(token) or float(token)
    while tokens and (tokens[-1] != ")" or not closed):
        own, apply = _BINARY.get(tokens[-1].lower(), (0, None))
        if apply is None:
            raise ValueError(f"no operator: {tokens[-1]}")
        if own <= strength:
            break
        tokens.pop()
        value = float(apply(value, _parse(tokens, own, closed)))
    return value


def _round(value: float, digits: int) -> float:
    """Half away from zero, as PHP does."""
    scale = 10.0**digits
    return math.copysign(math.floor(abs(value) * scale + 0.5) / scale, value)
