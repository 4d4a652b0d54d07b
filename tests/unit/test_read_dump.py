"""Reading a MediaWiki export, whatever its form, and refusing what is damaged; writing one that reads back the same."""

import bz2
import gzip
import hashlib
import itertools
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.corpus import read_dump as module
from minillm.corpus import tables, unpack
from minillm.corpus.read_dump import read_dump, read_pages
from minillm.corpus.tables import RAW
from minillm.corpus.write_export import write_export

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
SITE = "<siteinfo><sitename>W</sitename><base>https://es.wikipedia.org/wiki/Portada</base></siteinfo>"


def revision(text: str, rev_id: int = 10, timestamp: str = "2020-01-01T00:00:00Z", sha1: str = "") -> str:
    """One revision, with ids and texts in it that are not the page's."""
    return (
        f"<revision><id>{rev_id}</id><parentid>3</parentid><timestamp>{timestamp}</timestamp>"
        "<contributor><username>Bot</username><id>99</id></contributor><comment>otro texto</comment>"
        f'<model>wikitext</model><format>text/x-wiki</format><text xml:space="preserve">{escape(text)}</text>'
        f"<sha1>{sha1}</sha1></revision>"
    )


def page(title: str, page_id: int, *revisions: str, ns: int = 0) -> str:
    return f"<page><title>{escape(title)}</title><ns>{ns}</ns><id>{page_id}</id>{''.join(revisions)}</page>"


def export(*pages: str, site: str = SITE) -> str:
    namespace = "http://www.mediawiki.org/xml/export-0.11/"
    return f'<mediawiki xmlns="{namespace}" version="0.11" xml:lang="es">{site}{"".join(pages)}</mediawiki>'


THREE = export(
    page("Luna", 1, revision("La '''Luna''' & el <b>Sol</b>.\n\nÑandú 😀", 11)),
    page("Niño", 2, revision("", 12)),
    page("Marte", 7, revision("Cuarto planeta", 13)),
)
THREE_TEXTS = ["La '''Luna''' & el <b>Sol</b>.\n\nÑandú 😀", "", "Cuarto planeta"]


def read(folder: Path, xml: str | bytes, name: str = "dump.xml", **options: Any) -> list[dict[str, Any]]:
    path = folder / name
    path.write_bytes(xml.encode() if isinstance(xml, str) else xml)
    return list(read_pages(path, **options))


def refusal(folder: Path, xml: str | bytes, name: str = "dump.xml") -> str:
    """The message that a bad export is refused with: one line that names the file."""
    with pytest.raises(ValueError, match=name.replace(".", r"\.")) as error:
        read(folder, xml, name)
    message = str(error.value)
    assert "\n" not in message
    return message


# Forms of the file


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("dump.xml", bytes),
        ("dump.xml.bz2", bz2.compress),
        ("dump.xml.gz", gzip.compress),
        ("dump.xml.xz", lzma.compress),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_compressions_and_encodings(tmp_path: Path, name: str, pack: Callable[[bytes], bytes], encoding: str) -> None:
    xml = ("\ufeff" if encoding == "utf-16-be" else "") + THREE
    pages = read(tmp_path, pack(xml.encode(encoding)), name)
    assert [found["wikitext"] for found in pages] == THREE_TEXTS
    assert [found["page_id"] for found in pages] == [1, 2, 7]


def test_the_schema_before(tmp_path: Path) -> None:
    """Exports of schema 0.10 have no <origin>, no slots, and their namespace is another."""
    xml = export(page("Luna", 1, revision("hola", 11, sha1="hxhyxtaw6krgl5p1t64tstugxrvcn2o")))
    old = xml.replace("export-0.11", "export-0.10").replace('version="0.11"', 'version="0.10"')
    new = xml.replace("<model>", "<origin>11</origin><model>").replace("<text ", '<text bytes="4" ')
    assert old != xml
    assert read(tmp_path, old) == read(tmp_path, new) == read(tmp_path, xml)


def test_several_streams_in_one_bz2(tmp_path: Path) -> None:
    """Wikipedia's multistream dumps are many streams of 100 pages, one after the other."""
    xml = THREE.encode()
    cuts = [0, 150, 700, len(xml)]
    streams = b"".join(bz2.compress(xml[a:b]) for a, b in itertools.pairwise(cuts))
    assert [found["title"] for found in read(tmp_path, streams, "dump.xml.bz2")] == ["Luna", "Niño", "Marte"]


@pytest.mark.parametrize("chunk", [1, 2, 7, 64])
def test_pages_do_not_depend_on_where_the_stream_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    whole = read(tmp_path, THREE)
    monkeypatch.setattr(unpack, "CHUNK", chunk)
    assert read(tmp_path, THREE) == whole


def test_a_page_is_out_before_the_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader is a stream: a file that ends badly still gives the pages before."""
    monkeypatch.setattr(unpack, "CHUNK", 16)
    path = tmp_path / "dump.xml"
    path.write_text(THREE[: THREE.index("Marte")], encoding="utf-8")
    pages = read_pages(path)
    assert [next(pages)["page_id"], next(pages)["page_id"]] == [1, 2]
    with pytest.raises(ValueError, match="ends in the middle"):
        next(pages)


# What a page is


def test_all_columns(tmp_path: Path) -> None:
    text = "hola"
    (found,) = read(tmp_path, export(page("El Niño/Ñ (b), c: d?", 5, revision(text, 321))))
    assert found == {
        "page_id": 5,
        "rev_id": 321,
        "title": "El Niño/Ñ (b), c: d?",
        "timestamp": "2020-01-01T00:00:00Z",
        "sha1": hashlib.sha1(b"hola").hexdigest(),
        "namespace": 0,
        "content_model": "wikitext",
        "wikitext": "hola",
        "url": "https://es.wikipedia.org/wiki/El_Ni%C3%B1o/%C3%91_(b),_c:_d%3F",
        "history_url": "https://es.wikipedia.org/w/index.php?title=El_Ni%C3%B1o/%C3%91_(b),_c:_d%3F&action=history",
    }
    assert set(found) | {"licence"} == set(RAW.names)


def test_a_url_names_the_revision_only_where_its_id_is_real(tmp_path: Path) -> None:
    (real,) = read(tmp_path, export(page("Luna", 5, revision("x", 321))), real_revision_ids=True)
    assert real["url"] == "https://es.wikipedia.org/w/index.php?oldid=321"
    (nowhere,) = read(tmp_path, export(page("Luna", 5, revision("x", 321)), site=""), real_revision_ids=True)
    assert (nowhere["url"], nowhere["history_url"]) == ("", "")


def test_namespaces_and_titles_with_a_colon(tmp_path: Path) -> None:
    pages = read(
        tmp_path,
        export(
            page("2001: una odisea del espacio", 1, revision("a")),
            page("Anexo:Ríos", 2, revision("b"), ns=104),
            page("Usuario discusión:Bot", 3, revision("c"), ns=3),
        ),
    )
    assert [(found["title"], found["namespace"]) for found in pages] == [
        ("2001: una odisea del espacio", 0),
        ("Anexo:Ríos", 104),
        ("Usuario discusión:Bot", 3),
    ]


def test_the_newest_revision_wins_in_whatever_order(tmp_path: Path) -> None:
    revisions = [
        revision("vieja", 1, "2001-12-31T23:59:59Z"),
        revision("nueva", 3, "2020-02-01T00:00:00Z"),
        revision("media", 2, "2020-01-31T00:00:00Z"),
    ]
    pages = read(tmp_path, export(page("A", 1, *revisions), page("B", 2, *revisions[::-1])))
    assert [(found["wikitext"], found["rev_id"]) for found in pages] == [("nueva", 3)] * 2


def test_hidden_text_is_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    hidden = "<revision><id>4</id><timestamp>2020-01-01T00:00:00Z</timestamp>{}</revision>"
    pages = read(
        tmp_path,
        export(
            page("Borrada", 1, hidden.format('<text deleted="deleted" />')),
            page("Sin texto", 2, hidden.format("")),
            page("Vacía", 3, revision("")),
            page("Luna", 4, revision("x")),
        ),
    )
    assert [found["title"] for found in pages] == ["Vacía", "Luna"]
    assert "Borrada" in caplog.text
    assert "Sin texto" in caplog.text
    assert "Vacía" not in caplog.text


def test_content_model(tmp_path: Path) -> None:
    xml = export(page("A", 1, revision("{}").replace(">wikitext<", ">json<")), page("B", 2, revision("")))
    assert [found["content_model"] for found in read(tmp_path, xml)] == ["json", "wikitext"]


# SHA-1


# sha1("") in hex and in MediaWiki's base 36 is known to everyone who has read a dump.
@pytest.mark.parametrize(
    ("text", "sha1"),
    [
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"),
        ("", "phoiac9h4m842xq45sp7s6u21eteeq1"),
        ("Ñandú", np.base_repr(int(hashlib.sha1("Ñandú".encode()).hexdigest(), 16), 36).lower().zfill(31)),
    ],
)
def test_a_true_sha1_in_hex_or_base_36(tmp_path: Path, text: str, sha1: str) -> None:
    for encoding in ("utf-8", "utf-16"):  # the SHA-1 is of the UTF-8 form, whatever the file's own
        (found,) = read(tmp_path, export(page("A", 1, revision(text, sha1=sha1))).encode(encoding))
        assert found["sha1"] == hashlib.sha1(text.encode()).hexdigest()


def test_a_sha1_given_as_an_attribute(tmp_path: Path) -> None:
    xml = export(page("A", 1, revision(""))).replace("<sha1></sha1>", "").replace("<text ", '<text sha1="{}" ')
    assert len(read(tmp_path, xml.format("phoiac9h4m842xq45sp7s6u21eteeq1"))) == 1
    assert "SHA-1" in refusal(tmp_path, xml.format("phoiac9h4m842xq45sp7s6u21eteeq2"))


@pytest.mark.parametrize(
    "sha1",
    [
        "da39a3ee5e6b4b0d3255bfef95601890afd80708",
        "phoiac9h4m842xq45sp7s6u21eteeq2",
        "no es un hash",
        "0",
    ],
)
def test_a_page_that_lies_about_its_sha1_is_named(tmp_path: Path, sha1: str) -> None:
    message = refusal(tmp_path, export(page("Bien", 1, revision("a")), page("Mal hecha", 42, revision("", sha1=sha1))))
    assert "page 42 «Mal hecha»" in message
    assert sha1 in message


def test_pages_without_a_sha1_are_counted_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In one line whatever their number; not those whose text is hidden, nor those whose SHA-1 is an attribute."""
    attribute = (
        revision("").replace("<sha1></sha1>", "").replace("<text ", '<text sha1="phoiac9h4m842xq45sp7s6u21eteeq1" ')
    )
    named = revision("", sha1="da39a3ee5e6b4b0d3255bfef95601890afd80709")
    hidden = "<revision><id>4</id><timestamp>2020-01-01T00:00:00Z</timestamp></revision>"
    plain = [page(f"P{number}", number, revision(f"t{number}")) for number in range(10, 13)]
    pages = [page("A", 1, attribute), page("B", 2, named)]
    assert len(read(tmp_path, export(*pages))) == 2
    assert caplog.messages == []
    assert len(read(tmp_path, export(*plain, *pages, page("C", 3, hidden)))) == 5
    told = [message for message in caplog.messages if "SHA-1" in message]
    assert len(told) == 1
    assert told[0].endswith("dump.xml: 3 pages have no SHA-1 and were not verified")


def test_an_older_revision_without_a_sha1_does_not_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    new = revision("", 3, "2020-02-01T00:00:00Z", sha1="phoiac9h4m842xq45sp7s6u21eteeq1")
    assert len(read(tmp_path, export(page("A", 1, revision("vieja", 1), new)))) == 1
    assert caplog.messages == []


def test_other_slots_of_a_revision_are_not_its_text(tmp_path: Path) -> None:
    """Schema 0.11: a revision may hold more <content> after its main text."""
    slot = '<content><role>extra</role><model>json</model><text sha1="abc" deleted="deleted">{}</text></content>'
    (found,) = read(tmp_path, export(page("A", 1, revision("hola").replace("<sha1></sha1>", slot))))
    assert found["wikitext"] == "hola"


# What is refused


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"dump not found: .*dump\.xml\.bz2; .*--config dump=PATH"):
        list(read_pages(tmp_path / "dump.xml.bz2"))


@pytest.mark.parametrize(("suffix", "pack"), [(".bz2", bz2.compress), (".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_truncated_archive(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    archive = pack(export(*(page(f"P{number}", number, revision(f"texto {number}")) for number in range(50))).encode())
    for end in (len(archive) - 1, len(archive) // 2, 12):
        assert "ends in the middle" in refusal(tmp_path, archive[:end], f"dump.xml{suffix}")


@pytest.mark.parametrize(("suffix", "pack"), [(".bz2", bz2.compress), (".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_damaged_archive(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    archive = bytearray(pack(THREE.encode()))
    archive[len(archive) // 2] ^= 0xFF
    refusal(tmp_path, bytes(archive), f"dump.xml{suffix}")


def test_what_is_not_an_archive(tmp_path: Path) -> None:
    for suffix in (".bz2", ".gz", ".xz"):
        refusal(tmp_path, THREE, f"dump.xml{suffix}")


def test_a_truncated_plain_export_says_where(tmp_path: Path) -> None:
    message = refusal(tmp_path, THREE[: THREE.index("Cuarto")])
    assert "ends in the middle, after 2 pages, near «Marte»; download it again" in message


def test_wherever_an_export_is_cut_it_is_refused(tmp_path: Path) -> None:
    xml = THREE.encode()
    for end in range(0, len(xml), 3):
        refusal(tmp_path, xml[:end])


def test_a_plain_export_cut_inside_a_tag_ends_in_the_middle(tmp_path: Path) -> None:
    assert "ends in the middle" in refusal(tmp_path, THREE[: THREE.rindex("<revision>") + 5])


def test_xml_that_is_not_well_formed(tmp_path: Path) -> None:
    message = refusal(tmp_path, export(page("Luna", 1, revision("x")), "<page><title>Sol</page>"))
    assert "not well-formed" in message
    assert "after 1 pages" in message


@pytest.mark.parametrize(
    "xml",
    [
        '<!DOCTYPE mediawiki [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>' + THREE,
        '<!DOCTYPE mediawiki SYSTEM "pages.dtd">' + THREE,
        "<!DOCTYPE html><html></html>",
    ],
)
def test_a_doctype_is_refused(tmp_path: Path, xml: str) -> None:
    assert "DOCTYPE" in refusal(tmp_path, xml)


@pytest.mark.parametrize("xml", ["<html><body/></html>", "<page><title>A</title></page>"])
def test_another_kind_of_xml(tmp_path: Path, xml: str) -> None:
    message = refusal(tmp_path, xml)
    assert "not a MediaWiki export" in message
    assert f"<{xml[1:5]}>" in message


def test_an_element_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_PAGE", 100)
    assert len(read(tmp_path, export(page("A", 1, revision("ñ" * 100))))) == 1
    message = refusal(tmp_path, export(page("A", 1, revision("x")), page("Larga", 2, revision("ñ" * 101))))
    assert "100 characters" in message
    assert "Larga" in message
    assert "refused" in refusal(tmp_path, export(page("t" * 101, 1, revision("x"))))


@pytest.mark.parametrize("opening", ["<!-- ", '<text a="', "<", "<?a ", "&"])
def test_markup_without_end_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opening: str
) -> None:
    monkeypatch.setattr(module, "LONGEST_PAGE", 1 << 20)
    whole = export(page("Luna", 1, revision("x")))
    start = whole.replace("</mediawiki>", opening)
    assert "markup of more than 1048576 bytes" in refusal(tmp_path, start + "x" * (2 << 20))
    assert "inside each other" in refusal(tmp_path, whole.replace("</mediawiki>", "<a>" * 100_000))


@pytest.mark.parametrize(("old", "new"), [("<id>5</id>", ""), ("<id>5</id>", "<id>V</id>"), ("<id>10</id>", "")])
def test_a_page_without_its_ids(tmp_path: Path, old: str, new: str) -> None:
    assert "without a valid title or id" in refusal(tmp_path, export(page("Luna", 5, revision("x"))).replace(old, new))


# Shards


def test_shards_take_pages_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", 2)
    dump = tmp_path / "dump.xml"
    dump.write_text(export(*(page(f"P{number}", number, revision(f"t{number}")) for number in range(1, 12))))
    shards = [tmp_path / "raw" / f"{number}.parquet" for number in range(3)]
    read_dump(dump, "CC BY-SA 4.0", False, shards)
    written = [pq.read_table(shard) for shard in shards]
    assert [table.column("page_id").to_pylist() for table in written] == [[1, 4, 7, 10], [2, 5, 8, 11], [3, 6, 9]]
    assert all(table.schema.equals(RAW) for table in written)
    assert set(written[0].column("licence").to_pylist()) == {"CC BY-SA 4.0"}
    first = [shard.read_bytes() for shard in shards]
    read_dump(dump, "CC BY-SA 4.0", False, shards)
    assert [shard.read_bytes() for shard in shards] == first


def test_large_pages_are_not_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "CHARACTERS_AT_ONCE", 1_000)
    dump = tmp_path / "dump.xml"
    dump.write_text(export(*(page(f"P{number}", number, revision("ñ" * 400)) for number in range(1, 8))))
    read_dump(dump, "CC0", False, [tmp_path / "0.parquet"])
    file = pq.ParquetFile(tmp_path / "0.parquet").metadata
    assert [file.row_group(number).num_rows for number in range(file.num_row_groups)] == [3, 3, 1]


def test_memory_does_not_grow_with_the_dump(tmp_path: Path) -> None:
    dump = tmp_path / "dump.xml"
    text = revision("La luna. " * 10_000)

    def peak(pages: int) -> int:
        dump.write_text(export(*(page(f"P{number}", number, text) for number in range(pages))), encoding="utf-8")
        tracemalloc.start()
        try:
            assert sum(1 for _ in read_pages(dump)) == pages
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(500) < 1.05 * peak(100) < 25e6  # bytes; the dumps have 9 and 45 MB


def test_more_shards_than_pages(tmp_path: Path) -> None:
    dump = tmp_path / "dump.xml"
    dump.write_text(export(page("A", 1, revision("x"))))
    shards = [tmp_path / f"{number}.parquet" for number in range(3)]
    read_dump(dump, "CC0", False, shards)
    assert [pq.read_table(shard).num_rows for shard in shards] == [1, 0, 0]


def test_a_bad_dump_leaves_no_shards(tmp_path: Path) -> None:
    dump = tmp_path / "dump.xml"
    dump.write_text(export(page("A", 1, revision("x")), page("B", 2, revision("y", sha1="0"))))
    shards = [tmp_path / "raw" / f"{number}.parquet" for number in range(2)]
    with pytest.raises(ValueError, match="SHA-1"):
        read_dump(dump, "CC0", False, shards)
    assert list((tmp_path / "raw").iterdir()) == []


# Writing an export


def articles(folder: Path, texts: dict[str, str]) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]


SAMPLE = {
    "Luna.wiki": "La '''Luna''' & <ref>«x»</ref> \"5 < 6\".\n",
    "2001%3A_una_odisea.wiki": "Una película.\n",
    "Anexo%3ARíos_largos.wiki": "* Amazonas\n",
    "AC%2FDC.wiki": "]]> &amp; &#65;",
    "EE._UU..wiki": "Un país.",
}


def test_only_a_prefix_with_a_colon_is_a_namespace(tmp_path: Path) -> None:
    texts = {
        "Portal.wiki": "a",
        "Portal%3AMúsica.wiki": "b",
        "Portales%3A_obra.wiki": "c",
        "Categoría%3ARíos.wiki": "d",
    }
    write_export(articles(tmp_path / "articles", texts), tmp_path / "export.xml")
    assert [(found["title"], found["namespace"]) for found in read_pages(tmp_path / "export.xml")] == [
        ("Categoría:Ríos", 14),
        ("Portal", 0),
        ("Portal:Música", 100),
        ("Portales: obra", 0),
    ]


def test_an_export_reads_back(tmp_path: Path) -> None:
    output = tmp_path / "out" / "export.xml"
    write_export(articles(tmp_path / "articles", SAMPLE), output)
    pages = list(read_pages(output))
    assert [(found["title"], found["namespace"], found["wikitext"]) for found in pages] == [
        ("2001: una odisea", 0, "Una película."),
        ("AC/DC", 0, "]]> &amp; &#65;"),
        ("Anexo:Ríos largos", 104, "* Amazonas"),
        ("EE. UU.", 0, "Un país."),
        ("Luna", 0, "La '''Luna''' & <ref>«x»</ref> \"5 < 6\"."),
    ]
    assert {found["url"] for found in pages} == {""}  # on no wiki
    assert {found["content_model"] for found in pages} == {"wikitext"}
    for found in pages:
        assert found["sha1"] == hashlib.sha1(found["wikitext"].encode()).hexdigest()


def test_the_sha1_of_an_export_is_mediawikis(tmp_path: Path) -> None:
    write_export(articles(tmp_path / "articles", {"Nada.wiki": "\n"}), tmp_path / "export.xml")
    assert "<sha1>phoiac9h4m842xq45sp7s6u21eteeq1</sha1>" in (tmp_path / "export.xml").read_text()


# XML 1.0 holds every code point but most controls, surrogates, U+FFFE and U+FFFF; a carriage return becomes a newline.
in_xml = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff") | st.sampled_from(
    "\n\t<&>]'\""
)


@settings(max_examples=50)
@given(text=st.text(in_xml, max_size=40))
def test_any_text_reads_back(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("export", numbered=True)
    write_export(articles(folder, {"Luna.wiki": text}), folder / "export.xml")
    (found,) = read_pages(folder / "export.xml")  # which verifies the SHA-1
    assert found["wikitext"] == text.strip()


def test_ids_are_stable_when_an_article_is_added_or_changed(tmp_path: Path) -> None:
    def ids(texts: dict[str, str]) -> dict[str, tuple[int, int]]:
        write_export(articles(tmp_path / "articles", texts), tmp_path / "export.xml")
        return {found["title"]: (found["page_id"], found["rev_id"]) for found in read_pages(tmp_path / "export.xml")}

    before = ids(SAMPLE)
    assert len({page_id for page_id, _ in before.values()}) == len(SAMPLE)
    after = ids({"Aaa.wiki": "Primera.", **SAMPLE, "Luna.wiki": "Otra cosa."})
    assert {title: after[title] for title in before if title != "Luna"} == {
        title: ids_ for title, ids_ in before.items() if title != "Luna"
    }
    assert after["Luna"][0] == before["Luna"][0]
    assert after["Luna"][1] != before["Luna"][1]


def test_copies_and_pages_whose_hashes_clash_have_ids_of_their_own(tmp_path: Path) -> None:
    # The first six digits of the SHA-1 are those of another: of the titles 5 and 3101, of the revisions 1975 and 6259.
    texts = {f"Copia {number}.wiki": "El mismo texto." for number in (5, 3101, 1975, 6259)}
    write_export(articles(tmp_path / "articles", texts), tmp_path / "export.xml")
    pages = list(read_pages(tmp_path / "export.xml"))
    assert len({page["page_id"] for page in pages}) == len({page["rev_id"] for page in pages}) == 4


def test_two_runs_give_the_same_bytes_in_whatever_order(tmp_path: Path) -> None:
    paths = articles(tmp_path / "articles", SAMPLE)
    for name, order in (("a.xml", paths), ("b.xml", paths), ("c.xml", paths[::-1])):
        write_export(order, tmp_path / name)
    assert len({(tmp_path / name).read_bytes() for name in ("a.xml", "b.xml", "c.xml")}) == 1


def test_two_files_of_one_title_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="another file is the page 'La Luna' too"):
        write_export(articles(tmp_path / "articles", {"La_Luna.wiki": "a", "La Luna.wiki": "b"}), tmp_path / "x.xml")


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "Luna.wiki").write_bytes("Ñandú".encode("latin-1"))
    with pytest.raises(ValueError, match=r"Luna\.wiki"):
        write_export([tmp_path / "Luna.wiki"], tmp_path / "x.xml")


# Real exports


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the real export {name} is not in ../shared")
    return path


@pytest.mark.shared
def test_a_real_export_in_utf16() -> None:
    pages = list(read_pages(shared("dumps/bgwiki-shortened.xml.bz2"), real_revision_ids=True))
    assert [(found["page_id"], found["rev_id"], found["namespace"]) for found in pages] == [
        (558, 7862180, 0),
        (559, 7832400, 4),
        (560, 6885350, 4),
    ]
    assert pages[0]["title"] == "Григориански календар"
    assert pages[0]["url"] == "https://bg.wikipedia.org/w/index.php?oldid=7862180"


@pytest.mark.shared
def test_a_real_export_in_english() -> None:
    pages = list(read_pages(shared("dumps/enwiki-shortened.xml.bz2"), real_revision_ids=True))
    assert len(pages) == len({found["page_id"] for found in pages}) == 206
    assert all(hashlib.sha1(found["wikitext"].encode()).hexdigest() == found["sha1"] for found in pages)


@pytest.mark.shared
def test_a_real_export_whose_texts_were_shortened(tmp_path: Path) -> None:
    """Whoever published this export cut two of its four texts and left their SHA-1 as they were."""
    path = shared("wikitext/eswiki-20170101-pages-articles.test.xml")
    with pytest.raises(ValueError, match=r"page 7 «Andorra».*SHA-1"):
        list(read_pages(path))
    xml = path.read_text(encoding="utf-8")
    for shortened in ("jnvgxm3hmfks9k3j5rniaco0rdldf1n", "lg9o3kcbf04qj3plb7mp451sb2a2pvv"):
        xml = xml.replace(f"<sha1>{shortened}</sha1>", "")
    assert [(found["title"], found["namespace"]) for found in read(tmp_path, xml)] == [
        ("Andorra", 0),
        ("Anexo:Calendario de aniversarios", 104),
        ("Araliales", 0),
        ("Categoría:Mitología", 14),
    ]
