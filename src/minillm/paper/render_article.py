"""Fill the article's templates with the results, and pack everything that LaTeX needs into one zip file.

The bundle compiles alone: on another machine, on Overleaf, for arXiv. Every number that a filter prints is listed, so
that the PDF can be read back and compared.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from minillm.files import replacing, write_text
from minillm.paper.compile import PaperError
from minillm.paper.latex import PrintedNumbers, environment
from minillm.paper.templates import included_names, layered, render
from minillm.paper.values import gather
from minillm.stage import run_stage


def render_article(
    templates: list[Path],
    bibliography: Path,
    figures: list[Path],
    settings: dict[str, Any],
    metrics: list[Path],
    checks: Path,
    selection: Path,
    statistics: list[Path],
    descriptions: list[Path],
    outcomes: list[Path],
    generations: list[Path],
    copies: list[Path],
    machine: Path,
    provenance: Path,
    studies: list[Path],
    study_metrics: list[Path],
    article: Path,
    bundle: Path,
    numbers: Path,
) -> None:
    """Write `article.tex`, the zip file of all LaTeX sources and the figures that it shows, and the printed numbers.

    `templates` are the folders of article.tex and its sections: a file in an earlier one takes the place of one of the
    same name in a later one. Raises PaperError, naming the file and line, for a mistake in a template or a number that
    is not in the results; for a file of a person's own that nothing includes, or a figure of theirs that is called
    like one of the run; and if the article is a draft and must not be one.
    """
    values = gather(
        settings,
        metrics,
        checks,
        selection,
        statistics,
        descriptions,
        outcomes,
        generations,
        copies,
        machine,
        provenance,
        studies,
        study_metrics,
    )
    if values["draft"] and values["paper"].strict:
        first = values["draft"][0]
        raise PaperError(
            f"check {first.name} failed ({first.detail}) and paper.strict is set: see {checks}, or set it to false "
            "for an article marked as a draft"
        )
    printed = PrintedNumbers()
    filled = environment(templates, printed)
    text = render(filled, layered(templates)["article.tex"], values)
    _check_used(templates, filled, text)
    names = [path.name for path in figures]
    if twice := [path for path in figures if names.count(path.name) > 1]:
        raise PaperError(f"{' and '.join(map(str, twice))} have the same name; give your own another one")
    write_text(article, text)
    printed.write(numbers)
    shown = {path.name: path for path in figures if f"{{{path.name}}}" in text}
    members = {"article.tex": article, "references.bib": bibliography, **shown}
    with replacing(bundle) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, path in sorted(members.items()):
            # A ZipInfo without a date says 1980: the same bytes every time.
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)


def _check_used(folders: Sequence[Path], templates: jinja2.Environment, text: str) -> None:
    """Raise PaperError for a file that neither takes the place of another nor is part of the article."""
    known = layered(folders[-1:])
    added = {name: path for name, path in layered(folders).items() if name not in known}
    unshown = {name: path for name, path in added.items() if f"{{{path.name}}}" not in text}
    included = included_names(templates) if unshown else set()
    for name, path in unshown.items():
        if name not in included:
            raise PaperError(
                f"{path} takes the place of no file of {folders[-1]} and nothing includes it: correct its name, "
                "include it in article.tex or in a section, or take it away"
            )


if __name__ == "__main__":
    run_stage(render_article)
