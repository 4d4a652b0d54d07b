"""Make a MediaWiki XML export from a folder of wikitext files: one file a page, `Title_of_the_page.wiki`.

The bundled sample is edited as such files and read like any other export. Page and revision ids are taken from
hashes of title and text, so that adding an article changes no other article's id (but where two hashes clash).
"""

import hashlib
import urllib.parse
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from minillm.corpus.tables import new_id
from minillm.files import read_utf8, write_text
from minillm.stage import run_stage

TIMESTAMP = "2026-01-01T00:00:00Z"  # outputs carry no dates of their own
# Of the Spanish Wikipedia, without the talk pages.
NAMESPACES = {
    "Medio": -2,
    "Especial": -1,
    "Usuario": 2,
    "Wikipedia": 4,
    "Archivo": 6,
    "MediaWiki": 8,
    "Plantilla": 10,
    "Ayuda": 12,
    "Categoría": 14,
    "Portal": 100,
    "Wikiproyecto": 102,
    "Anexo": 104,
    "Módulo": 828,
}


def write_export(articles: list[Path], output: Path) -> None:
    """Write the pages in order of title as a MediaWiki export (schema 0.11).

    Raises ValueError if two files have one title or a file is not UTF-8.
    """
    pages: dict[str, str] = {}
    for path in articles:
        if (title := _title(path)) in pages:
            raise ValueError(f"{path}: another file is the page {title!r} too; remove one of them")
        pages[title] = read_utf8(path).strip()
    page_ids: set[int] = set()
    revision_ids: set[int] = set()
    written = [
        _page(title, new_id(title, page_ids), new_id(f"{title}\n{text}", revision_ids), text)
        for title, text in sorted(pages.items())
    ]
    write_text(output, _HEAD + "".join(written) + "</mediawiki>\n")


def _title(path: Path) -> str:
    """The title a file name stands for: spaces are underscores, ':' and '/' are percent-encoded."""
    return urllib.parse.unquote(path.stem).replace("_", " ")


_NAMESPACES = "\n".join(
    f'      <namespace key="{key}" case="first-letter">{name}</namespace>' for name, key in NAMESPACES.items()
)
_HEAD = f"""<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="es">
  <siteinfo>
    <sitename>miniLLM</sitename>
    <dbname>minillm</dbname>
    <case>first-letter</case>
    <namespaces>
      <namespace key="0" case="first-letter" />
{_NAMESPACES}
    </namespaces>
  </siteinfo>
"""


def _page(title: str, page_id: int, revision_id: int, text: str) -> str:
    digest = _base36(int(hashlib.sha1(text.encode()).hexdigest(), 16)).rjust(31, "0")
    prefix, colon, _ = title.partition(":")
    namespace = NAMESPACES.get(prefix, 0) if colon else 0
    size = len(text.encode())
    return f"""  <page>
    <title>{escape(title)}</title>
    <ns>{namespace}</ns>
    <id>{page_id}</id>
    <revision>
      <id>{revision_id}</id>
      <timestamp>{TIMESTAMP}</timestamp>
      <contributor>
        <username>miniLLM</username>
        <id>1</id>
      </contributor>
      <origin>{revision_id}</origin>
      <model>wikitext</model>
      <format>text/x-wiki</format>
      <text bytes={quoteattr(str(size))} sha1={quoteattr(digest)} xml:space="preserve">{escape(text)}</text>
      <sha1>{digest}</sha1>
    </revision>
  </page>
"""


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, remainder = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[remainder] + digits
    return digits


if __name__ == "__main__":
    run_stage(write_export)
