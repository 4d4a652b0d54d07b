"""Texts that are on no wiki: text files, JSON lines, Parquet; what is wrong with them in one line."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from minillm.corpus.clean_articles import clean_page, language_identifier
from minillm.corpus.language import load_language
from minillm.corpus.read_texts import read_texts

TEXT = "El faro, que en 1750 ya alumbraba, sirvió a los barcos.\n\n* No es una lista\n{{ni}} [[wikitexto]]"


def read(files: list[Path], text_column: str = "text", shards: int = 1) -> list[dict[str, Any]]:
    output = [files[0].parent / f"raw/{shard}.parquet" for shard in range(shards)]
    read_texts(files, text_column, "title", "CC0", output)
    return [row for path in output for row in pq.read_table(path).to_pylist()]


def test_a_text_file_is_an_article(tmp_path: Path) -> None:
    path = tmp_path / "Faro_de_la_isla.txt"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    (row,) = read([path])
    assert (row["title"], row["wikitext"], row["licence"], row["url"]) == ("Faro de la isla", TEXT, "CC0", "")
    assert row["sha1"] == hashlib.sha1(TEXT.encode()).hexdigest()
    cleaned = clean_page(row, load_language("es"), language_identifier("es"))
    assert (cleaned["kind"], cleaned["text"], cleaned["list_share"]) == ("article", TEXT, 0.0)


def test_a_markdown_file_is_an_article(tmp_path: Path) -> None:
    (tmp_path / "El_faro.md").write_text("# Historia\n\nEl **faro** de [Ñu](https://x.org).\n", encoding="utf-8")
    (tmp_path / "b.md").write_text("---\ntitle: El río\n---\nUn *río*.\n", encoding="utf-8")
    rows = read([tmp_path / "El_faro.md", tmp_path / "b.md"])
    assert [(row["title"], row["wikitext"], row["content_model"]) for row in rows] == [
        ("El faro", "Historia\n\nEl faro de Ñu.", "text"),
        ("El río", "Un río.", "text"),
    ]


@pytest.mark.parametrize(
    ("url", "history"),
    [
        (
            "https://es.wikipedia.org/wiki/R%C3%ADo_Ebro",
            "https://es.wikipedia.org/w/index.php?title=R%C3%ADo_Ebro&action=history",
        ),
        ("https://es.wikipedia.org/w/index.php?oldid=7", ""),
        ("https://example.org/wiki/Ebro", ""),
        ("https://example.org/?.wikipedia.org/wiki/Ebro", ""),
        ("", ""),
    ],
)
def test_the_authors_of_articles_of_wikipedia_are_named(tmp_path: Path, url: str, history: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "Uno.", "url": url}), encoding="utf-8")
    assert [(row["url"], row["history_url"]) for row in read([tmp_path / "a.jsonl"])] == [(url, history)]


def test_json_lines_and_parquet_have_columns(tmp_path: Path) -> None:
    lines = [
        {"id": "7", "title": "Faro", "text": "Uno.", "url": "https://es.wikipedia.org/wiki/Faro"},
        {"text": "Dos.", "title": None},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    pq.write_table(pa.table({"cuerpo": ["Tres.", "Cuatro."], "title": ["Río", "Río"]}), tmp_path / "b.parquet")
    rows = read([tmp_path / "a.jsonl"])
    assert [(row["title"], row["wikitext"], row["url"]) for row in rows] == [
        ("Faro", "Uno.", "https://es.wikipedia.org/wiki/Faro"),
        ("a 2", "Dos.", ""),
    ]
    rows = read([tmp_path / "b.parquet"], text_column="cuerpo")
    assert [(row["title"], row["wikitext"]) for row in rows] == [("Río", "Tres."), ("Río", "Cuatro.")]


def test_ids_depend_on_title_and_text_only_and_copies_have_their_own(tmp_path: Path) -> None:
    for name, text in (("b", "Dos."), ("c", "Tres.")):
        (tmp_path / f"{name}.txt").write_text(text)
    files = [tmp_path / "c.txt", tmp_path / "b.txt"]
    before = {row["title"]: row["page_id"] for row in read(files)}
    (tmp_path / "a.txt").write_text("Uno.")
    after = {row["title"]: row["page_id"] for row in read([*files, tmp_path / "a.txt"], shards=2)}
    assert after.keys() == {"a", "b", "c"}
    assert before.items() < after.items()
    (tmp_path / "d.jsonl").write_text('{"title": "b", "text": "Dos."}\n' * 3)
    assert len({row["page_id"] for row in read([tmp_path / "d.jsonl"])}) == 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "Ñandú".encode("latin-1"), r"a\.txt is not UTF-8"),
        ("a.md", "Ñandú".encode("latin-1"), r"a\.md is not UTF-8"),
        ("a.jsonl", b'{"text": "Uno."}\n{"body": "Dos."}\n', r"a\.jsonl, row 2: no text in column 'text'; .* 'body'"),
        ("a.jsonl", b'{"text": "Uno."}\n{"text": \n', r"a\.jsonl, line 2 is not JSON in UTF-8"),
        ("a.jsonl", b'{"text": "\xf1"}\n', r"a\.jsonl, line 1 is not JSON in UTF-8"),
        ("a.jsonl", b'["Uno."]\n', r"a\.jsonl, line 1 is not a JSON object"),
        ("a.jsonl", b'{"text": 7}\n', r"a\.jsonl, row 1: no text"),
        ("a.parquet", b"PAR1 no", r"a\.parquet is not a Parquet file"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read([tmp_path / name])
    assert list((tmp_path / "raw").iterdir()) == []
