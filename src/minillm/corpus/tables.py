"""The tables that the corpus stages hand to each other: their columns, and how they are written.

Raw rows are pages as the wiki holds them, clean rows are plain text, article rows are what models see.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from minillm.files import replacing

# Identity and attribution, carried through every stage.
IDENTITY = [
    ("page_id", pa.int64()),
    ("rev_id", pa.int64()),
    ("title", pa.string()),
    ("timestamp", pa.string()),  # of the revision, ISO 8601, as the wiki gives it
    ("sha1", pa.string()),  # of the wikitext in UTF-8, hex
    ("url", pa.string()),  # where to read this article and find its authors; empty if it is not on a wiki
    ("licence", pa.string()),
]
RAW = pa.schema(
    [
        *IDENTITY,
        ("namespace", pa.int32()),
        ("content_model", pa.string()),
        ("wikitext", pa.string()),
    ]
)
CLEAN = pa.schema(
    [
        *IDENTITY,
        ("kind", pa.string()),  # article, redirect, namespace, content_model or disambiguation
        ("text", pa.string()),  # normalised; empty unless kind is article
        ("language", pa.string()),  # ISO 639-1 code that the text looks like
        ("characters", pa.int64()),
        ("words", pa.int64()),  # separated by white space
        ("sections", pa.int64()),
        ("list_share", pa.float64()),  # of the lines, 0 to 1
        ("unrendered", pa.list_(pa.string())),  # templates inside the prose that left nothing
    ]
)
ARTICLES = pa.schema(
    [
        *IDENTITY,
        ("text", pa.string()),
        ("characters", pa.int64()),
        ("words", pa.int64()),
        ("sections", pa.int64()),
        ("cluster", pa.int64()),  # smallest page_id of the articles that resemble this one, itself included
        ("split", pa.string()),  # train, validation or test
    ]
)
SPLITS = ("train", "validation", "test")


def write_table(path: Path, rows: Iterable[dict[str, Any]], schema: pa.Schema) -> None:
    """Write rows as one Parquet file, atomically."""
    with replacing(path) as temporary:
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), temporary, compression="zstd")


def read_texts(articles: Path, split: str) -> list[str]:
    """The texts of one split, in order of page id.

    Raises ValueError if the split is not one of `SPLITS`.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: one of {', '.join(SPLITS)}")
    table = pq.read_table(articles, columns=["text"], filters=[("split", "=", split)])
    return table.column("text").to_pylist()
