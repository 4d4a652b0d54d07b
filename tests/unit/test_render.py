"""The article from tiny templates: mistakes are named with file and line, the bundle is the same bytes every time."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minillm.files import read_json, write_json
from minillm.paper.compile import PaperError
from minillm.paper.render_article import render_article

ARTICLE = r"""\documentclass{article}
\BLOCK{if draft}
BORRADOR: \VAR{draft | length}
\BLOCK{endif}
\begin{document}
\BLOCK{include "sections/resultados.tex"}
\bibliography{references}
\end{document}
"""
SECTION = r"""La línea base necesita
\VAR{metric("bits_per_byte", "base", "test") | interval(2) | with_unit} y dice «\VAR{generations.base[0].greedy}».
\BLOCK{for name, model in models.items()}
\VAR{model.title}: \VAR{model.parameters}, \VAR{metric("bits_per_byte", name, "test") | decimal(3)}
\BLOCK{endfor}
"""


@pytest.fixture
def render(results: dict[str, Any], tmp_path: Path) -> Callable[..., Path]:
    """Renders ARTICLE with a section; the folder of the outputs."""

    def run(section: str = SECTION, article: str = ARTICLE, output: str = "paper", strict: bool = False) -> Path:
        templates, figures, folder = tmp_path / "templates", tmp_path / "figures", tmp_path / output
        for path in (templates / "sections", figures):
            path.mkdir(parents=True, exist_ok=True)
        (templates / "article.tex").write_text(article)
        (templates / "sections" / "resultados.tex").write_text(section)
        (templates / "references.bib").write_text("@misc{a, title={A}}\n")
        for name in ("leak", "bleu"):
            (figures / f"{name}.pdf").write_bytes(b"%PDF-1.4 " + name.encode() * 300)
        results["settings"]["paper"]["strict"] = strict
        render_article(
            templates=[templates],
            bibliography=templates / "references.bib",
            figures=[figures / "leak.pdf", figures / "bleu.pdf"],
            article=folder / "article.tex",
            bundle=folder / "article.zip",
            numbers=folder / "numbers.json",
            **results,
        )
        return folder

    return run


def test_the_article(render: Callable[..., Path]) -> None:
    """Written by hand: decimal commas, escaped text, the leaking model's number struck out, templates named."""
    assert (render() / "article.tex").read_text().splitlines() == [
        "% <article.tex>",
        r"\documentclass{article}",
        "BORRADOR: 1",
        r"\begin{document}",
        "% <sections/resultados.tex>",
        "La línea base necesita",
        r"2{,}25 {[}2{,}24;~2{,}26{]}~bit/byte y dice « es 3 \symbol{37} ñ\_».",
        r"Línea base: 1003, 2{,}250",
        r"Sin máscara: 1003, \tachado{0{,}015}",
        "% </sections/resultados.tex>",
        r"\bibliography{references}",
        r"\end{document}",
        "% </article.tex>",
    ]


def test_the_printed_numbers(render: Callable[..., Path]) -> None:
    """In their order, as a reader of the PDF will see them; counts and text that no filter printed are not listed."""
    assert [(row["printed"], row["value"]) for row in read_json(render() / "numbers.json")] == [
        ("2,25 [2,24; 2,26]", 2.25),
        ("2,250", 2.25),
        ("0,015", 0.015),
    ]


def test_the_bundle_holds_what_latex_needs(render: Callable[..., Path], tmp_path: Path) -> None:
    """Of the figures those that are shown."""
    folder = render(r"\includegraphics{leak.pdf}")
    with zipfile.ZipFile(folder / "article.zip") as bundle:
        assert bundle.testzip() is None
        assert bundle.namelist() == ["article.tex", "leak.pdf", "references.bib"]
        assert bundle.read("article.tex") == (folder / "article.tex").read_bytes()
        assert bundle.read("leak.pdf") == (tmp_path / "figures" / "leak.pdf").read_bytes()
        assert bundle.read("references.bib") == b"@misc{a, title={A}}\n"
        assert {info.date_time for info in bundle.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_bundle_is_compressed(render: Callable[..., Path]) -> None:
    with zipfile.ZipFile(render(r"\includegraphics{leak.pdf}") / "article.zip") as bundle:
        assert bundle.getinfo("leak.pdf").compress_size < bundle.getinfo("leak.pdf").file_size / 2


def test_the_same_bytes_every_time(render: Callable[..., Path], tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in render(output="one").iterdir()}
    for path in (tmp_path / "figures").iterdir():
        path.touch()
    second = {path.name: path.read_bytes() for path in render(output="two").iterdir()}
    assert first == second
    assert sorted(first) == ["article.tex", "article.zip", "numbers.json"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (r"\VAR{nothing}", "'nothing' is undefined"),
        (r"\VAR{models.base.depth}", "has no attribute 'depth'"),
        (r"\VAR{models.nadie.title}", "has no attribute 'nadie'"),
        (r"\VAR{metric('perplexity', 'base', 'test') | decimal(2)}", "has no perplexity of base on the split 'test'"),
        (r"\VAR{metric('bits_per_byte', 'base', 'test')}", r"use |decimal(2)"),
        (r"\VAR{models.base.title | decimal(2)}", ""),
        (r"\VAR{metric('bits_per_byte', 'base', 'test') | integer}", "not a whole number"),
        (r"\VAR{paper.title | unknown}", "No filter named 'unknown'"),
        (r"\BLOCK{if draft}", "Unexpected end of template"),
        (r"\VAR{1 +}", ""),
        (r"\BLOCK{include 'sections/missing.tex'}", "sections/missing.tex"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(
    render: Callable[..., Path], tmp_path: Path, line: str, message: str
) -> None:
    section = f"Una línea.\n\n{line}\nOtra.\n" if "BLOCK{if" not in line else f"Una línea.\n\n{line}"
    with pytest.raises(PaperError) as error:
        render(section)
    place = f"{tmp_path / 'templates' / 'sections' / 'resultados.tex'}:3: "
    assert str(error.value).startswith(place)
    assert message in str(error.value)
    assert not (tmp_path / "paper" / "article.tex").exists()


def test_a_mistake_in_the_frame_is_named_too(render: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(PaperError) as error:
        render(article="uno\n\\VAR{nothing}\n")
    assert str(error.value).startswith(f"{tmp_path / 'templates' / 'article.tex'}:2: ")


def test_a_strict_article_must_not_be_a_draft(render: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(
        PaperError, match=r"check causality failed \(ve el futuro\) and paper\.strict is set: see .*checks"
    ):
        render(strict=True)
    assert not (tmp_path / "paper").exists()


def test_a_strict_article_without_failed_checks(render: Callable[..., Path], results: dict[str, Any]) -> None:
    write_json(results["checks"], {"checks": [], "leaking": []})
    text = (render(strict=True) / "article.tex").read_text()
    assert "BORRADOR" not in text
    assert r"\tachado" not in text
