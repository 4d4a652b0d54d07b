"""The bridge from values to the HTML pages that the report shows.

Titles of articles and what models write are data: Jinja escapes every value, and the policy in page.html forbids a page
to ask the network for anything. Numbers are written the Spanish way.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from minillm.files import write_text
from minillm.paper.latex import exact, integer, significant
from minillm.paper.templates import render


def write_page(template: Path, values: Mapping[str, Any], output: Path) -> None:
    """Write a page of a template of workflow/report. Raises PaperError, naming the line, for a mistake in it."""
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    pages.filters.update(exact=setting, integer=count, number=number)
    write_text(output, render(pages, template, values))


def setting(value: float) -> str:
    """A number of the config with all its digits: 0.8 is «0,8»."""
    return exact(value).plain


def count(value: int) -> str:
    """12345 is «12 345»."""
    return integer(value).plain


def number(value: float) -> str:
    """What was measured, with four significant digits: 0.123456 is «0,1235»."""
    return significant(value, 4).plain
