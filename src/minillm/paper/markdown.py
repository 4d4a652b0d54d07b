"""The bridge from values to Markdown, for the cards that the Hugging Face hub shows beside a model or a data set.

Numbers are written the Spanish way, by the filters of the article; names are data and are escaped. The front matter is
YAML, where a name goes through `|json`: a JSON string is one in YAML.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2

from minillm.paper.latex import Number, decimal, exact, integer, interval, percent, significant
from minillm.text import normalise

# Licences of texts that the hub knows by name.
_LICENCES = {
    *("cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0"),
    *("cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    *("pddl", "odc-by", "odbl", "gfdl", "unlicense", "mit", "apache-2.0"),
}
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~&$]")


class Markdown(str):
    """Text that is Markdown already: it reaches the page as it is."""

    __slots__ = ()


def escape(text: str) -> Markdown:
    """Any text as Markdown that prints it on one line."""
    return Markdown(_SPECIAL.sub(r"\\\g<0>", " ".join(normalise(text).split())))


def licence_id(licence: str) -> str:
    """The name that the hub has for a licence, or `other`: «CC BY-SA 4.0» is cc-by-sa-4.0."""
    name = "-".join(licence.lower().split())
    return name if name in _LICENCES else "other"


def environment(folder: Path) -> jinja2.Environment:
    """A Jinja environment for the Markdown templates of one folder; it reads no file outside it."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Jinja's own escaping is for HTML; `finalize` sees every value instead.
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
    )
    numbers = (decimal, exact, integer, interval, percent, significant)
    templates.filters.update(
        {function.__name__: _plain(function) for function in numbers}, json=_json, markdown=Markdown
    )
    return templates


def _plain(function: Callable[..., Number]) -> Callable[..., Markdown]:
    return lambda value, *digits: Markdown(function(value, *digits).plain)


def _json(value: Any) -> Markdown:
    """A setting or a name, for YAML and for Python: on one line, and without what YAML has no place for."""
    return Markdown(json.dumps(normalise(value) if isinstance(value, str) else value, ensure_ascii=False))


def _finalize(value: object) -> str:
    if isinstance(value, Markdown):
        return value
    if isinstance(value, str | jinja2.Undefined):
        return escape(str(value))
    raise TypeError(f"the card prints {value!r} as it is; use |integer, |decimal(2), |json or another filter")
