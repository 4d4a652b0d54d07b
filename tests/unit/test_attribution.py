"""Where articles came from and who wrote them: addresses, and the table with a row for each article used."""

import csv
from pathlib import Path

import pytest

from minillm.corpus.attribution import article_url, history_url, write_attribution
from minillm.corpus.tables import ARTICLES, write_table

INDEX = "https://es.wikipedia.org/w/index.php"


def test_an_article_is_named_by_its_revision_if_it_has_one_and_else_by_its_title() -> None:
    assert article_url(INDEX, "El Niño", 77) == "https://es.wikipedia.org/w/index.php?oldid=77"
    assert article_url(INDEX, "El Niño") == "https://es.wikipedia.org/wiki/El_Ni%C3%B1o"
    assert article_url("http://localhost:8080/index.php", "AC/DC") == "http://localhost:8080/wiki/AC/DC"


def test_no_character_of_a_title_changes_the_request() -> None:
    assert history_url(INDEX, "¿A & B? #1 100%+=") == f"{INDEX}?title=%C2%BFA_%26_B%3F_%231_100%25%2B%3D&action=history"


@pytest.mark.parametrize(("plain_text", "verb"), [(False, "cleaned"), (True, "normalised")])
def test_one_row_for_each_article(tmp_path: Path, plain_text: bool, verb: str) -> None:
    filler = {field.name: "" if field.type == "string" else 0 for field in ARTICLES}
    titles = {5: 'Luna, "la"', 3: "Marte"}
    rows = [
        {**filler, "page_id": n, "title": t, "url": f"u{n}", "history_url": f"h{n}", "licence": "CC0"}
        for n, t in titles.items()
    ]
    write_table(tmp_path / "articles.parquet", rows, ARTICLES)
    write_attribution(tmp_path / "articles.parquet", plain_text, tmp_path / "attribution.csv")
    with (tmp_path / "attribution.csv").open(encoding="utf-8", newline="") as stream:
        read = list(csv.reader(stream))
    assert read[0] == ["page_id", "title", "url", "history_url", "licence", "changes"]
    assert [row[:5] for row in read[1:]] == [["3", "Marte", "u3", "h3", "CC0"], ["5", 'Luna, "la"', "u5", "h5", "CC0"]]
    assert all(f"was {verb}: " in row[5] for row in read[1:])
