"""Templates: which file of which folder counts, and filling one, naming file and line if that fails."""

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta

from minillm.paper.compile import PaperError


def layered(folders: Sequence[Path]) -> dict[str, Path]:
    """The files of some folders by their path in them; one in an earlier folder takes the place of those in later ones.

    Hidden files and editors' copies, which end in ~, are left out.
    """
    found = {}
    for folder in reversed(folders):
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and not name.name.endswith("~") and not any(part.startswith(".") for part in name.parts):
                found[name.as_posix()] = path
    return found


def included_names(environment: jinja2.Environment) -> set[str]:
    """The templates that any LaTeX template includes. Raises PaperError, as `render` does, for a mistake in one."""
    names: set[str] = set()
    for template in environment.list_templates(extensions=["tex"]):
        source, path, _ = environment.loader.get_source(environment, template)  # type: ignore[union-attr]
        try:
            found = meta.find_referenced_templates(environment.parse(source))
        except jinja2.TemplateSyntaxError as error:
            raise PaperError(f"{path}:{error.lineno}: {error.message}") from error
        names.update(name for name in found if name is not None)
    return names


def render(environment: jinja2.Environment, template: Path, values: Mapping[str, Any]) -> str:
    """The text of a template with its values.

    Raises PaperError, naming the file and line, for a mistake in it or a value that is not in the results.
    """
    try:
        return environment.get_template(template.name).render(values)
    except jinja2.TemplateSyntaxError as error:
        raise PaperError(f"{error.filename or template}:{error.lineno}: {error.message}") from error
    except (jinja2.TemplateError, TypeError, ValueError, AttributeError, KeyError) as error:
        raise PaperError(f"{_place(error, template)}: {error}") from error


def _place(error: Exception, template: Path) -> str:
    """The template and line where an error was raised: Jinja puts them into the traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(template.suffix)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(template.parent)
