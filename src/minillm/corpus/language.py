"""What the renderer must know of a wiki: names of namespaces, magic words, sections and templates, from data files.

`wiki_common.toml` holds what every wiki understands, `wiki_<code>.toml` what one language adds; the latter wins where
both speak of a template. A wiki whose language has no file is read with the common one and with what it says of itself
(`siteinfo.json`, written by the download and from the head of an export).
"""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

MEDIA, FILE, TEMPLATE, CATEGORY = "-2", "6", "10", "14"  # numbers of namespaces, as siteinfo has them


@dataclass(frozen=True, eq=False)
class Language:
    """What is particular to one wiki. Names are in lower case, with blanks for underscores."""

    code: str
    file_namespaces: frozenset[str]
    media_namespaces: frozenset[str]  # of links to files
    category_namespaces: frozenset[str]
    template_namespaces: frozenset[str]  # and the words that substitute
    redirect_words: frozenset[str]
    magic_words: tuple[str, ...]  # without the underscores around them
    interlanguage: frozenset[str]  # prefixes of links that stand in the margin
    dropped_sections: frozenset[str]  # titles by `section_key`
    disambiguation: frozenset[str]  # templates of disambiguation pages
    function_words: frozenset[str]  # words that never stand before a comma or a full stop
    conjunctions: frozenset[str]  # between two parts of a sentence
    abbreviations: frozenset[str]  # words whose full stop ends no sentence
    months: tuple[str, ...]
    languages: dict[str, str]  # names by code
    countries: dict[str, str]
    units: dict[str, list[str]]  # names of units of measure by symbol, singular and plural
    format: dict[str, str]  # how numbers, dates and other things are written
    century: dict[str, str]
    parser_functions: dict[str, str]  # canonical names by alias
    rules: dict[str, tuple[str, str]]  # by template: a kind of rule and its value
    dropped_prefixes: tuple[str, ...]


def load_language(
    code: str, siteinfo: Mapping[str, Any] | None = None, dropped_sections: list[str] | None = None
) -> Language:
    """The data of one wiki.

    `siteinfo` is what the wiki says of itself, with the keys namespaces, redirects, magic_words and interlanguage;
    `dropped_sections` replaces the language's list. Raises ValueError if the code is none.
    """
    if not re.fullmatch(r"[a-z]{2,12}(-[a-z]{2,12})*", code):
        raise ValueError(f"{code!r} is no code of a language, such as es")
    own, common = _read(code), _read("common")
    site = siteinfo or {}
    namespaces = site.get("namespaces", {})
    sections = own.get("dropped_sections", []) if dropped_sections is None else dropped_sections
    templates = [data.get("templates", {}) for data in (common, own)]

    def words(key: str) -> list[str]:
        return [*common.get(key, []), *own.get(key, [])]

    def names(key: str, *numbers: str) -> frozenset[str]:
        return frozenset(map(_lowered, [*words(key), *(name for n in numbers for name in namespaces.get(n, []))]))

    def table(key: str) -> dict[str, str]:
        return {**common.get(key, {}), **own.get(key, {})}

    return Language(
        code=code,
        file_namespaces=names("file_namespaces", FILE),
        media_namespaces=names("media_namespaces", MEDIA),
        category_namespaces=names("category_namespaces", CATEGORY),
        template_namespaces=names("template_namespaces", TEMPLATE),
        redirect_words=frozenset(
            _lowered(word).lstrip("#") for word in [*words("redirect_words"), *site.get("redirects", [])]
        ),
        magic_words=tuple(sorted({*words("magic_words"), *site.get("magic_words", [])})),
        interlanguage=frozenset([*words("interlanguage"), *site.get("interlanguage", [])]) - {code},
        dropped_sections=frozenset(map(section_key, sections)),
        disambiguation=frozenset(words("disambiguation")),
        function_words=frozenset(words("function_words")),
        conjunctions=frozenset(words("conjunctions")),
        abbreviations=frozenset(words("abbreviations")),
        months=tuple(own.get("months", [])),
        languages=table("languages"),
        countries=table("countries"),
        units={**common.get("units", {}), **own.get("units", {})},
        format=table("format"),
        century=table("century"),
        parser_functions=table("parser_functions"),
        rules={name: rule for part in templates for name, rule in _rules(part).items()},
        dropped_prefixes=tuple(prefix for part in templates for prefix in part.get("dropped_prefixes", [])),
    )


def section_key(title: str) -> str:
    """A section's title for comparison: lower case, no accents, no punctuation at its ends."""
    letters = unicodedata.normalize("NFD", title.lower())
    return "".join(c for c in letters if not unicodedata.combining(c)).strip(" .:;-«»\"'")


def _lowered(name: str) -> str:
    return name.replace("_", " ").lower()


@cache
def _read(code: str) -> dict[str, Any]:
    file = resources.files(__package__).joinpath(f"wiki_{code}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _rules(templates: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """What each template shows, from the lists and tables of a data file."""
    rules = dict.fromkeys(templates.get("dropped", []), ("dropped", ""))
    for position, key in (("1", "first_argument"), ("2", "second_argument")):
        rules |= dict.fromkeys(templates.get(key, []), ("argument", position))
    for kind in ("literal", "pattern", "function"):
        rules |= {name: (kind, value) for name, value in templates.get(kind, {}).items()}
    return rules
