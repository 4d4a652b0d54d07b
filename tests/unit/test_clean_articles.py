"""From raw pages to clean rows: what kind each page is, and what is measured of an article (worked out by hand)."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from minillm.corpus import clean_articles as stage
from minillm.corpus.clean_articles import clean_articles, kind_of, language_identifier
from minillm.corpus.language import Language, load_language
from minillm.corpus.tables import CLEAN, RAW

ES = load_language("es")
IDENTIFY = language_identifier("es")

SPANISH = (
    "El '''Ebro''' es un [[río]] de la península ibérica que nace en las montañas del norte y desemboca en el mar. "
    "Durante siglos sus aguas han regado los campos de las orillas, y por él bajaban las maderas de los bosques."
)
ENGLISH = (
    "The '''Thames''' is a [[river]] that flows through the south of the country and reaches the sea after the city. "
    "For centuries its waters have carried the goods of merchants, and many bridges have been built across it."
)


def clean_page(page: dict[str, Any], wiki: Language = ES) -> dict[str, Any]:
    return stage.clean_page(page, wiki, IDENTIFY)


def raw(wikitext: str, **changes: Any) -> dict[str, Any]:
    return {
        "page_id": 7,
        "rev_id": 70,
        "title": "Ebro",
        "timestamp": "2020-01-01T00:00:00Z",
        "sha1": "0" * 40,
        "url": "https://es.wikipedia.org/wiki/Ebro",
        "history_url": "https://es.wikipedia.org/w/index.php?title=Ebro&action=history",
        "licence": "CC BY-SA 4.0",
        "namespace": 0,
        "content_model": "wikitext",
        "wikitext": wikitext,
        **changes,
    }


@pytest.mark.parametrize(
    ("wikitext", "changes", "kind"),
    [
        (SPANISH, {}, "article"),
        ("", {}, "article"),  # too short, which selection says
        (SPANISH, {"namespace": 104}, "namespace"),
        (SPANISH, {"title": "2001: una odisea"}, "article"),
        ("{}", {"content_model": "json"}, "content_model"),
        ("#REDIRECCIÓN [[Río Ebro]]", {}, "redirect"),
        ("#redirect [[Río Ebro]]", {}, "redirect"),
        ("#REDIRECCIÓN [[Río Ebro]]", {"namespace": 14}, "namespace"),
        ("'''Ebro''' puede ser:\n* un río\n{{desambiguación}}", {}, "disambiguation"),
        ("{{Desambiguación}}\n* un río", {}, "disambiguation"),
        ("{{otros usos|Ebro (desambiguación)}} " + SPANISH, {}, "article"),
        ("Véase [[Ebro (desambiguación)]] o «desambiguación».", {}, "article"),
    ],
)
def test_kinds(wikitext: str, changes: dict[str, Any], kind: str) -> None:
    page = raw(wikitext, **changes)
    assert kind_of(page, ES) == kind
    row = clean_page(page)
    assert row["kind"] == kind
    if kind != "article":
        empty = {"text": "", "language": "", "characters": 0, "words": 0, "sections": 0, "list_share": 0.0}
        assert {name: row[name] for name in empty} == empty


def test_what_is_measured() -> None:
    row = clean_page(
        raw(
            "'''Luna''' es un [[satélite natural|satélite]].<ref>Sin más.</ref>\n\n"
            "== Órbita ==\nMide {{medidor inventado|5}} de largo. Gira.\n* una\n* <nowiki>{{otra}}</nowiki>\n\n"
            "== Referencias ==\n{{listaref}}"
        )
    )
    text = "Luna es un satélite.\n\nÓrbita\n\nGira.\n\nuna\n{{otra}}"
    assert row["text"] == text
    assert row["characters"] == 20 + 2 + 6 + 2 + 5 + 2 + 3 + 1 + 8
    assert row["words"] == 4 + 1 + 1 + 2
    assert row["sections"] == 1
    assert row["list_share"] == pytest.approx(2 / 5)
    assert row["unrendered"] == ["medidor inventado"]
    assert (row["holed"], row["leftovers"]) == (1, 2)


def test_languages() -> None:
    assert clean_page(raw(SPANISH))["language"] == "es"
    assert clean_page(raw(ENGLISH))["language"] == "en"
    assert clean_page(raw(""))["language"] == ""
    assert clean_page(raw(ENGLISH.upper()))["language"] == "en"


def test_foreign_names_are_not_a_language() -> None:
    films = "''Harvard Summer Nights'' (1979), con Michael Wright, ''Northern Lights'' (1984), con Judy Whitehall, "
    page = raw(f"'''Mary Elizabeth Thornton''' (Springfield, 1950) es una directora. Dirigió {films * 3}y otras.")
    assert clean_page(page)["language"] == "es"


def test_text_is_normalised() -> None:
    text = clean_page(raw("Camio\u0301n\u00a0rojo\u200b,  [[x|a\u202ezul]]\U0010fffe.\n\n\n\n\nFin."))["text"]
    assert text == "Camión rojo, azul.\n\nFin."


def test_a_shard_keeps_every_page_in_order_with_its_identity(tmp_path: Path) -> None:
    pages = [
        raw(SPANISH, page_id=9, title="Ebro"),
        raw("#REDIRECCIÓN [[Ebro]]", page_id=3, title="Río Ebro", url=""),
        raw(ENGLISH, page_id=5, title="Támesis", rev_id=55),
    ]
    pq.write_table(pa.Table.from_pylist(pages, schema=RAW), tmp_path / "raw.parquet")
    for name in ("a.parquet", "b.parquet"):
        clean_articles(tmp_path / "raw.parquet", [], "es", tmp_path / name)
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.schema.equals(CLEAN)
    identity = ("page_id", "rev_id", "title", "timestamp", "sha1", "url", "history_url", "licence")
    assert table.select(identity).to_pylist() == [{name: page[name] for name in identity} for page in pages]
    assert table.column("kind").to_pylist() == ["article", "redirect", "article"]
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_the_wiki_is_read_by_its_siteinfo_and_the_list_of_sections(tmp_path: Path) -> None:
    wikitext = f"{SPANISH}\n[[Fichier:a.jpg|mini|Pie]]\n== Notas ==\nUna nota."
    pq.write_table(pa.Table.from_pylist([raw(wikitext)], schema=RAW), tmp_path / "raw.parquet")
    siteinfo = tmp_path / "siteinfo.json"
    siteinfo.write_text(json.dumps({"namespaces": {"6": ["Fichier"]}}), encoding="utf-8")

    def text(siteinfo: list[Path], dropped_sections: list[str] | None) -> str:
        clean_articles(tmp_path / "raw.parquet", siteinfo, "es", tmp_path / "clean.parquet", dropped_sections)
        return str(pq.read_table(tmp_path / "clean.parquet")["text"][0])

    assert "mini" not in text([siteinfo], None)
    assert "nota" not in text([siteinfo], None)
    assert text([siteinfo], []).endswith("\n\nNotas\n\nUna nota.")
    assert "mini" in text([], None)


def test_a_language_that_the_classifier_does_not_know_is_not_checked() -> None:
    assert language_identifier("nah")("In altepetl") == "nah"
    assert language_identifier("de")(ENGLISH) == "en"
