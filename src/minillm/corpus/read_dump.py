"""Read a MediaWiki XML export of any size into shards of raw pages.

The export is read as a stream (plain, .bz2, .gz or .xz), so that memory stays bounded whatever its size. The SHA-1 of
every page that has one is verified, pages without are counted in the log; a DOCTYPE is refused, since no MediaWiki
export has one and entity bombs need one. Of a page with several revisions the newest is kept.
"""

import hashlib
import logging
import lzma
import urllib.parse
import xml.parsers.expat
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from minillm.corpus.attribution import article_url, history_url
from minillm.corpus.tables import write_shards
from minillm.corpus.unpack import unpacked
from minillm.stage import run_stage

_log = logging.getLogger(__name__)

LONGEST_PAGE = 16 << 20  # characters; MediaWiki allows 2 MiB of wikitext
DEEPEST = 20  # elements inside each other; an export has six


def read_dump(dump: Path, licence: str, real_revision_ids: bool, output: list[Path]) -> None:
    """Write the pages of `dump` to the Parquet files `output`, page after page in turn.

    `real_revision_ids` says whether the export's ids are the wiki's own: only then a URL may name the revision,
    otherwise it names the title. Raises ValueError, naming the file and the page, if the dump is missing, cut
    short, not a MediaWiki export, has a DOCTYPE or holds a page whose text does not match its SHA-1.
    """
    pages = write_shards(output, ({**page, "licence": licence} for page in read_pages(dump, real_revision_ids)))
    _log.info("%s: %d pages", dump, pages)


def read_pages(dump: Path, real_revision_ids: bool = False) -> Iterator[dict[str, Any]]:
    """The pages of an export one by one, with the columns of `tables.RAW` except the licence."""
    return parse_pages(dump, unpacked(dump), real_revision_ids)


def parse_pages(dump: Path, pieces: Iterable[bytes], real_revision_ids: bool) -> Iterator[dict[str, Any]]:
    """The pages of the export that `pieces` of XML make up; messages call it `dump`."""
    handler = _ExportHandler(str(dump), real_revision_ids)
    parser = xml.parsers.expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = 1 << 16  # one call for most texts, not one for each line
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.characters
    parser.StartDoctypeDeclHandler = handler.doctype
    at_end = False
    size = 0
    try:
        for piece in pieces:
            parser.Parse(piece, False)
            size += len(piece)
            if size - parser.CurrentByteIndex > LONGEST_PAGE:  # the parser holds what has no end yet, such as a comment
                raise ValueError(f"{dump}, {handler.place()}: markup of more than {LONGEST_PAGE} bytes: refused")
            yield from handler.take()
        at_end = True
        parser.Parse(b"", True)
    except FileNotFoundError:
        raise ValueError(f"dump not found: {dump}; give its path with --config dump=PATH") from None
    except (EOFError, zlib.error) as error:
        raise ValueError(f"{dump} ends in the middle, {handler.place()}; download it again ({error})") from error
    except xml.parsers.expat.ExpatError as error:
        if at_end:
            raise ValueError(f"{dump} ends in the middle, {handler.place()}; download it again") from error
        raise ValueError(f"{dump} is not well-formed XML, {handler.place()}: {error}") from error
    except (OSError, lzma.LZMAError) as error:
        raise ValueError(f"{dump} cannot be read, {handler.place()}: {error}") from error
    yield from handler.take()
    if handler.unverified:
        _log.warning("%s: %d pages have no SHA-1 and were not verified", dump, handler.unverified)


class _ExportHandler:
    """Collects pages from the parser's events."""

    def __init__(self, dump: str, real_revision_ids: bool) -> None:
        self.dump = dump
        self.real_revision_ids = real_revision_ids
        self.index = ""  # address of the wiki's index.php, from <siteinfo>; empty if the export names no wiki
        self.done: list[dict[str, Any]] = []
        self.path: list[str] = []
        self.page: dict[str, Any] = {}
        self.revision: dict[str, str] = {}
        self.pieces: list[str] = []
        self.length = 0
        self.count = 0
        self.unverified = 0

    def doctype(self, *_: object) -> None:
        raise ValueError(f"{self.dump} has a DOCTYPE, which no MediaWiki export has: refused, since it can hide a bomb")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.path and name != "mediawiki":
            raise ValueError(f"{self.dump} is not a MediaWiki export: its root is <{name}>, not <mediawiki>")
        self.path.append(name)
        if len(self.path) > DEEPEST:
            raise ValueError(f"{self.dump}, {self.place()}: more than {DEEPEST} elements inside each other: refused")
        self.pieces, self.length = [], 0
        if name == "page":
            self.page = {}
        elif name == "revision":
            self.revision = {}
        elif name == "text" and self.path[-2] == "revision":  # not the text of another slot
            self.revision["sha1"] = attributes.get("sha1", "")
            self.revision["hidden"] = attributes.get("deleted", "")

    def characters(self, text: str) -> None:
        self.length += len(text)
        if self.length > LONGEST_PAGE:
            raise ValueError(f"{self.dump}, {self.place()}: an element of more than {LONGEST_PAGE} characters: refused")
        self.pieces.append(text)

    def end(self, name: str) -> None:
        self.path.pop()
        parent = self.path[-1] if self.path else ""
        if parent == "revision":
            text = "".join(self.pieces)
            if name != "sha1" or text:
                self.revision[name] = text
        elif parent == "page":
            if name == "revision":
                newest = self.page.get("revision")
                if newest is None or self.revision.get("timestamp", "") >= newest.get("timestamp", ""):
                    self.page["revision"] = self.revision
            else:
                self.page[name] = "".join(self.pieces)
        elif name == "page":
            self.count += 1
            self._finish()
        elif name == "base" and parent == "siteinfo":
            self.index = urllib.parse.urljoin("".join(self.pieces), "/w/index.php")
        self.pieces, self.length = [], 0

    def _finish(self) -> None:
        revision = self.page.get("revision", {})
        if revision.get("hidden") or "text" not in revision:
            _log.warning("%s: the text of «%s» is hidden on the wiki; page left out", self.dump, self.page.get("title"))
            return
        try:
            page_id, rev_id = int(self.page["id"]), int(revision["id"])
            namespace, title = int(self.page.get("ns", "0")), self.page["title"]
        except (KeyError, ValueError) as error:
            raise ValueError(f"{self.dump}, {self.place()}: a page without a valid title or id ({error})") from error
        digest = hashlib.sha1(revision["text"].encode()).hexdigest()
        declared = revision.get("sha1", "")
        self.unverified += not declared
        if declared and not _same_sha1(digest, declared):
            raise ValueError(
                f"{self.dump}, page {page_id} «{title}»: its text does not match its SHA-1 "
                f"({declared}); the file was damaged or edited: download it again"
            )
        self.done.append(
            {
                "page_id": page_id,
                "rev_id": rev_id,
                "title": title,
                "timestamp": revision.get("timestamp", ""),
                "sha1": digest,
                "namespace": namespace,
                "content_model": revision.get("model", "wikitext"),
                "wikitext": revision["text"],
                "url": self.index and article_url(self.index, title, rev_id if self.real_revision_ids else None),
                "history_url": self.index and history_url(self.index, title),
            }
        )

    def take(self) -> list[dict[str, Any]]:
        """The pages finished since the last call."""
        done, self.done = self.done, []
        return done

    def place(self) -> str:
        """Where the reader is, for a message."""
        title = self.page.get("title")
        return f"after {self.count} pages" + (f", near «{title}»" if title else "")


def _same_sha1(digest: str, declared: str) -> bool:
    """Whether a declared SHA-1 (hex, or base 36 as in MediaWiki's exports) is this digest."""
    if len(declared) == 40:
        return declared.lower() == digest
    try:
        return int(declared, 36) == int(digest, 16)
    except ValueError:
        return False


if __name__ == "__main__":
    run_stage(read_dump)
