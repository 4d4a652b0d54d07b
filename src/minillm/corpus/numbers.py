"""Numbers as a language writes them: thousands apart, its decimal mark, superscripts, Roman numerals."""

import re

from minillm.corpus.language import Language

_SUPERSCRIPTS = str.maketrans("0123456789+-−–n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻ⁿ")
_NUMBER = re.compile(r"([+\-−–±~≈<>]?\s*)(\d+)(?:([.,])(\d+))?")
_PLAIN_NUMBER = re.compile(r"(\d+)((?:[.,]+\d+)*)")
_ROMAN = [(1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL")]
_ROMAN += [(10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")]


def superscript(text: str) -> str:
    """Digits, signs and n as superscript characters: «10» and «-3» give «10⁻³», where «10-3» would be wrong."""
    return text.translate(_SUPERSCRIPTS)


def group_digits(digits: str, language: Language) -> str:
    """«12345» as «12 345» in Spanish and «12,345» in English; Spanish leaves four digits together."""
    if len(digits) < int(language.format["grouped_from"]):
        return digits
    head = len(digits) % 3 or 3
    return language.format["thousands"].join([digits[:head], *(digits[i : i + 3] for i in range(head, len(digits), 3))])


def format_number(text: str, language: Language) -> str:
    """What {{formatnum:}} shows: thousands apart, and points and commas become the language's. Other text stays."""

    def grouped(match: re.Match[str]) -> str:
        return group_digits(match[1], language) + match[2].replace(".", language.format["decimal"])

    return _PLAIN_NUMBER.sub(grouped, text)


def format_quantity(text: str, language: Language) -> str:
    """A number typed by a person, whose decimal mark may be a comma or a point.

    What is not the language's own is one too, unless three digits follow it: «2.500» stays as it is.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    sign, whole, separator, fraction = match.groups()
    decimal = language.format["decimal"]
    if separator is None:
        return str(sign) + group_digits(whole, language)
    if separator != decimal and len(fraction) == 3:
        return text
    return f"{sign}{group_digits(whole, language)}{decimal}{fraction}"


def roman(text: str) -> str:
    """A whole number from 1 to 3,999 in Roman numerals; other text stays."""
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 0 < int(text) < 4_000:
        return text
    number, numeral = int(text), ""
    for value, letters in _ROMAN:
        numeral += letters * (number // value)
        number %= value
    return numeral
