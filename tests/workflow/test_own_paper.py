"""A text of one's own in place of the project's: what is made again, what is printed, and what mistakes are called."""

import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pypdf
import pytest
from jinja2 import meta, nodes

from minillm.paper.latex import environment

from .conftest import ROOT, Project

tex = pytest.mark.skipif(shutil.which("latexmk") is None, reason="TeX is not installed")
PAPER = {"write_provenance", "render_article", "list_values", "compile_article", "check_article", "write_manifest"}


def own_paper(project: Project, **settings: object) -> str:
    """The path of an overlay with a folder `mine` for the paper, which is made."""
    (project.folder / "mine" / "sections").mkdir(parents=True)
    text = (project.folder / "config/smoke.yaml").read_text(encoding="utf-8")
    paper = json.dumps({"dir": "mine", **settings})
    (project.folder / "config/mine.yaml").write_text(f"{text}\npaper: {paper}\n", encoding="utf-8")
    return "config/mine.yaml"


@pytest.mark.tex
@tex
def test_a_paper_of_ones_own(copy_of_finished: Project, tmp_path: Path) -> None:
    """With the scaffold, one section written and one left out; then a mistake in it."""
    overlay = own_paper(copy_of_finished, scaffold=True)
    mine = copy_of_finished.folder / "mine"
    (mine / "sections/relacionados.tex").touch()
    section = mine / "sections/limites.tex"
    section.write_text(
        "\\section{Lo que no sabemos}\nLo dice \\VAR{models.improved.title}: véase la tabla~\\ref{tab:texto}.\n",
        encoding="utf-8",
    )
    assert set(copy_of_finished.planned(overlay=overlay)) <= PAPER
    result = copy_of_finished.snakemake("paper", overlay=overlay)
    assert result.returncode == 0, result.stdout

    folder = copy_of_finished.folder / "results/smoke/paper"
    assert json.loads((folder / "article-checks.json").read_text(encoding="utf-8"))["passed"]
    pages = pypdf.PdfReader(folder / "article.pdf").pages
    text = " ".join("\n".join(page.extract_text() for page in pages).split())
    assert "TEXTO POR ESCRIBIR: 10 secciones solo tienen preguntas" in text
    assert re.search(r"L ?O QUE NO SABEMOS\s+Lo dice Qwen pequeño: véase la tabla", text)
    assert "¿Para qué sirve un modelo de lenguaje" in text
    assert "Gemini" not in text  # only the section that was left out names it

    alone = tmp_path / "alone"
    with zipfile.ZipFile(folder / "article.zip") as bundle:
        bundle.extractall(alone)
    plain = ["latexmk", "-norc", "-pdf", "-interaction=nonstopmode", "article.tex"]
    assert subprocess.run(plain, cwd=alone, capture_output=True, check=False).returncode == 0
    assert (alone / "article.pdf").read_bytes() == (folder / "article.pdf").read_bytes()

    section.write_text("\\section{Lo que no sabemos}\n\n\\VAR{nothing}\n", encoding="utf-8")
    result = copy_of_finished.snakemake("paper", overlay=overlay)
    assert "miniLLM, render_article: mine/sections/limites.tex:3: 'nothing' is undefined" in result.stdout
    section.write_text("\\section{Lo que no sabemos}\n\\nada\n", encoding="utf-8")
    result = copy_of_finished.snakemake("paper", overlay=overlay)
    assert re.search(
        r"Undefined control sequence.*correct the template sections/limites\.tex, which wrote this line", result.stdout
    )


def test_a_folder_that_is_not_there(copy_of_finished: Project) -> None:
    overlay = own_paper(copy_of_finished)
    shutil.rmtree(copy_of_finished.folder / "mine")
    result = copy_of_finished.snakemake("paper", "--dry-run", overlay=overlay)
    assert result.returncode != 0
    assert "paper.dir: there is no folder mine; make it" in result.stdout


def test_every_name_that_a_template_uses_is_listed(finished: Project) -> None:
    """Names with their first part, such as `corpus.splits`, and numbers asked for by name; there are no studies."""
    listed = (finished.folder / "results/smoke/paper/values.md").read_text(encoding="utf-8")
    set_by_templates = {"drawn", "hello", "last"}
    templates = environment(ROOT / "paper")
    names, numbers = set(), set()
    for template in templates.list_templates(extensions=["tex"]):
        assert templates.loader is not None
        tree = templates.parse(templates.loader.get_source(templates, template)[0])
        given = meta.find_undeclared_variables(tree) - set_by_templates
        names |= given
        for part in tree.find_all(nodes.Getattr):
            if isinstance(part.node, nodes.Name) and part.node.name in given - {"studies"}:
                names.add(f"{part.node.name}.{part.attr}")
        for call in tree.find_all(nodes.Call):
            asked = call.args[0] if call.args else None
            if isinstance(call.node, nodes.Name) and call.node.name == "metric" and isinstance(asked, nodes.Const):
                numbers.add(asked.value)
    names = {name for name in names if not name.endswith((".values", ".items"))}  # of a mapping
    assert len(names) > 40
    assert len(numbers) > 30
    assert [name for name in sorted(names) if f"`{name}" not in listed] == []
    assert [name for name in sorted(numbers) if f'`metric("{name}", ' not in listed] == []
