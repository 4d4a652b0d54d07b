"""Make a small corpus of one text file: a document a line, or one text in consecutive pieces.

The small studies learn from such files. They are normalised like every text and split, but nothing is selected: what
somebody put into a list is meant.
"""

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minillm.corpus.tables import ARTICLES, SPLITS, write_table
from minillm.files import read_utf8
from minillm.stage import run_stage
from minillm.text import normalise

PIECE = 5_000  # characters: enough pieces to resample, each far longer than what a small model sees at once


def split_text(text: Path, source: str, licence: str, shares: dict[str, float], seed: int, output: Path) -> None:
    """Write the articles of a text file, in their order, with their splits.

    A `book` is cut in three by characters, in the order train, validation, test, and these into pieces at line ends. Of
    other sources each line that is not empty is a document, equal ones once, and chance decides on their splits. Raises
    ValueError if there is not a document for each split.
    """
    content = read_utf8(text)
    documents = list(_pieces(content, shares) if source == "book" else _lines(content, shares, seed))
    missing = [split for split in SPLITS if split not in {split for split, _ in documents}]
    if missing:
        kind = "characters" if source == "book" else "lines"
        raise ValueError(f"{text}: too few {kind} for three splits ({', '.join(missing)} would be empty): give more")
    write_table(output, (_row(number, *document, licence) for number, document in enumerate(documents, 1)), ARTICLES)


def _lines(content: str, shares: Mapping[str, float], seed: int) -> Iterable[tuple[str, str]]:
    lines = list(dict.fromkeys(filter(None, map(normalise, content.splitlines()))))
    splits = np.repeat(SPLITS, np.diff(_bounds(len(lines), shares)))
    return zip(splits[np.argsort(np.random.default_rng(seed).random(len(lines)))].tolist(), lines, strict=True)


def _pieces(content: str, shares: Mapping[str, float]) -> Iterable[tuple[str, str]]:
    for split, (place, end) in zip(SPLITS, itertools.pairwise(_bounds(len(content), shares)), strict=True):
        start = place
        while start < end:
            cut = content.find("\n", min(start + PIECE, end), end) + 1 or end
            if piece := normalise(content[start:cut]):
                yield split, piece
            start = cut


def _bounds(total: int, shares: Mapping[str, float]) -> list[int]:
    """Where the splits begin and end among so many lines or characters."""
    ends = itertools.accumulate(shares[split] for split in SPLITS)
    return [0, *(round(share * total) for share in ends)]


def _row(number: int, split: str, text: str, licence: str) -> dict[str, Any]:
    unknown = dict.fromkeys(("timestamp", "sha1", "url", "history_url"), "")
    return {
        **unknown,
        "page_id": number,
        "rev_id": number,
        "title": text.partition("\n")[0][:60],
        "licence": licence,
        "text": text,
        "characters": len(text),
        "words": len(text.split()),
        "sections": 0,
        "cluster": number,
        "split": split,
    }


if __name__ == "__main__":
    run_stage(split_text)
