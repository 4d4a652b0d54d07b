"""What an export says of its wiki, from its head alone."""

import bz2
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from minillm.corpus.read_siteinfo import read_siteinfo
from minillm.corpus.write_export import write_export

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
HEAD = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="ca"><siteinfo>'
    '<namespaces><namespace key="0" /><namespace key="6" case="first-letter">Fitxer</namespace>'
    '<namespace key="14">Categoria &amp; més</namespace></namespaces></siteinfo>'
)


def siteinfo(folder: Path, dump: Path) -> dict[str, Any]:
    read_siteinfo(dump, folder / "siteinfo.json")
    return json.loads((folder / "siteinfo.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_language_and_namespaces(tmp_path: Path, encoding: str) -> None:
    dump = tmp_path / "a.xml.bz2"
    dump.write_bytes(bz2.compress((HEAD + "</mediawiki>").encode(encoding)))
    assert siteinfo(tmp_path, dump) == {
        "language": "ca",
        "namespaces": {"6": ["Fitxer"], "14": ["Categoria & més"]},
        "redirects": [],
        "magic_words": [],
        "interlanguage": [],
    }


def test_a_head_in_a_large_block(tmp_path: Path) -> None:
    """A block of bz2 is unpacked as a whole: the first compressed bytes give nothing yet."""
    noise = "".join(f"<page>{hashlib.sha256(bytes([n // 256, n % 256])).hexdigest()}</page>" for n in range(20_000))
    dump = tmp_path / "a.xml.bz2"
    dump.write_bytes(bz2.compress((HEAD + noise + "</mediawiki>").encode()))
    assert dump.stat().st_size > 3 * 65_536
    assert siteinfo(tmp_path, dump)["language"] == "ca"


def test_nothing_after_the_head_is_read(tmp_path: Path) -> None:
    dump = tmp_path / "a.xml"
    dump.write_text(HEAD + "<page><title>no </closed>", encoding="utf-8")
    assert siteinfo(tmp_path, dump)["language"] == "ca"
    dump.write_text('<mediawiki><page><namespace key="6">no</namespace></page>', encoding="utf-8")
    assert siteinfo(tmp_path, dump) | {"language": "", "namespaces": {}} == siteinfo(tmp_path, dump)


@pytest.mark.parametrize("xml", ["<!DOCTYPE a><mediawiki>", "<mediawiki></siteinfo>", "nada"])
def test_a_head_that_cannot_be_read(tmp_path: Path, xml: str) -> None:
    (tmp_path / "a.xml").write_text(xml)
    with pytest.raises(ValueError, match=r"the head of .*a\.xml cannot be read"):
        read_siteinfo(tmp_path / "a.xml", tmp_path / "siteinfo.json")
    assert not (tmp_path / "siteinfo.json").exists()


def test_our_own_export_names_the_spanish_namespaces(tmp_path: Path) -> None:
    write_export([], tmp_path / "export.xml")
    found = siteinfo(tmp_path, tmp_path / "export.xml")
    assert found["language"] == "es"
    names = {"6": ["Archivo"], "10": ["Plantilla"], "14": ["Categoría"], "104": ["Anexo"]}
    assert names.items() <= found["namespaces"].items()


@pytest.mark.shared
def test_a_real_export(tmp_path: Path) -> None:
    dump = SHARED / "wikitext/eswiki-20170101-pages-articles.test.xml"
    if not dump.exists():
        pytest.skip("the real export is not in ../shared")
    found = siteinfo(tmp_path, dump)
    assert (found["language"], found["namespaces"]["14"], len(found["namespaces"])) == ("es", ["Categoría"], 31)
