"""Read articles that are plain text into shards of raw pages: text and Markdown files, JSON lines or Parquet.

- `.txt`, in UTF-8: one article, the file's name its title.
- `.md`, Markdown in UTF-8: the same, rendered to plain text; a `title:` in a YAML front matter names it.
- `.jsonl`: an object a line; `.parquet`: a row. Each is an article, with the columns of the files of
  `wikimedia/wikipedia` (`text`, `title`, `url`) unless the config names others.

Cleaning only normalises them.
"""

import hashlib
import json
import logging
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from minillm.corpus.attribution import history_url
from minillm.corpus.markdown import render_markdown
from minillm.corpus.tables import ROWS_AT_ONCE, new_id, write_shards
from minillm.files import read_utf8
from minillm.stage import run_stage

_log = logging.getLogger(__name__)


def read_texts(texts: list[Path], text_column: str, title_column: str, licence: str, output: list[Path]) -> None:
    """Write the articles of `texts`, in order of file name and row, to the Parquet files `output` in turn.

    A row without a title is named after its file and number; an address is taken from a column `url`. Page ids are
    hashes of title and text. Raises ValueError, naming the file and the row, if one cannot be read or has no text.
    """
    taken: set[int] = set()
    pages = (
        _page(title, text, url, licence, taken)
        for path in sorted(texts)
        for title, text, url in _articles(path, text_column, title_column)
    )
    _log.info("%d articles in %d files", write_shards(output, pages), len(texts))


def _page(title: str, text: str, url: str, licence: str, taken: set[int]) -> dict[str, Any]:
    number = new_id(f"{title}\n{text}", taken)
    return {
        "page_id": number,
        "rev_id": number,
        "title": title,
        "timestamp": "",
        "sha1": hashlib.sha1(text.encode()).hexdigest(),
        "url": url,
        "history_url": _history_of(url),
        "licence": licence,
        "namespace": 0,
        "content_model": "text",
        "wikitext": text,
    }


def _history_of(url: str) -> str:
    """Where the authors are listed, if the address is that of an article of Wikipedia."""
    address = urllib.parse.urlsplit(url)
    if not address.netloc.endswith(".wikipedia.org") or not address.path.startswith("/wiki/"):
        return ""
    title = urllib.parse.unquote(address.path.removeprefix("/wiki/"))
    return history_url(urllib.parse.urljoin(url, "/w/index.php"), title)


def _articles(path: Path, text_column: str, title_column: str) -> Iterator[tuple[str, str, str]]:
    """Title, text and address of each article of a file."""
    if path.suffix in (".txt", ".md"):
        content = read_utf8(path)
        named, plain = render_markdown(content) if path.suffix == ".md" else ("", content)
        yield named or path.stem.replace("_", " "), plain, ""
        return
    for number, row in enumerate(_rows(path), 1):
        text = row.get(text_column)
        if not isinstance(text, str):
            found = ", ".join(map(repr, row)) or "none"
            raise ValueError(f"{path}, row {number}: no text in column {text_column!r}; its columns are {found}")
        title, url = row.get(title_column), row.get("url")
        yield str(title or f"{path.stem} {number}"), text, url if isinstance(url, str) else ""


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file or the objects of JSON lines."""
    if path.suffix == ".parquet":
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                    yield from batch.to_pylist()
        except (pa.ArrowInvalid, OSError) as error:
            raise ValueError(f"{path} is not a Parquet file that can be read: {error}") from error
        return
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except ValueError as error:
                raise ValueError(f"{path}, line {number} is not JSON in UTF-8: {error}") from error
            if not isinstance(row, dict):
                raise ValueError(f"{path}, line {number} is not a JSON object")
            yield row


if __name__ == "__main__":
    run_stage(read_texts)
