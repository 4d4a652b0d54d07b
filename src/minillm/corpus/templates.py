"""What the templates and parser functions of a wiki show, for those that stand inside prose.

A template's text lives in another page, and often in Lua, so it cannot be expanded offline. But a few hundred of them
carry nearly all the numbers, units, dates and names that prose needs, and what those show is simple. Which template
does what is data (`wiki_<language>.toml`): nothing, one of its arguments, fixed characters, a pattern, or a function of
this module.

A pattern is the text shown, with `{1}` or `{name}` for an argument, `{1|name}` for the first of several that is there,
`{1:filter}` for one that is written in another way (see `FILTERS`), and square brackets around what is left out where
an argument in it is missing. Where one outside of brackets is missing, it is not known what the template shows.
"""

import datetime
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from minillm.corpus.language import Language
from minillm.corpus.numbers import format_number, format_quantity, roman, superscript
from minillm.corpus.parser_functions import call_function

# In place of something that was taken out, so that the blanks and commas around it can be repaired. All marks are
# Unicode noncharacters: no text may hold them, and the renderer removes them from its input.
HOLE = "\ufdd0"
APOSTROPHE = "\ufdd5"  # a «'» that is not bold or italic
_EDGES = " \t\n\xa0" + HOLE

_YEAR = re.compile(r"\d{1,4}(?: \w\. ?\w\.)?")
_MONTH = re.compile(r"0?[1-9]|1[0-2]")
_DAY = re.compile(r"0?[1-9]|[12]\d|3[01]")
_ARGUMENT_NAME = re.compile(r"\s*[\w./-]+(?: [\w./-]+){0,4}\s*\Z")


@dataclass(frozen=True)
class Page:
    """What a template may ask of the page that it stands in.

    title: as the wiki has it. date: of the revision, ISO 8601; for ages and the current year. Empty: not known.
    """

    title: str = ""
    date: str = ""


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
        """The arguments 1, 2, … in order up to the first that is missing; empty ones included."""
        return [self.values[str(i)] for i in itertools.takewhile(lambda i: str(i) in self.values, itertools.count(1))]


# --- Numbers ---------------------------------------------------------------------------------------------------------


def _amounts(values: list[str], language: Language) -> tuple[str, int]:
    """Numbers at the beginning of some arguments, with what stands between them, and how many arguments they are."""
    text, count = format_quantity(values[0], language), 1
    while len(values) > count + 1 and values[count] in (*_RANGES, *language.format["ranges"].split()):
        text += _RANGES.get(values[count], f" {values[count]} ") + format_quantity(values[count + 1], language)
        count += 2
    return text, count


_RANGES = {"-": "–", "–": "–", "—": "–", "x": " × ", "×": " × "}
_RANGES |= {"±": " ± ", "+-": " ± ", "+/-": " ± "}


def _quantity(arguments: Arguments, language: Language, page: Page) -> str | None:
    # {{unidad|9,8|m/s²}}, {{unidad|5|-|10|km}}, {{unidad|25|km|2}}, {{unidad|1,5|e=6|km}}
    values = arguments.list()
    if not values or not values[0]:
        return None
    text, count = _amounts(values, language)
    if exponent := arguments["e"]:
        text += f"{language.format['times']}10{superscript(exponent)}"
    unit = values[count] if len(values) > count else ""
    if len(values) > count + 1 and re.fullmatch(r"[-−]?\d", values[count + 1]):
        unit += superscript(values[count + 1])
    return f"{text} {unit}" if unit else text


def _value(arguments: Arguments, language: Language, page: Page) -> str | None:
    # {{val|5.2|0.3|u=km}}: the second number is the uncertainty.
    values = arguments.list()
    if not values or not values[0]:
        return None
    text = " ± ".join(format_quantity(value, language) for value in values[:2] if value)
    if exponent := arguments["e"]:
        text += f"{language.format['times']}10{superscript(exponent)}"
    unit = arguments["ul"] or arguments["u"]
    return f"{text} {unit}" if unit else text


def _money(arguments: Arguments, language: Language, page: Page) -> str | None:
    values = [value for value in arguments.list()[:2] if value]
    # The amount comes first whichever way round the two were typed.
    values.sort(key=lambda value: not value[:1].isdigit())
    if not values or not values[0][:1].isdigit():
        return None
    return " ".join([format_quantity(values[0], language), *values[1:]])


def _conversion(arguments: Arguments, language: Language, page: Page) -> str | None:
    # {{convert|10|km|mi}}, {{convert|2|to|5|km}}, {{convert|5|ft|11|in|m}}: only what was typed is shown.
    values = arguments.list()
    if not values or not values[0]:
        return None
    text, count = _amounts(values, language)
    if len(values) <= count:
        return None
    unit, *rest = values[count : count + 3]
    text = _with_unit(text, unit, arguments, language)
    if len(rest) == 2 and (unit, rest[1]) in _COMPOUND:
        text += f" {_with_unit(format_quantity(rest[0], language), rest[1], arguments, language)}"
    return text


def _with_unit(amount: str, unit: str, arguments: Arguments, language: Language) -> str:
    names = language.units.get(unit)
    if arguments["adj"] == "on" and names:
        return f"{amount}-{names[0]}"
    if names and arguments["abbr"] not in ("on", "in"):
        return f"{amount} {names[0] if amount == '1' else names[1]}"
    return f"{amount} {_UNIT_POWER.sub(lambda power: superscript(power[0]), _UNITS.get(unit, unit))}"


_COMPOUND = {("ft", "in"), ("lb", "oz"), ("st", "lb"), ("yd", "ft"), ("mi", "yd")}


def _short_conversion(arguments: Arguments, language: Language, page: Page) -> str | None:
    # {{cvt|10|km|mi}} is {{convert|10|km|mi|abbr=on}}
    arguments.values.setdefault("abbr", "on")
    return _conversion(arguments, language, page)


_UNIT_POWER = re.compile(r"(?<=m)[23]$")
_UNITS = {"C": "°C", "F": "°F", "sqmi": "sq mi", "sqft": "sq ft", "cuft": "cu ft"}


def _fraction(arguments: Arguments, language: Language, page: Page) -> str | None:
    values = [value for value in arguments.list() if value]
    if len(values) == 1:
        return f"1/{values[0]}"
    if len(values) == 2:
        return f"{values[0]}/{values[1]}"
    return f"{values[0]} {values[1]}/{values[2]}" if len(values) == 3 else None


# --- Dates -----------------------------------------------------------------------------------------------------------


def _date(arguments: Arguments, language: Language, page: Page) -> str | None:
    # {{fecha|12|10|1492}}; the year may come first ({{fecha de inicio|1492|10|12}}), day, month or year may be missing.
    values = [value for value in arguments.list()[:3] if value]
    if values and _YEAR.fullmatch(values[0]) and len(values[0]) > 2:
        values.reverse()
    if not values or not _YEAR.fullmatch(values[-1]):
        return None
    *before, year = values
    if not before:
        return year
    if len(values) == 2 and _DAY.fullmatch(values[0]) and _MONTH.fullmatch(year):
        before, year = values, ""
    *days, month = before
    if _MONTH.fullmatch(month) and language.months:
        month = language.months[int(month) - 1]
    if month.lower() not in map(str.lower, language.months) or not all(_DAY.fullmatch(day) for day in days):
        return None
    if language.months[0].islower():
        month = month.lower()
    full = "date_day_first" if arguments["df"] else "date"
    pattern = language.format[full if days and year else "month" if year else "day"]
    return pattern.format(day="".join(days).lstrip("0"), month=month, year=year)


def _date_with_age(arguments: Arguments, language: Language, page: Page) -> str | None:
    # {{fecha|died|born}}, six numbers, or {{fecha|24|2|1993|edad}}: an age in brackets.
    shown, values = _date(arguments, language, page), arguments.list()
    if shown is None or len(values) < 4 or not values[3]:
        return shown
    born = values[3:6] if len(values) >= 6 else values[:3]
    then = values[:3] if len(values) >= 6 else []
    age = _age(Arguments([*born, *then]), language, page)
    return age and f"{shown} ({age})"


def _age(arguments: Arguments, language: Language, page: Page) -> str | None:
    # {{edad|15|3|1950|20|10|2005}}; without a second date, the age when the revision was written.
    numbers = arguments.list()
    try:
        dates = [_numeric_date(numbers[i : i + 3]) for i in range(0, min(len(numbers), 6), 3)]
        if len(dates) == 1:
            dates.append(datetime.date.fromisoformat(page.date[:10]))
        born, then = dates
    except (ValueError, OverflowError):
        return None
    years = then.year - born.year - ((then.month, then.day) < (born.month, born.day))
    return language.format["age"].format(years=years)


def _numeric_date(values: list[str]) -> datetime.date:
    """A date as year, month and day or the other way round; ValueError if it is none."""
    year, month, day = map(int, values if len(values[0]) > 2 else reversed(values))
    return datetime.date(year, month, day)


def _century(arguments: Arguments, language: Language, page: Page, word: str | None = None) -> str | None:
    # {{siglo|number|era|word}}: era a or d (before or after Christ), word s («siglo») or a («s.») or a capital.
    if not arguments[1]:
        return None
    prefix = language.century.get(word or arguments[3][:1], "")
    era = {"a": "before_christ", "d": "after_christ"}.get(arguments[2][:1].lower())
    return prefix + arguments[1].upper() + (f" {language.format[era]}" if era else "")


def _century_with_word(arguments: Arguments, language: Language, page: Page) -> str | None:
    return _century(arguments, language, page, "s")


# --- Words -----------------------------------------------------------------------------------------------------------


def _country(arguments: Arguments, language: Language, page: Page) -> str | None:
    return language.countries.get(arguments[1], arguments[1]) or None


def _as_of(arguments: Arguments, language: Language, page: Page) -> str | None:
    # {{as of|2015|5|lc=y}}
    date = _date(Arguments([*arguments.list(), "df=y"]), language, page)
    if date is None:
        return None
    shown = language.format["as_of"].format(date=date)
    return shown if arguments["lc"] else shown[:1].upper() + shown[1:]


def _ordinal(arguments: Arguments, language: Language, page: Page) -> str | None:
    # {{ord|3}}, {{ord|51|a}}
    mark = language.format["ordinal_feminine" if arguments[2] == "a" else "ordinal"]
    return f"{arguments[1]}{mark}" if arguments[1] else None


def _word_in_language(arguments: Arguments, language: Language, page: Page) -> str | None:
    # {{langx|de|Bratsche}}
    code, *words = arguments.list() or [""]
    return _foreign_word(code, Arguments(words), language) or None


def _foreign_word(code: str, arguments: Arguments, language: Language) -> str | None:
    # {{lang-ru|Москва|Moskvá}}: «en ruso: Москва, romanizado: Moskvá».
    values = zip(("{word}", language.format["romanised"], language.format["literally"]), arguments.list(), strict=False)
    words = ", ".join(pattern.format(word=value) for pattern, value in values if value)
    if not words:
        return ""
    name = language.languages.get(code)
    return language.format["in_language"].format(language=name, words=words) if name else words


def _formula(arguments: Arguments, language: Language, page: Page) -> str | None:
    # {{chem|H|2|O}}, {{chem2|SO4(2-)}}: subscripts stay on the line, charges are raised.
    text = "".join(arguments.list())
    return _CHARGE.sub(lambda charge: superscript(charge[1] or charge[2]), text) or None


_CHARGE = re.compile(r"\((\d*[+−-])\)$|(?<=\w)([+−-])$")


def _sound(arguments: Arguments, language: Language, page: Page) -> str | None:
    # {{IPA|/a/}}, {{IPA|de|bɔn}}
    if arguments[2] and arguments[1] in language.languages:
        return _foreign_word(arguments[1], Arguments([f"[{arguments[2]}]"]), language)
    return arguments[1] or None


def _pronunciation(arguments: Arguments, language: Language) -> str:
    # {{IPA-de|bɛɐ̯ˈliːn|pron|De-Berlin.ogg}}
    sound = arguments[1] if arguments[1].startswith(("[", "/")) else f"[{arguments[1]}]"
    return f"{language.format['pronounced']} {sound}" if arguments[2] == "pron" else sound


_Function = Callable[[Arguments, Language, Page], str | None]
FUNCTIONS: dict[str, _Function] = {
    "quantity": _quantity,
    "value": _value,
    "money": _money,
    "sound": _sound,
    "conversion": _conversion,
    "short_conversion": _short_conversion,
    "formula": _formula,
    "fraction": _fraction,
    "date": _date,
    "date_with_age": _date_with_age,
    "as_of": _as_of,
    "foreign_word": _word_in_language,
    "ordinal": _ordinal,
    "age": _age,
    "century": _century,
    "century_with_word": _century_with_word,
    "country": _country,
}
FILTERS: dict[str, Callable[[str, Language], str]] = {
    "number": format_number,
    "quantity": format_quantity,
    "superscript": lambda text, language: superscript(text),
    "roman": lambda text, language: roman(text),
}

# --- Patterns --------------------------------------------------------------------------------------------------------

_PATTERN = re.compile(r"\{([^{}]+)\}|(\[)|(\])|([^{}\[\]]+)")


@dataclass(frozen=True)
class _Slot:
    names: tuple[str, ...]
    filter: str


_Pattern = list["str | _Slot | _Pattern"]


@cache
def _compile(pattern: str) -> _Pattern:
    """The pieces of a pattern; ValueError if its brackets do not match."""
    stack: list[_Pattern] = [[]]
    position = 0
    for match in _PATTERN.finditer(pattern):
        if match.start() != position:
            break
        position = match.end()
        slot, opening, closing, text = match.groups()
        if slot:
            names, _, name_of_filter = slot.partition(":")
            stack[-1].append(_Slot(tuple(names.split("|")), name_of_filter))
        elif opening:
            stack.append([])
        elif closing and len(stack) > 1:
            inner = stack.pop()
            stack[-1].append(inner)
        else:
            stack[-1].append(text)
    if position != len(pattern) or len(stack) > 1:
        raise ValueError(f"the brackets of the pattern {pattern!r} do not match")
    return stack[0]


def _fill(pattern: _Pattern, arguments: Arguments, language: Language) -> str | None:
    shown = ""
    for piece in pattern:
        if isinstance(piece, str):
            shown += piece
        elif isinstance(piece, _Slot):
            value = next(filter(None, map(arguments.__getitem__, piece.names)), "")
            if not value:
                return None
            shown += FILTERS[piece.filter](value, language) if piece.filter else value
        else:
            shown += _fill(piece, arguments, language) or ""
    return shown


# --- Calls -----------------------------------------------------------------------------------------------------------


def normalise_name(name: str, language: Language) -> str:
    """A template's name as MediaWiki compares it: single blanks for underscores, first letter in lower case."""
    name = " ".join(name.replace("_", " ").split())
    prefix, colon, rest = name.partition(":")
    if colon and prefix.lower() in language.template_namespaces:
        name = rest.strip()
    return name[:1].lower() + name[1:]


def is_parser_function(name: str, language: Language) -> bool:
    """True for {{#if:…}}, {{formatnum:…}}, {{ORDENAR:…}} and {{PAGENAME}}, which are not templates."""
    name = name.strip()
    function, colon, _ = name.partition(":")
    return name.startswith("#") or (
        function.strip().lower() in language.parser_functions and (bool(colon) or name.isupper())
    )


def render_template(name: str, parts: list[str], language: Language, page: Page) -> str | None:
    """What a template or parser function shows; "" if it shows nothing in the text; None if we do not know.

    `name` is what stands before the first bar, as typed; `parts` are the rest, already rendered.
    """
    if is_parser_function(name, language):
        function, _, first = name.strip().partition(":")
        function = function.strip().lower()
        canonical = language.parser_functions.get(function, function)
        return call_function(canonical, first.strip(), parts, language, page.title, page.date)
    key = normalise_name(name, language)
    shown = _country_name(key, parts, language)
    if shown is not None:
        return shown
    key = key.lower()
    kind, value = language.rules.get(key, ("", ""))
    match kind:
        case "literal":
            # {{esd|5 km}} shows its argument without line breaks.
            shown = Arguments(parts)[1] or value.replace("'", APOSTROPHE)
        case "argument":
            shown = Arguments(parts)[value]
            if shown and value == "1" and parts[0].startswith(" "):
                shown = " " + shown  # blanks of a positional argument are shown: «uno{{nowrap| dos}}»
        case "pattern":
            shown = _fill(_compile(value), Arguments(parts), language)
        case "function":
            shown = FUNCTIONS[value](Arguments(parts), language, page)
        case "dropped":
            shown = ""
        case _ if key.startswith("lang-"):
            shown = _foreign_word(key.removeprefix("lang-"), Arguments(parts), language)
        case _ if key.startswith("ipa-"):
            shown = _pronunciation(Arguments(parts), language)
        case _ if not key or key.startswith(language.dropped_prefixes):
            shown = ""
    return shown


def _country_name(key: str, parts: list[str], language: Language) -> str | None:
    # {{ESP}} and {{España}}: a flag and a name. Only the first letter's case was folded.
    name = key[:1].upper() + key[1:]
    if any(part.strip() for part in parts):
        return None
    return name if name in language.countries.values() else language.countries.get(name)
