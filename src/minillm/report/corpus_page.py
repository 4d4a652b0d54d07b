"""The corpus as a page to read: its splits, what was dropped and why, and how the vocabularies cover it."""

from pathlib import Path
from typing import Any

from minillm.files import read_json
from minillm.paper.values import REASONS, SPLITS
from minillm.report.pages import write_page
from minillm.stage import run_stage


def write_corpus_page(
    template: Path, corpus: dict[str, Any], selection: Path, statistics: list[Path], output: Path
) -> None:
    """Show `selection.json` and `…/<vocabulary>/statistics.json`; `corpus` is the settings of the corpus."""
    selected = read_json(selection)
    dropped = [
        (several, selected["dropped"][reason], [page["title"] for page in selected["examples"][reason]])
        for reason, (_, several) in REASONS.items()
        if reason in selected["dropped"]
    ]
    values = {
        "title": f"Corpus «{corpus['name']}»",
        "corpus": corpus,
        "selected": selected,
        "splits": SPLITS,
        "dropped": dropped,
        "vocabularies": [(path.parent.name, read_json(path)) for path in statistics],
    }
    write_page(template, values, output)


if __name__ == "__main__":
    run_stage(write_corpus_page)
