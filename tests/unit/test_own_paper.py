"""A paper of one's own: which file of which folder counts, what is refused, and where a mistake is."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minillm.paper.compile import PaperError
from minillm.paper.render_article import render_article
from minillm.paper.templates import layered

OURS = {
    "article.tex": '\\BLOCK{include "sections/datos.tex"}\n\\BLOCK{include "sections/fin.tex"}\n',
    "sections/datos.tex": "Nuestros datos.\n",
    "sections/fin.tex": "Nuestro fin.\n",
    "references.bib": "",
}
NUMBER = r"Escrito a mano: \VAR{metric('bits_per_byte', 'base', 'test') | decimal(2)}."


@pytest.fixture
def render(results: dict[str, Any], tmp_path: Path) -> Callable[..., str]:
    """Renders OURS with the files of a person's own; the lines of the article that no loader added."""

    def write(folder: Path, files: dict[str, str]) -> Path:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        return folder

    def run(own: dict[str, str], figures: tuple[str, ...] = ()) -> str:
        ours = write(tmp_path / "ours", {**OURS, "figures/leak.pdf": "ours"})
        mine = write(tmp_path / "mine", own)
        render_article(
            templates=[mine, tmp_path / "ours"],
            bibliography=ours / "references.bib",
            figures=[ours / "figures" / "leak.pdf", *(mine / name for name in figures)],
            article=tmp_path / "article.tex",
            bundle=tmp_path / "article.zip",
            numbers=tmp_path / "numbers.json",
            **results,
        )
        lines = (tmp_path / "article.tex").read_text(encoding="utf-8").splitlines()
        return "\n".join(line for line in lines if not line.startswith("% <"))

    return run


def test_the_first_folder_counts(tmp_path: Path) -> None:
    for name in ("own/a.tex", "scaffold/a.tex", "scaffold/s/b.tex", "ours/a.tex", "ours/s/b.tex", "ours/c.tex"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = layered([tmp_path / "own", tmp_path / "scaffold", tmp_path / "ours"])
    places = {name: path.relative_to(tmp_path).as_posix() for name, path in found.items()}
    assert places == {"a.tex": "own/a.tex", "c.tex": "ours/c.tex", "s/b.tex": "scaffold/s/b.tex"}


def test_a_section_rewritten_by_hand_survives_other_results(
    render: Callable[..., str], results: dict[str, Any]
) -> None:
    own = {"sections/datos.tex": NUMBER + "\n"}
    assert render(own) == "Escrito a mano: 2{,}25.\nNuestro fin."
    path: Path = results["metrics"][0]
    path.write_text(path.read_text(encoding="utf-8").replace("2.25,", "1.75,"), encoding="utf-8")
    assert render(own) == "Escrito a mano: 1{,}75.\nNuestro fin."


def test_an_empty_file_leaves_a_section_out(render: Callable[..., str]) -> None:
    assert render({"sections/datos.tex": ""}) == "Nuestro fin."


def test_a_section_and_a_figure_are_added(render: Callable[..., str], tmp_path: Path) -> None:
    own = {
        "article.tex": '\\BLOCK{include "sections/nueva.tex"}\n\\BLOCK{include "sections/fin.tex"}\n',
        "sections/nueva.tex": "\\includegraphics{foto.png}\n",
        "foto.png": "own",
    }
    assert render(own, figures=("foto.png",)) == "\\includegraphics{foto.png}\nNuestro fin."
    with zipfile.ZipFile(tmp_path / "article.zip") as bundle:
        assert bundle.namelist() == ["article.tex", "foto.png", "references.bib"]
        assert bundle.read("foto.png") == b"own"


@pytest.mark.parametrize("name", ["sections/dato.tex", "notas.txt", "foto.png"])
def test_a_file_that_nothing_includes_is_refused(render: Callable[..., str], tmp_path: Path, name: str) -> None:
    with pytest.raises(PaperError) as error:
        render({name: "x"})
    assert str(error.value).startswith(
        f"{tmp_path / 'mine' / name} takes the place of no file of {tmp_path / 'ours'} and nothing includes it: correct"
    )
    assert not (tmp_path / "article.tex").exists()


def test_a_section_that_is_included_only_sometimes_is_no_mistake(render: Callable[..., str]) -> None:
    article = '\\BLOCK{if draft | length > 9}\n\\BLOCK{include "nueva.tex"}\n\\BLOCK{endif}\nFin.\n'
    assert render({"article.tex": article, "nueva.tex": "x"}) == "Fin."


def test_hidden_files_and_copies_of_editors_do_not_count(render: Callable[..., str]) -> None:
    assert render({".DS_Store": "", ".git/a.tex": "", "sections/datos.tex~": ""}) == "Nuestros datos.\nNuestro fin."


def test_a_figure_must_not_be_called_like_one_of_the_run(render: Callable[..., str], tmp_path: Path) -> None:
    own = {"sections/fin.tex": "\\includegraphics{leak.pdf}\n", "leak.pdf": "own"}
    with pytest.raises(PaperError) as error:
        render(own, figures=("leak.pdf",))
    assert str(error.value) == (
        f"{tmp_path / 'ours/figures/leak.pdf'} and {tmp_path / 'mine/leak.pdf'} have the same name; give your own "
        "another one"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [(r"\VAR{nothing}", "'nothing' is undefined"), (r"\BLOCK{if draft}", "Unexpected end"), (r"\VAR{1.5}", "|decimal")],
)
def test_a_mistake_names_the_own_file_and_line(
    render: Callable[..., str], tmp_path: Path, line: str, message: str
) -> None:
    with pytest.raises(PaperError) as error:
        render({"sections/fin.tex": f"Uno.\n\n{line}"})
    assert str(error.value).startswith(f"{tmp_path / 'mine' / 'sections' / 'fin.tex'}:3: ")
    assert message in str(error.value)


def test_a_mistake_in_a_file_that_is_not_reached_is_named_too(render: Callable[..., str], tmp_path: Path) -> None:
    article = '\\BLOCK{if draft | length > 9}\n\\BLOCK{include "nueva.tex"}\n\\BLOCK{endif}\nFin.\n'
    with pytest.raises(PaperError) as error:
        render({"article.tex": article, "nueva.tex": "\n\\BLOCK{endif}\n"})
    assert str(error.value).startswith(f"{tmp_path / 'mine' / 'nueva.tex'}:2: ")
