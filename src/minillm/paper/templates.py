"""Fill a template, and name file and line if that fails."""

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from minillm.paper.compile import PaperError


def render(environment: jinja2.Environment, template: Path, values: Mapping[str, Any]) -> str:
    """The text of a template with its values.

    Raises PaperError, naming the file and line, for a mistake in it or a value that is not in the results.
    """
    try:
        return environment.get_template(template.name).render(values)
    except jinja2.TemplateSyntaxError as error:
        place = template.parent / (error.name or template.name)
        raise PaperError(f"{place}:{error.lineno}: {error.message}") from error
    except (jinja2.TemplateError, TypeError, ValueError, AttributeError, KeyError) as error:
        raise PaperError(f"{_place(error, template)}: {error}") from error


def _place(error: Exception, template: Path) -> str:
    """The template and line where an error was raised: Jinja puts them into the traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(template.suffix)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(template.parent)
