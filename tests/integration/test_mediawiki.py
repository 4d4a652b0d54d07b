"""The export that is made of the sample, in the hands of MediaWiki itself: its schema, its import, its own export."""

import gzip
import hashlib
import urllib.parse
from pathlib import Path

import pytest
import xmlschema

from minillm.corpus.read_dump import read_pages
from minillm.corpus.write_export import write_export

from .conftest import MEDIAWIKI, Wiki

ARTICLES = sorted((Path(__file__).parents[2] / "data/sample/articles").glob("*.wiki"))
SCHEMA = MEDIAWIKI / "doc/mediawiki/docs/export-0.11.xsd.gz"

pytestmark = pytest.mark.mediawiki


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "export.xml"
    write_export(ARTICLES, path)
    return path


def pages(export: Path) -> dict[str, tuple[int, str, str]]:
    """Namespace, text and SHA-1 by title, as our own reader sees an export."""
    return {page["title"]: (page["namespace"], page["wikitext"], page["sha1"]) for page in read_pages(export)}


@pytest.mark.skipif(not SCHEMA.exists(), reason="MediaWiki is not here (./system-packages.sh test)")
def test_the_export_is_valid(export: Path) -> None:
    schema = xmlschema.XMLSchema(gzip.decompress(SCHEMA.read_bytes()).decode())
    text = export.read_text(encoding="utf-8")
    schema.validate(text)
    assert not schema.is_valid(text.replace("<ns>0</ns>", "<ns>cero</ns>", 1))


def test_what_mediawiki_imports_and_exports_is_the_sample(export: Path, wiki: Wiki, tmp_path: Path) -> None:
    already_there = pages(dump(wiki, tmp_path))
    wiki.maintenance("importDump", "--no-updates", export)
    imported = pages(dump(wiki, tmp_path))
    assert already_there.keys() == {"Página principal"}
    texts = {urllib.parse.unquote(path.stem).replace("_", " "): path.read_text(encoding="utf-8") for path in ARTICLES}
    assert imported == already_there | pages(export)
    assert pages(export) == {
        title: (104 if title.startswith("Anexo:") else 0, text.strip(), hashlib.sha1(text.strip().encode()).hexdigest())
        for title, text in texts.items()
    }


def dump(wiki: Wiki, folder: Path) -> Path:
    path = folder / "dump.xml"
    path.write_text(wiki.maintenance("dumpBackup", "--current", "--quiet"), encoding="utf-8")
    return path
