"""The pages of the report: what is data is only read, numbers are those of the result files, a leak is struck out."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from minillm.evaluation.record import FIELDS
from minillm.files import write_csv, write_json
from minillm.report.build_report import harmless
from minillm.report.checks_page import write_checks_page
from minillm.report.corpus_page import write_corpus_page
from minillm.report.files_page import write_files_page
from minillm.report.table_page import write_table_page
from minillm.report.texts_page import write_texts_page

TEMPLATES = Path(__file__).parents[2] / "workflow/report"
HOSTILE = "</script></pre><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}\x85&amp;\"'"


class Shown(HTMLParser):
    """The elements of a page, and its text by the element that it is in."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data)

    def count(self, *tags: str) -> int:
        return sum(tag in tags for tag, _ in self.elements)


def rows_of(page: Path) -> list[list[str]]:
    """The text of each cell of the table's body."""
    body = page.read_text(encoding="utf-8").partition("<tbody>")[2].partition("</tbody>")[0]
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in body.split("<tr>")[1:]]


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    audit, scores = "results/x/causality.json", "results/x/perplexity.json"
    rows: list[dict[str, Any]] = [
        {"metric": "accuracy", "value": 0.98765432, "model": "tramposo", "low": 0.9, "high": 1.0, "source": scores},
        {"metric": "accuracy", "value": 0.1234567, "model": "base", "source": scores, "n": 12345},
        {"metric": "bleu4", "value": 0.01, "model": "tramposo", "source": "results/x/bleu.json"},
        {"metric": "leaks", "value": 1.0, "model": "tramposo", "source": audit},
        {"metric": "leaks", "value": 0.0, "model": "base", "source": audit},
    ]
    path = tmp_path / "metrics.csv"
    write_csv(path, [*FIELDS, "source"], [{"corpus": "muestra", "split": "test", "seed": "1", **row} for row in rows])
    return path


def test_numbers_are_spanish_and_sorted_by_all_their_digits(metrics: Path, tmp_path: Path) -> None:
    write_table_page(TEMPLATES / "table.html", [metrics], "Cifras", tmp_path / "page.html")
    page = tmp_path / "page.html"
    assert rows_of(page)[1][:3] == ["accuracy", "0,1235", "base"]
    assert "12 345" in page.read_text(encoding="utf-8")
    assert 'data-value="0.1234567"' in page.read_text(encoding="utf-8")


def test_what_all_rows_share_is_said_once(metrics: Path, tmp_path: Path) -> None:
    write_table_page(TEMPLATES / "table.html", [metrics], "Cifras", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("muestra") == 1
    assert "corpus: muestra; partición: test; semilla: 1" in page


def test_only_what_a_leak_flatters_is_struck_out(metrics: Path, tmp_path: Path) -> None:
    """The value and its interval; neither what the audit found, nor scores of texts, nor an honest model."""
    write_table_page(TEMPLATES / "table.html", [metrics], "Cifras", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert re.findall(r'struck" data-value="([\d.]+)"', page) == ["0.98765432", "0.9", "1.0"]


def test_a_table_of_words_and_numbers_keeps_its_words(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", ["a", "b"], [{"a": "1984", "b": "nan"}, {"a": "novela", "b": "2"}])
    write_table_page(TEMPLATES / "table.html", [tmp_path / "t.csv"], "T", tmp_path / "page.html")
    assert rows_of(tmp_path / "page.html") == [["1984", "nan"], ["novela", "2"]]


def test_an_empty_table_is_a_page(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", ["a", "b"], [])
    write_table_page(TEMPLATES / "table.html", [tmp_path / "t.csv"], "T", tmp_path / "page.html")
    assert rows_of(tmp_path / "page.html") == []


def hostile_pages(folder: Path) -> list[Path]:
    """Each kind of page with hostile data in every place."""
    table, texts, files, corpus, checks = (folder / f"{name}.html" for name in ("a", "b", "c", "d", "e"))
    write_csv(folder / "t.csv", ["title", "n"], [{"title": HOSTILE, "n": 1}, {"title": "otro", "n": 2}])
    write_table_page(TEMPLATES / "table.html", [folder / "t.csv"], HOSTILE, table)
    written = {"prompt": HOSTILE, "greedy": HOSTILE, "sampled": HOSTILE}
    copied = {key: {"words": 9, "title": HOSTILE, "page_id": 1} for key in ("greedy", "sampled")}
    article = {**written, "reference": HOSTILE, "title": HOSTILE, "split": "test"}
    write_json(folder / "generations.json", {"temperature": 0.8, "texts": [written]})
    write_json(folder / "continuations.json", [article, {**article, "split": "train"}])
    write_json(folder / "copies.json", {"printed": [copied], "continuations": [copied]})
    paths = (folder / f"{name}.json" for name in ("generations", "continuations", "copies"))
    write_texts_page(TEMPLATES / "texts.html", *paths, HOSTILE, texts)
    (folder / "x.txt").write_text(HOSTILE, encoding="utf-8")
    write_files_page(TEMPLATES / "files.html", [folder / "x.txt"], HOSTILE, files)
    split = {"articles": 1, "words": 2, "characters": 3}
    selection = {"pages": 2, "kept": 1, "dropped": {"list": 1}, "examples": {"list": [{"title": HOSTILE}]}}
    splits = {"train": split, "validation": split, "test": split}
    write_json(folder / "selection.json", {**selection, "splits": splits})
    settings = {"name": HOSTILE, "licence": HOSTILE, "synthetic": False}
    write_corpus_page(TEMPLATES / "corpus.html", settings, folder / "selection.json", [], corpus)
    check = {"name": HOSTILE, "passed": False, "detail": HOSTILE, "model": HOSTILE, "seed": "", "sentence": HOSTILE}
    write_json(folder / "checks.json", {"checks": [check]})
    write_checks_page(TEMPLATES / "checks.html", folder / "checks.json", [], checks)
    return [table, texts, files, corpus, checks]


def test_no_data_becomes_an_element(tmp_path: Path) -> None:
    """The page has the elements of the template alone, and the data is read letter by letter."""
    for path in hostile_pages(tmp_path):
        page = Shown(path)
        assert page.count("script") == (path.stem == "a")
        assert page.count("img") == 0
        assert any("alert(1)" in text and "{{ 7 * 7 }}" in text and "&amp;\"'" in text for text in page.texts)
        policy = next(attributes["content"] for tag, attributes in page.elements if "http-equiv" in attributes)
        assert policy is not None
        assert policy.startswith("default-src 'none'")


def test_a_copy_is_named(tmp_path: Path) -> None:
    hostile_pages(tmp_path)
    text = "".join(Shown(tmp_path / "b.html").texts)
    assert text.count("copia 9 palabras seguidas de «") == 4


def test_a_failed_check_says_so_first(tmp_path: Path) -> None:
    passed = {"name": "a", "passed": True, "detail": "bien"}
    write_json(tmp_path / "checks.json", {"checks": [passed, {**passed, "name": "b", "passed": False}]})
    write_json(tmp_path / "article.json", {"checks": [passed]})
    write_checks_page(
        TEMPLATES / "checks.html", tmp_path / "checks.json", [tmp_path / "article.json"], tmp_path / "page.html"
    )
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "1 comprobación falla" in page
    assert page.index("<code>b</code>") < page.index("<code>a</code>")


def snakemakes(value: str) -> str:
    """The part of Snakemake's report that holds values, as its template writes it."""
    names = ["workflow-desc", "results", "categories", "rules"]
    return "".join(
        f'    <script id="{name}">\n    var {name.replace("-", "_")} = {value};\n    </script>\n\n' for name in names
    )


def test_a_string_in_a_script_cannot_end_it() -> None:
    page = "<p>a < b</p>\n" + snakemakes('{"title": "</script><script>alert(1)</script>"}') + "<i>x</i>"
    found = harmless(page)
    assert found.count("</script>") == found.count("<script id=") == 4
    assert found.count(r'{"title": "\u003c/script>\u003cscript>alert(1)\u003c/script>"}') == 4
    assert found.startswith("<p>a < b</p>\n")


def test_another_kind_of_report_is_refused() -> None:
    with pytest.raises(ValueError, match="this Snakemake writes its reports in another way: there is no script rules"):
        harmless(snakemakes("{}").replace('id="rules"', 'id="regeln"'))
