"""What an export says of its wiki: the language and the names of the namespaces, which cleaning needs.

The file is the one that the download writes; redirects, magic words and interlanguage prefixes are not in an export.
"""

import lzma
import xml.parsers.expat
import zlib
from pathlib import Path

from minillm.corpus.unpack import unpacked
from minillm.files import write_json
from minillm.stage import run_stage

LONGEST_HEAD = 1 << 22  # bytes; the head of an export has a few KiB


def read_siteinfo(dump: Path, output: Path) -> None:
    """Write the language and the namespaces of an export, of which only the head is read; empty where it has none.

    Raises ValueError if the head cannot be read.
    """
    head = _Head()
    parser = xml.parsers.expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = head.start
    parser.EndElementHandler = head.end
    parser.CharacterDataHandler = head.characters
    parser.StartDoctypeDeclHandler = head.doctype
    try:
        size = 0
        for piece in unpacked(dump):
            parser.Parse(piece, False)
            size += len(piece)
            if size > LONGEST_HEAD:
                break
        raise ValueError("it has no end")
    except _HeadEnd:
        pass
    except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError, xml.parsers.expat.ExpatError) as error:
        raise ValueError(f"the head of {dump} cannot be read: {error}") from error
    unknown: dict[str, list[str]] = {"redirects": [], "magic_words": [], "interlanguage": []}
    write_json(output, {"language": head.language, "namespaces": head.namespaces, **unknown})


class _HeadEnd(Exception):  # noqa: N818 (no error)
    """All that is asked for has been read."""


class _Head:
    """Collects language and namespaces from the parser's events."""

    def __init__(self) -> None:
        self.language = ""
        self.namespaces: dict[str, list[str]] = {}  # names by number
        self.key = ""
        self.text = ""

    def doctype(self, *_: object) -> None:
        raise ValueError("it has a DOCTYPE, which no MediaWiki export has")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "mediawiki":
            self.language = attributes.get("xml:lang", "")
        elif name == "namespace":
            self.key, self.text = attributes.get("key", ""), ""
        elif name == "page":
            raise _HeadEnd

    def characters(self, text: str) -> None:
        self.text += text

    def end(self, name: str) -> None:
        if name == "namespace" and self.text:  # that of articles has no name
            self.namespaces[self.key] = [self.text]
        elif name in ("siteinfo", "mediawiki"):
            raise _HeadEnd


if __name__ == "__main__":
    run_stage(read_siteinfo)
