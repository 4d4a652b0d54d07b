"""The tables that the corpus stages hand to each other: their columns, and how they are written.

Raw rows are pages as the wiki holds them, clean rows are plain text, article rows are what models see.
"""

import hashlib
from collections.abc import Iterable
from contextlib import ExitStack
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
    ("sha1", pa.string()),  # of the raw text in UTF-8, hex
    ("url", pa.string()),  # where to read this article; empty if it is not on a wiki
    ("history_url", pa.string()),  # where its authors are listed; empty if it is not on a wiki
    ("licence", pa.string()),
]
RAW = pa.schema(
    [
        *IDENTITY,
        ("namespace", pa.int32()),
        ("content_model", pa.string()),  # as MediaWiki names it: wikitext, text (plain) or another
        ("wikitext", pa.string()),  # or plain text
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
        ("leftovers", pa.int64()),  # pieces of markup that are still in the text
        ("unrendered", pa.list_(pa.string())),  # templates inside the prose that could not be rendered
        ("holed", pa.int64()),  # sentences left out because something in them could not be rendered
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
# What a shard collects at most before it writes it.
ROWS_AT_ONCE = 100
CHARACTERS_AT_ONCE = 4 << 20


def new_id(text: str, taken: set[int]) -> int:
    """An id of seven or eight digits from a hash of the text, the next free one if it is taken; adds it to `taken`."""
    number = int(hashlib.sha1(text.encode()).hexdigest()[:6], 16) + 1_000_000
    while number in taken:
        number += 1
    taken.add(number)
    return number


def write_shards(output: list[Path], pages: Iterable[dict[str, Any]]) -> int:
    """Write raw pages to Parquet files, page after page in turn, in bounded memory; returns how many there were."""
    with ExitStack() as stack:
        writers = []
        for path in output:
            temporary = stack.enter_context(replacing(path))
            writers.append(stack.enter_context(pq.ParquetWriter(temporary, RAW, compression="zstd")))
        batches: list[list[dict[str, Any]]] = [[] for _ in output]
        characters = [0] * len(output)
        count = 0
        for page in pages:
            turn = count % len(output)
            batch = batches[turn]
            batch.append(page)
            characters[turn] += len(page["wikitext"])
            if len(batch) == ROWS_AT_ONCE or characters[turn] > CHARACTERS_AT_ONCE:
                writers[turn].write_table(pa.Table.from_pylist(batch, schema=RAW))
                batch.clear()
                characters[turn] = 0
            count += 1
        for writer, batch in zip(writers, batches, strict=True):
            writer.write_table(pa.Table.from_pylist(batch, schema=RAW))
    return count


def write_table(path: Path, rows: Iterable[dict[str, Any]], schema: pa.Schema) -> None:
    """Write rows as one Parquet file, atomically."""
    with replacing(path) as temporary:
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), temporary, compression="zstd")


def read_split(articles: Path, split: str) -> list[str]:
    """The texts of one split, in order of page id.

    Raises ValueError if the split is not one of `SPLITS`, or has no articles.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: one of {', '.join(SPLITS)}")
    table = pq.read_table(articles, columns=["text"], filters=[("split", "=", split)])
    if not len(table):
        raise ValueError(f"{articles}: the {split} split has no articles: give more")
    return table.column("text").to_pylist()
