"""Digits that somebody typed into a section of results, where numbers come from result files.

A typed number stays when the results change. What is no result is left alone: names (GPT-2, BLEU-4, F1), years,
dimensions, the level of intervals («intervalos del 95 %») and of percentiles, $n=2$, what stands inside `\\VAR{…}` or
`\\BLOCK{…}`, and a line that ends with `%# cifra: why this number is no result`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

# How the names of the sections that report results begin.
RESULTS = ("resumen", "resultados", "discusion", "conclusiones", "estudio", "apendice_resultados", "apendice_informe")

_EXCEPTION = re.compile(r".*%# *cifra: *\S.*")
# Jinja's own parts may hold braces and strings, and go over several lines; then whole commands, whose arguments are no
# text; then what a number may be that is no result.
_NO_RESULT = re.compile(
    r"""
    \\(?:VAR|BLOCK|COMMENT)\{(?:"[^"]*"|'[^']*'|\{[^{}]*\}|[^{}"'])*\}
    | (?<!\\)%.*
    | \\(?:cite|ref|eqref|label|url|input|include|includegraphics|setlength|cmidrule|multicolumn|multirow|begin)\*?
      (?:\([^()]*\)|\[[^\][]*\]|\{[^{}]*\})*
    | \\href\{[^{}]*\}
    | [_^](?:\d|\{[^{}]*\})
    | \*\{\d+\} | \[\d\] | \#+\d
    | \d*[.,]?\d+\s*(?:pt|bp|mm|cm|in|em|ex|\\(?:column|line|text)width)(?![a-z])
    | intervalos?,?\ del\ 95\\,\\% | percentil\ 95\b | \$[a-z]=\d+\$
    | \b(?:19|20)\d\d\b(?![.,]\d)
    | \w*[^\W\d][\d-]*-?\d+(?:\.\d+)*
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"\d(?:(?:[.,]|\{,\}|\\,)?\d)*")


def is_about_results(section: Path) -> bool:
    """Whether a section of the article reports results, by its name."""
    return section.name.startswith(RESULTS)


def typed_numbers(section: Path) -> Iterator[str]:
    """Where a template has a number that looks like a result: «resultados.tex:12: «0,35»»."""
    text = section.read_text(encoding="utf-8")
    lines = ["" if _EXCEPTION.fullmatch(line) else line for line in text.splitlines()]
    # What is taken out leaves its line breaks: the rest keeps its line.
    rest = _NO_RESULT.sub(lambda found: "\n" * found[0].count("\n") or " ", "\n".join(lines))
    for number, line in enumerate(rest.split("\n"), start=1):
        for found in _NUMBER.findall(line):
            yield f"{section}:{number}: «{found}»"
