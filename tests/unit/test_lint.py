"""Numbers typed into templates: which look like results, which do not, and that ours have none."""

import re
from pathlib import Path

import pytest

from minillm.paper.lint import is_about_results, typed_numbers

PAPER = Path(__file__).parents[2] / "paper"


def found(tmp_path: Path, text: str) -> list[str]:
    """The line and the number of each fault."""
    section = tmp_path / "resultados.tex"
    section.write_text(text, encoding="utf-8")
    return [fault.removeprefix(f"{section}:") for fault in typed_numbers(section)]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("La pérdida es 3,23.", ["3,23"]),
        ("de 0.35 a 12", ["0.35", "12"]),
        ("la perplejidad, 27{,}77", ["27{,}77"]),
        (r"563\,029{,}68 en total", [r"563\,029{,}68"]),
        (r"una exactitud del 95\,\%", ["95"]),
        (r"bajó a $p=0{,}03$ y a $e^{3{,}23}$", ["0{,}03", "3{,}23"]),
        ("vale -3,5 y −2", ["3,5", "2"]),
        (r"& 0 & \VAR{x | decimal(2)} & 7 \\", ["0", "7"]),
        (r"\caption{Sube 2 puntos \label{tab:a1}}", ["2"]),
        (r"\emph{1492} y \textbf{3000}", ["1492", "3000"]),
        ("2017,5", ["2017,5"]),
        (r"un 12\% % 13", ["12"]),
        ("3 modelos", ["3"]),
    ],
)
def test_results_are_found(tmp_path: Path, text: str, numbers: list[str]) -> None:
    assert found(tmp_path, text) == [f"1: «{number}»" for number in numbers]


@pytest.mark.parametrize(
    "text",
    [
        "GPT-2, Qwen3, BLEU-4, Macro-F1, UTF-8, chrF2 y Llama-3.1",
        r"en 2017~\cite{vaswani2017}, véase la tabla~\ref{tab:4} y~\eqref{eq:5}",
        r"\includegraphics[width=0.5\columnwidth]{figura3.pdf}\label{fig:3}",
        r"\setlength{\tabcolsep}{4pt}\parbox[t]{150mm}{texto}\\[2.5 pt]\hspace{0.3\textwidth}",
        r"\begin{tabular}{@{}*{3}{r}p{3cm}@{}}\cmidrule(lr){2-5}\multicolumn{7}{c}{Todos}",
        r"\newcommand{\cabecera}[1]{\emph{#1}}",
        r"Los intervalos, del 95\,\%, y un intervalo del 95\,\%; el percentil 95",
        "de $b_1$, $x_{12}$ y $v^2$ con $n=4$",
        r"\VAR{3.05 | decimal(2)}, \BLOCK{if x < 0.5}\VAR{d['a}2']}\BLOCK{endif}",
        "\\BLOCK{set stated = dict(\n  a=(('x}', 1.07)),\n  b={1: 0.3})}",
        "% 3,5\nlínea %# 3,5\n",
        "El 12. %# cifra: es un artículo de la ley",
        r"\url{https://a.es/1/2} \href{https://a.es/3}{dirección}",
    ],
)
def test_what_is_no_result(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == []


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    text = "\\BLOCK{set a = dict(\n x=1,\n y=2)}\nEl 3. %# cifra: motivo\n\n% 4\nEl 5 y el 6.\n"
    assert found(tmp_path, text) == ["7: «5»", "7: «6»"]


def test_an_exception_needs_a_reason(tmp_path: Path) -> None:
    assert found(tmp_path, "El 12. %# cifra:\nEl 13. %#\n") == ["1: «12»", "2: «13»"]


@pytest.mark.parametrize(
    ("name", "results"),
    [
        ("resultados", True),
        ("estudio_propio", True),
        ("resumen", True),
        ("modelos", False),
        ("apendice_ajustes", False),
    ],
)
def test_sections_of_results(name: str, results: bool) -> None:
    assert is_about_results(Path(f"paper/sections/{name}.tex")) == results


def test_our_own_sections_type_no_results() -> None:
    sections = [path for path in sorted(PAPER.rglob("*.tex")) if is_about_results(path)]
    assert {path.parent.name for path in sections} == {"sections", "floats"}
    assert len(sections) > 15
    assert [fault for section in sections for fault in typed_numbers(section)] == []


def test_every_entry_of_our_bibliography_is_cited_somewhere() -> None:
    """In the template of some section: which sections an article has, its run decides."""
    templates = "".join(path.read_text(encoding="utf-8") for path in sorted(PAPER.rglob("*.tex")))
    cited = {key.strip() for keys in re.findall(r"\\cite\{([^}]*)\}", templates) for key in keys.split(",")}
    bibliography = (PAPER / "references.bib").read_text(encoding="utf-8")
    assert set(re.findall(r"^@\w+\{(.*),$", bibliography, re.MULTILINE)) == cited
