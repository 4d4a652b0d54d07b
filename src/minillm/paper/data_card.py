"""Write the card of a corpus: where its articles come from, which were kept and why, and whose they are."""

from pathlib import Path
from typing import Any

from minillm.files import write_text
from minillm.paper.markdown import environment, licence_id
from minillm.paper.templates import render
from minillm.paper.values import describe_corpus
from minillm.stage import run_stage

_SIZES = ["n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M"]


def write_data_card(template: Path, corpus: dict[str, Any], selection: Path, output: Path) -> None:
    """Fill the template of the card with the report of the selection. Raises PaperError as the article does."""
    described = describe_corpus(corpus, selection)
    values = {
        "corpus": described,
        "licence": licence_id(corpus["licence"]),
        "size": size_category(described.kept),
        "folder": str(output.parent),
    }
    write_text(output, render(environment(template.parent), template, values))


def size_category(articles: int) -> str:
    """The hub's name for a number of rows."""
    return _SIZES[min(max(len(str(articles)) - 3, 0), len(_SIZES) - 1)]


if __name__ == "__main__":
    run_stage(write_data_card)
