"""The checks of the results and of the PDF as a page to read: what was held against what, and what failed."""

from pathlib import Path

from minillm.files import read_json
from minillm.report.pages import write_page
from minillm.stage import run_stage


def write_checks_page(template: Path, results: Path, article: list[Path], output: Path) -> None:
    """Show `checks.json` and, where a PDF was made, its `article-checks.json`."""
    parts = [("De los resultados", results), *(("Del PDF", path) for path in article)]
    values = {
        "title": "Comprobaciones",
        "parts": [(name, read_json(path)["checks"]) for name, path in parts],
    }
    write_page(template, values, output)


if __name__ == "__main__":
    run_stage(write_checks_page)
