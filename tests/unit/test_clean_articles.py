"""From raw pages to clean rows: what kind each page is, and what is measured of an article (worked out by hand)."""

import dataclasses
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from minillm.corpus import wikitext
from minillm.corpus.clean_articles import clean_articles, clean_page, kind_of
from minillm.corpus.tables import CLEAN, RAW
from minillm.corpus.templates import load_language

SPANISH = (
    "El '''Ebro''' es un [[río]] de la península ibérica que nace en las montañas del norte y desemboca en el mar. "
    "Durante siglos sus aguas han regado los campos de las orillas, y por él bajaban las maderas de los bosques."
)
ENGLISH = (
    "The '''Thames''' is a [[river]] that flows through the south of the country and reaches the sea after the city. "
    "For centuries its waters have carried the goods of merchants, and many bridges have been built across it."
)


def raw(wikitext: str, **changes: Any) -> dict[str, Any]:
    return {
        "page_id": 7,
        "rev_id": 70,
        "title": "Ebro",
        "timestamp": "2020-01-01T00:00:00Z",
        "sha1": "0" * 40,
        "url": "https://es.wikipedia.org/wiki/Ebro",
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
    assert kind_of(page, "es") == kind
    row = clean_page(page, "es")
    assert row["kind"] == kind
    if kind != "article":
        empty = {"text": "", "language": "", "characters": 0, "words": 0, "sections": 0, "list_share": 0.0}
        assert {name: row[name] for name in empty} == empty


def test_what_is_measured() -> None:
    row = clean_page(
        raw(
            "'''Luna''' es un [[satélite natural|satélite]].<ref>Sin más.</ref>\n\n"
            "== Órbita ==\nMide {{medidor inventado|5}} de largo.\n* una\n* otra\n\n"
            "== Referencias ==\n{{listaref}}"
        ),
        "es",
    )
    text = "Luna es un satélite.\n\nÓrbita\n\nMide de largo.\n\nuna\notra"
    assert row["text"] == text
    assert row["characters"] == 20 + 2 + 6 + 2 + 14 + 2 + 3 + 1 + 4
    assert row["words"] == 4 + 1 + 3 + 2
    assert row["sections"] == 1
    assert row["list_share"] == pytest.approx(2 / 5)
    assert row["unrendered"] == ["medidor inventado"]


def test_languages() -> None:
    assert clean_page(raw(SPANISH), "es")["language"] == "es"
    assert clean_page(raw(ENGLISH), "es")["language"] == "en"
    assert clean_page(raw(""), "es")["language"] == ""
    assert clean_page(raw(ENGLISH.upper()), "es")["language"] == "en"


def test_foreign_names_are_not_a_language() -> None:
    films = "''Harvard Summer Nights'' (1979), con Michael Wright, ''Northern Lights'' (1984), con Judy Whitehall, "
    page = raw(f"'''Mary Elizabeth Thornton''' (Springfield, 1950) es una directora. Dirigió {films * 3}y otras.")
    assert clean_page(page, "es")["language"] == "es"


def test_text_is_normalised() -> None:
    text = clean_page(raw("Camio\u0301n\u00a0rojo\u200b,  [[x|a\u202ezul]]\U0010fffe.\n\n\n\n\nFin."), "es")["text"]
    assert text == "Camión rojo, azul.\n\nFin."


def test_a_shard_keeps_every_page_in_order_with_its_identity(tmp_path: Path) -> None:
    pages = [
        raw(SPANISH, page_id=9, title="Ebro"),
        raw("#REDIRECCIÓN [[Ebro]]", page_id=3, title="Río Ebro", url=""),
        raw(ENGLISH, page_id=5, title="Támesis", rev_id=55),
    ]
    pq.write_table(pa.Table.from_pylist(pages, schema=RAW), tmp_path / "raw.parquet")
    for name in ("a.parquet", "b.parquet"):
        clean_articles(tmp_path / "raw.parquet", "es", tmp_path / name)
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.schema.equals(CLEAN)
    identity = ("page_id", "rev_id", "title", "timestamp", "sha1", "url", "licence")
    assert table.select(identity).to_pylist() == [{name: page[name] for name in identity} for page in pages]
    assert table.column("kind").to_pylist() == ["article", "redirect", "article"]
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_language_without_data_is_named() -> None:
    with pytest.raises(ValueError, match="'xx'"):
        clean_page(raw(SPANISH), "xx")
    with pytest.raises(ValueError, match="'xx'"):
        kind_of(raw("#REDIRECT [[Ebro]]"), "xx")
    assert kind_of(raw("{}", content_model="json"), "xx") == "content_model"  # nothing had to be read


def test_a_redirect_is_one_in_the_language_of_the_wiki(monkeypatch: pytest.MonkeyPatch) -> None:
    german = dataclasses.replace(load_language("es"), code="de", redirect_words=("weiterleitung",))
    monkeypatch.setattr(wikitext, "load_language", {"es": load_language("es"), "de": german}.__getitem__)
    page = raw("#WEITERLEITUNG [[Ebro]]")
    assert (kind_of(page, "de"), kind_of(page, "es")) == ("redirect", "article")
    assert clean_page(page, "de")["kind"] == "redirect"
