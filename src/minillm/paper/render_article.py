"""Fill the article's templates with the results, and pack everything that LaTeX needs into one zip file.

The bundle compiles alone: on another machine, on Overleaf, for arXiv. Every number that a filter prints is listed, so
that the PDF can be read back and compared.
"""

import zipfile
from pathlib import Path
from typing import Any

from minillm.files import replacing, write_text
from minillm.paper.compile import PaperError
from minillm.paper.latex import PrintedNumbers, environment
from minillm.paper.templates import render
from minillm.paper.values import gather
from minillm.stage import run_stage


def render_article(
    templates: Path,
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

    `templates` is the folder of article.tex and its sections. Raises PaperError, naming the file and line, for a
    mistake in a template or a number that is not in the results, and if the article is a draft and must not be one.
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
    text = render(environment(templates, printed), templates / "article.tex", values)
    write_text(article, text)
    printed.write(numbers)
    shown = {path.name: path for path in figures if f"{{{path.name}}}" in text}
    members = {"article.tex": article, "references.bib": bibliography, **shown}
    with replacing(bundle) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, path in sorted(members.items()):
            # A ZipInfo without a date says 1980: the same bytes every time.
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    run_stage(render_article)
