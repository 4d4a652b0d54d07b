"""What the templates of a wiki show, for those that stand inside prose.

A template's text lives in another page, and often in Lua, so it cannot be expanded offline. But a few dozen of them
carry nearly all the numbers, units, dates and names that prose needs, and what those show is simple. Which template
does what is data (`wiki_es.toml`); how it is computed is here.
"""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources

# In place of something that was taken out, so that the blanks and commas around it can be repaired. All marks are
# Unicode noncharacters: no text may hold them, and the renderer removes them from its input.
HOLE = "\ufdd0"
_EDGES = " \t\n\xa0" + HOLE

_SUPERSCRIPTS = str.maketrans("0123456789+-−–n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻ⁿ")
_NUMBER = re.compile(r"([+\-−–±~≈<>]?\s*)(\d+)(?:([.,])(\d+))?")
_PLAIN_NUMBER = re.compile(r"[\d.,]*\d")
_RANGE_WORDS = {"-": "–", "–": "–", "—": "–", "a": " a ", "y": " y ", "o": " o ", "e": " e "}
_RANGE_WORDS |= {"x": " × ", "×": " × ", "por": " × ", "±": " ± ", "+-": " ± ", "+/-": " ± "}
_YEAR = re.compile(r"\d{1,4}(?: [ad]\. ?C\.)?")
_MONTH = re.compile(r"0?[1-9]|1[0-2]")
_DAY = re.compile(r"0?[1-9]|[12]\d|3[01]")
_ARGUMENT_NAME = re.compile(r"\s*[\w./-]+(?: [\w./-]+){0,4}\s*\Z")


@dataclass(frozen=True, eq=False)
class Language:
    """What is particular to one language's Wikipedia: the contents of `wiki_<language>.toml`."""

    code: str
    file_namespaces: frozenset[str]
    category_namespaces: frozenset[str]
    redirect_words: tuple[str, ...]
    magic_words: tuple[str, ...]
    dropped_sections: frozenset[str]
    interlanguage: frozenset[str]
    months: tuple[str, ...]
    languages: dict[str, str]
    countries: dict[str, str]
    dropped: frozenset[str]
    phonetic: tuple[str, ...]
    phonetic_words: tuple[str, ...]
    dropped_prefixes: tuple[str, ...]
    literal: dict[str, str]
    argument: dict[str, int]
    function: dict[str, str]


@cache
def load_language(code: str) -> Language:
    """The data of one language; ValueError if there is none."""
    file = resources.files(__package__).joinpath(f"wiki_{code}.toml")
    if not re.fullmatch(r"[a-z-]{2,12}", code) or not file.is_file():
        raise ValueError(f"no wikitext data for language {code!r}: wiki_{code}.toml is missing")
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    templates = data["templates"]
    argument = dict.fromkeys(templates["first_argument"], 1)
    return Language(
        code=code,
        file_namespaces=frozenset(data["file_namespaces"]),
        category_namespaces=frozenset(data["category_namespaces"]),
        redirect_words=tuple(data["redirect_words"]),
        magic_words=tuple(data["magic_words"]),
        dropped_sections=frozenset(data["dropped_sections"]),
        interlanguage=frozenset(data["interlanguage"].split()) - {code},
        months=tuple(data["months"]),
        languages=data["languages"],
        countries=data["countries"],
        dropped=frozenset(templates["dropped"]),
        phonetic=tuple(templates["phonetic"]),
        phonetic_words=tuple(templates["phonetic_words"]),
        dropped_prefixes=tuple(templates["dropped_prefixes"]),
        literal=templates["literal"],
        argument=argument | dict.fromkeys(templates["second_argument"], 2),
        function=templates["function"],
    )


class Arguments:
    """The arguments of one template call: positional ones from 1, and named ones."""

    def __init__(self, parts: list[str]) -> None:
        self.values: dict[str, str] = {}
        self.positional = 0
        for part in parts:
            name, equals, value = part.partition("=")
            # MediaWiki takes whatever stands before a «=» as a name; here it must look like one, so that a formula
            # or an address in running text is not lost.
            if equals and _ARGUMENT_NAME.match(name):
                self.values[name.strip()] = value.strip(_EDGES)
            else:
                self.positional += 1
                self.values[str(self.positional)] = part.strip(_EDGES)

    def __getitem__(self, key: int | str) -> str:
        """An argument without blanks and holes around it, or an empty string."""
        return self.values.get(str(key), "")

    def list(self) -> list[str]:
        """The positional arguments in order, empty ones included."""
        return [self[i] for i in range(1, self.positional + 1)]


def superscript(text: str) -> str:
    """Digits, signs and n as superscript characters: «10» and «-3» give «10⁻³», where «10-3» would be wrong."""
    return text.translate(_SUPERSCRIPTS)


def group_digits(digits: str) -> str:
    """«12345» as «12 345»; four digits stay together, as the Spanish Wikipedia does."""
    if len(digits) < 5:
        return digits
    head = len(digits) % 3 or 3
    return " ".join([digits[:head], *(digits[i : i + 3] for i in range(head, len(digits), 3))])


def format_number(text: str) -> str:
    """What {{formatnum:}} shows in Spanish: thousands apart, decimal comma. Other text is left as it is."""
    return _PLAIN_NUMBER.sub(_grouped, text)


def _grouped(match: re.Match[str]) -> str:
    whole, point, fraction = match[0].partition(".")
    if not whole.isdecimal() or (point and not fraction.isdecimal()):
        return match[0]
    return group_digits(whole) + (f",{fraction}" if point else "")


def format_quantity(text: str) -> str:
    """A number typed by a person: a comma is decimal; a point is too unless three digits follow it (ambiguous)."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    sign, whole, separator, fraction = match.groups()
    if separator is None:
        return sign + group_digits(whole)
    if separator == "." and len(fraction) == 3:
        return text
    return f"{sign}{group_digits(whole)},{fraction}"


def _quantity(arguments: Arguments, language: Language) -> str | None:
    # {{unidad|9,8|m/s²}}, {{unidad|5|-|10|km}}, {{unidad|25|km|2}}, {{unidad|1,5|e=6|km}}
    values = arguments.list()
    if not values or not values[0]:
        return None
    text, rest = format_quantity(values[0]), values[1:]
    while len(rest) >= 2 and rest[0] in _RANGE_WORDS:
        text += _RANGE_WORDS[rest[0]] + format_quantity(rest[1])
        rest = rest[2:]
    if exponent := arguments["e"]:
        text += f" × 10{superscript(exponent)}"
    unit = rest[0] if rest else arguments["ul"] or arguments["u"]
    if len(rest) > 1 and re.fullmatch(r"[-−]?\d", rest[1]):
        unit += superscript(rest[1])
    return f"{text} {unit}" if unit else text


def _number(arguments: Arguments, language: Language) -> str | None:
    return format_number(arguments[1]) or None


def _money(arguments: Arguments, language: Language) -> str | None:
    values = [value for value in arguments.list()[:2] if value]
    # The amount comes first whichever way round the two were typed.
    values.sort(key=lambda value: not value[:1].isdigit())
    if not values or not values[0][:1].isdigit():
        return None
    return " ".join([format_quantity(values[0]), *values[1:]])


def _euro(arguments: Arguments, language: Language) -> str | None:
    return f"{format_quantity(arguments[1])} €" if arguments[1] else "€"


def _date(arguments: Arguments, language: Language) -> str | None:
    # {{fecha|12|10|1492}}; the year may come first ({{fecha de inicio|1492|10|12}}), day and month may be missing.
    values = [value for value in arguments.list()[:3] if value]
    if values and _YEAR.fullmatch(values[0]) and len(values[0]) > 2:
        values.reverse()
    if not values or not _YEAR.fullmatch(values[-1]):
        return None
    *before, year = values
    if not before:
        return year
    *days, month = before
    name = language.months[int(month) - 1] if _MONTH.fullmatch(month) else month.lower()
    if name not in language.months or not all(_DAY.fullmatch(day) for day in days):
        return None
    return " de ".join([*(day.lstrip("0") for day in days), name, year])


def _century(arguments: Arguments, language: Language, word: str | None = None) -> str | None:
    # {{siglo|number|era|word}}: era a or d (before or after Christ), word s («siglo») or a («s.») or a capital.
    if not arguments[1]:
        return None
    prefixes = {"s": "siglo ", "S": "Siglo ", "a": "s. ", "A": "S. "}
    eras = {"a": " a. C.", "d": " d. C."}
    prefix = prefixes.get(word or arguments[3][:1], "")
    return prefix + arguments[1].upper() + eras.get(arguments[2][:1].lower(), "")


def _century_with_word(arguments: Arguments, language: Language) -> str | None:
    return _century(arguments, language, "s")


def _before_christ(arguments: Arguments, language: Language) -> str | None:
    return f"{arguments[1]} a. C.".lstrip()


def _after_christ(arguments: Arguments, language: Language) -> str | None:
    return f"{arguments[1]} d. C.".lstrip()


def _quotation(arguments: Arguments, language: Language) -> str | None:
    text = arguments[1] or arguments["cita"] or arguments["texto"] or arguments["text"]
    author = arguments[2] or arguments["autor"] or arguments["author"]
    # A block of its own on the wiki: a blank keeps it off a colon before it.
    return f" {text} — {author}" if text and author else f" {text}" if text else None


def _nihongo(arguments: Arguments, language: Language) -> str | None:
    # {{nihongo|translation|characters|reading|extra}}
    inside = ", ".join(value for value in (arguments[2], arguments[3], arguments[4]) if value)
    if not arguments[1]:
        return inside or None
    return f"{arguments[1]} ({inside})" if inside else arguments[1]


def _etymology(arguments: Arguments, language: Language) -> str | None:
    # {{etimología|maya|batab|jefe}}: «(del maya batab, 'jefe')».
    if not arguments[1]:
        return None
    meaning = f", '{arguments[3]}'" if arguments[3] else ""
    return f"(del {' '.join(arguments.list()[:2])}{meaning})"


def _fraction(arguments: Arguments, language: Language) -> str | None:
    values = [value for value in arguments.list() if value]
    if len(values) == 1:
        return f"1/{values[0]}"
    if len(values) == 2:
        return f"{values[0]}/{values[1]}"
    return f"{values[0]} {values[1]}/{values[2]}" if len(values) == 3 else None


def _power_of_ten(arguments: Arguments, language: Language) -> str | None:
    return f"×10{superscript(arguments[1])}" if arguments[1] else None


def _superscript_of(arguments: Arguments, language: Language) -> str | None:
    return superscript(arguments[1]) or None


def _root(arguments: Arguments, language: Language) -> str | None:
    return f"√{arguments[1]}" if arguments[1] else None


def _country(arguments: Arguments, language: Language) -> str | None:
    return language.countries.get(arguments[1], arguments[1]) or None


def _foreign_link(arguments: Arguments, language: Language) -> str | None:
    # {{ill|en|Title there|Title here}}
    return arguments[3] or arguments[2] or arguments[1] or None


_FUNCTIONS: dict[str, Callable[[Arguments, Language], str | None]] = {
    "quantity": _quantity,
    "number": _number,
    "money": _money,
    "euro": _euro,
    "date": _date,
    "century": _century,
    "century_with_word": _century_with_word,
    "before_christ": _before_christ,
    "after_christ": _after_christ,
    "quotation": _quotation,
    "nihongo": _nihongo,
    "etymology": _etymology,
    "fraction": _fraction,
    "power_of_ten": _power_of_ten,
    "superscript_of": _superscript_of,
    "root": _root,
    "country": _country,
    "foreign_link": _foreign_link,
}


def normalise_name(name: str) -> str:
    """A template's name as MediaWiki compares it: single blanks for underscores, first letter in lower case."""
    name = " ".join(name.replace("_", " ").split())
    prefix, colon, rest = name.partition(":")
    if colon and prefix.lower() in ("plantilla", "template", "sust", "subst", "safesubst"):
        name = rest.strip()
    return name[:1].lower() + name[1:]


def is_parser_function(name: str) -> bool:
    """True for {{#if:…}}, {{formatnum:…}} and {{ORDENAR:…}}, which are not templates."""
    return name.startswith("#") or name.partition(":")[0].strip().lower() in _COLON_WORDS


def render_template(name: str, parts: list[str], language: Language) -> str | None:
    """What a template or parser function shows; "" if it shows nothing in the text; None if we do not know.

    `name` is what stands before the first bar, as typed; `parts` are the rest, already rendered.
    """
    if is_parser_function(name.strip()):
        return _parser_function(name.strip(), parts)
    key = normalise_name(name)
    shown = _country_name(key, parts, language)
    if shown is not None:
        return shown
    key = key.lower()
    if key in language.literal:
        # {{esd|5 km}} shows its argument without line breaks.
        shown = Arguments(parts)[1] or language.literal[key]
    elif key in language.function:
        shown = _FUNCTIONS[language.function[key]](Arguments(parts), language)
    elif key in language.argument:
        shown = Arguments(parts)[language.argument[key]]
    elif key.startswith("lang-"):
        shown = _foreign_word(key.removeprefix("lang-"), Arguments(parts), language)
    elif not key or key in language.dropped or key.startswith(language.dropped_prefixes):
        shown = ""
    return shown


def _country_name(key: str, parts: list[str], language: Language) -> str | None:
    # {{ESP}} and {{España}}: a flag and a name. Only the first letter's case was folded.
    name = key[:1].upper() + key[1:]
    if any(part.strip() for part in parts):
        return None
    return name if name in language.countries.values() else language.countries.get(name)


def _foreign_word(code: str, arguments: Arguments, language: Language) -> str | None:
    # {{lang-ru|Москва|Moskvá}}: «en ruso: Москва, Moskvá».
    words = ", ".join(value for value in arguments.list()[:2] if value)
    if not words:
        return ""
    name = language.languages.get(code)
    return f"en {name}: {words}" if name else words


# Sort keys, titles, notes and map positions: they show nothing where they stand.
_SILENT_FUNCTIONS = frozenset(
    ["ordenar", "ordena", "defaultsort", "displaytitle", "título", "mostrartítulo", "#tag", "#coordinates", "#seo"]
)
_COLON_WORDS = _SILENT_FUNCTIONS | {"formatnum", "lc", "uc", "lcfirst", "ucfirst", "plural", "ns", "int"}
_COLON_WORDS |= {"fullurl", "localurl", "filepath", "urlencode", "anchorencode", "padleft", "padright"}


def _parser_function(name: str, parts: list[str]) -> str | None:
    function, _, first = name.partition(":")
    function, first = function.strip().lower(), first.strip()
    second, third, fourth = ([part.strip() for part in parts] + ["", "", ""])[:3]
    shown: str | None = None
    match function:
        case "formatnum":
            shown = first if second.lower() == "r" else format_number(first)
        case "#if":
            shown = second if first else third
        case "#ifeq":
            same = first == second or _as_number(first) == _as_number(second) is not None
            shown = third if same else fourth
        case "#switch":
            shown = _switch(first, parts)
        case "lc":
            shown = first.lower()
        case "uc":
            shown = first.upper()
        case "lcfirst":
            shown = first[:1].lower() + first[1:]
        case "ucfirst":
            shown = first[:1].upper() + first[1:]
        case "plural":
            shown = second if first == "1" else third
        case _ if function in _SILENT_FUNCTIONS:
            shown = ""
    return shown


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
        falls_through = falls_through or case == value
        if equals and falls_through:
            return result.strip()
        if equals and case == "#default":
            default = result.strip()
    if parts and "=" not in parts[-1]:
        return parts[-1].strip()
    return default
