"""Real TeX: hostile text, the same bytes anywhere, errors in one line, checks of real PDFs."""

import hashlib
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pypdf
import pytest
from hostile import hostile_strings
from PIL import Image

from minillm.paper.check import check_article
from minillm.paper.compile import PaperError, compile_article
from minillm.paper.latex import PrintedNumbers, Quantity, environment, escape

pytestmark = [
    pytest.mark.tex,
    pytest.mark.skipif(
        shutil.which("latexmk") is None or shutil.which("pdflatex") is None,
        reason="TeX (latexmk, pdflatex) is not installed",
    ),
]

PREAMBLE = r"""\documentclass[conference]{IEEEtran}
\pdfinfoomitdate=1 \pdftrailerid{} \pdfsuppressptexinfo=-1
\usepackage[utf8]{inputenc}\usepackage[T1]{fontenc}\usepackage{textcomp}
\usepackage[spanish,es-tabla,es-nodecimaldot,es-noshorthands,es-noindentfirst,es-nolists,
  es-lcroman,es-nosectiondot]{babel}
\unaccentedoperators
\AtBeginDocument{\renewcommand{\figurename}{Fig.}%
  \renewcommand{\IEEEkeywordsname}{Palabras clave}\renewcommand{\refname}{Referencias}}
\usepackage{cite,amsmath,graphicx,booktabs}
\usepackage{microtype}
\usepackage[hidelinks,bookmarks=false]{hyperref}
\DeclareRobustCommand{\codepoint}[1]{%
  \mbox{\setlength{\fboxsep}{0.6pt}\setlength{\fboxrule}{0.2pt}\fbox{\tiny U+#1}}\hspace{0pt}}
\newsavebox{\struckbox}
\DeclareRobustCommand{\tachado}[1]{%
  \mbox{\sbox{\struckbox}{#1}\rlap{\rule[0.85ex]{\wd\struckbox}{0.4pt}}\usebox{\struckbox}}}
\makeatletter
\pdfstringdefDisableCommands{\def\codepoint#1{U+#1}\def\tachado#1{#1}%
  \def\symbol#1{\ifnum#1=37 \@percentchar\else\textasciigrave\fi}}
\makeatother
"""

BIBLIOGRAPHY = """@article{vaswani, author={A. Vaswani}, title={Attention}, journal={NeurIPS},
  year={2017}, volume={30}, pages={1--11}, doi={10.48550/arXiv.1706.03762}}
"""

ARTICLE = (
    PREAMBLE
    + r"""\hypersetup{pdftitle={\VAR{title}},pdfauthor={Ana},pdflang={es}}
\begin{document}\title{\VAR{title}}\author{\IEEEauthorblockN{Ana Núñez}}\maketitle
\begin{abstract}Un modelo pequeño en español.\end{abstract}
\begin{IEEEkeywords}transformador\end{IEEEkeywords}
\section{Introducción}
La pérdida es \VAR{loss|interval(2)|with_unit} y la exactitud,
\VAR{accuracy|percent(1)} \cite{vaswani}.
Se vieron \VAR{tokens|integer} palabras en \VAR{flops|scientific(2)} operaciones: véase la
Tabla~\ref{t}. El cambio fue de \VAR{change|decimal(3)}, esto es, \VAR{struck|decimal(2)}.
\begin{table}[t]\caption{Resultados}\label{t}\centering\begin{tabular}{lrr}\toprule
\BLOCK{for name in ["á", "b"]}
\VAR{name} & \VAR{loss|decimal(2)} & \VAR{tokens|integer} \\
\BLOCK{endfor}
\bottomrule\end{tabular}\end{table}
\bibliographystyle{IEEEtran}\bibliography{references}\end{document}
"""
)

VALUES: dict[str, Any] = {
    "title": "Minimodelos: 100 % de 5 < 6 & otros_textos",
    "loss": Quantity(1.7, "bits por byte", 1.66, 1.75),
    "accuracy": Quantity(0.123),
    "tokens": 1234567,
    "flops": 3.7e13,
    "change": -0.05,
    "struck": Quantity(9876.5, struck=True),
}


def write_bundle(folder: Path, article: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "article.tex").write_text(article, encoding="utf-8")
    (folder / "references.bib").write_text(BIBLIOGRAPHY, encoding="utf-8")
    return folder


def zipped(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder))


def build(tmp_path: Path, article: str) -> tuple[Path, Path]:
    pdf, log = tmp_path / "out" / "article.pdf", tmp_path / "out" / "article.log"
    compile_article(zipped(write_bundle(tmp_path / "bundle", article)), pdf, log)
    return pdf, log


def text_of(pdf: Path) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(pdf).pages)


def render(tmp_path: Path, numbers: Path | None = None, article: str = ARTICLE) -> str:
    recorder = PrintedNumbers()
    rendered = environment(tmp_path, recorder).from_string(article).render(**VALUES)
    if numbers is not None:
        recorder.write(numbers)
    return rendered


SPANISH_TEXT = "El pingüino Núñez añadió: ¿qué café «frío» costó 5 pesos? ¡Ninguno! José, Ángel, IÑIGO."


def test_hostile_text_prints_and_does_nothing(tmp_path: Path) -> None:
    strings = hostile_strings()
    assert len(strings) > 200
    secret = tmp_path / "secret.tex"
    secret.write_text("SECRETO")
    strings += [rf"\input{{{secret}}}", r"\input{../secret}"]
    body = [PREAMBLE, r"\begin{document}\raggedright\footnotesize"]
    for number, text in enumerate(strings):
        shown = escape(text)
        # In a paragraph, in an argument, and first in a row, where [ or * would be an option of \\.
        body.append(rf"\par inicio{number}: {shown} :fin{number}.\textbf{{{shown}}}")
        if number % 10 == 0:
            rows = rf"{shown} & b\\{shown} & {shown}\\"
            body.append(rf"\begin{{tabular}}{{p{{3cm}}p{{3cm}}}}{rows}\end{{tabular}}")
    body.append(rf"\par {escape(SPANISH_TEXT)}\end{{document}}")
    pdf, log = build(tmp_path, "\n".join(body))

    messages = log.read_text()
    assert not re.search(r"^!|Missing character|inputenc Error", messages, re.MULTILINE)
    assert "runsystem" not in messages
    assert "\\write18 enabled" not in messages
    # TeX logs "(" and the name of every file that it reads.
    opened = re.findall(r"\((/[^\s()]+|\./[^\s()]+)", messages)
    assert opened
    assert all("texmf" in name or name.startswith("./article.") for name in opened)
    assert not list(tmp_path.rglob("executed*"))
    text = text_of(pdf)
    assert "SECRETO" not in text
    assert "root:" not in text
    assert SPANISH_TEXT in " ".join(text.split())
    squeezed = "".join(text.split())
    assert r"\input{/etc/passwd}" in squeezed
    assert "U+1F600" in squeezed
    assert "U+FFFD" in squeezed
    assert "U+0000" in squeezed
    assert "-------<-->" in squeezed.replace("−", "-")
    assert "?`!```'',,`x'\"x\"" in squeezed
    assert not re.search(rb"/Subtype\s*/Type3", uncompressed(pdf))


def uncompressed(pdf: Path) -> bytes:
    """The objects of a PDF as pypdf writes them, outside of compressed streams."""
    out = io.BytesIO()
    pypdf.PdfWriter(clone_from=pdf).write(out)
    return out.getvalue()


def test_same_bytes_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    article = render(tmp_path)
    first, first_log = build(tmp_path / "one", article)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("TEXINPUTS", "/nowhere:")
    second, second_log = build(tmp_path / "a much longer name" / "two", article)
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()
    assert first_log.read_bytes() == second_log.read_bytes()
    for suffix in (".blg", ".fls"):
        assert first_log.with_suffix(suffix).read_bytes() == second_log.with_suffix(suffix).read_bytes()
    assert sorted(p.name for p in first.parent.iterdir()) == [
        "article.blg",
        "article.fls",
        "article.log",
        "article.pdf",
    ]


def test_a_latexmkrc_in_the_bundle_is_not_run(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", render(tmp_path))
    (bundle / ".latexmkrc").write_text(f"system('touch {tmp_path}/executed');")
    compile_article(zipped(bundle), tmp_path / "article.pdf", tmp_path / "article.log")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "\nHola \\nada aquí",
            r"article\.tex:\d+: Undefined control sequence\. near «…Hola \\nada»; ",
        ),
        (
            r"\pdfmapline{=cmr10 CMR10 <falta.pfb}\font\x=cmr10 \x hola\end{document}",
            r"article\.tex:: pdfTeX error: .*falta\.pfb.*; correct the template",
        ),
        (r"\includegraphics{falta.pdf}", r"falta\.pdf' not found.*; put falta\.pdf into "),
        (r"\input{/etc/hostname}", r"article\.tex:\d+: .*hostname"),
        (r"\textbf{sin fin", r"article\.tex.*: .*; correct the template"),
        (r"\input{sección}\end{document}", r"sección.*not found"),
        (
            r"\cite{x}\bibliographystyle{IEEEtran}\bibliography{references,falta}",
            r"there is no falta\.bib; put",
        ),
        (r"\cite{x}\bibliographystyle{falta}\bibliography{references}", r"BibTeX: .*falta\.bst"),
        (
            r"\bibliographystyle{IEEEtran}\bibliography{references}",
            r"BibTeX: I found no \\citation",
        ),
    ],
)
def test_an_error_is_one_line(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(PaperError, match=message) as caught:
        build(tmp_path, PREAMBLE + r"\begin{document}" + body + r"\end{document}")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "article.pdf").exists()
    assert (tmp_path / "out" / "article.log").exists()


def test_a_broken_bibliography_names_its_line(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", render(tmp_path))
    (bundle / "references.bib").write_text("@article{vaswani,\n title={a}\n year={2017}}\n")
    with pytest.raises(PaperError, match=r"references\.bib:3: BibTeX: I was expecting"):
        compile_article(zipped(bundle), tmp_path / "article.pdf", tmp_path / "article.log")


def test_a_missing_package_says_so(tmp_path: Path) -> None:
    with pytest.raises(PaperError, match=r"install the TeX package of nosuch\.sty, or upload"):
        build(tmp_path, PREAMBLE + r"\usepackage{nosuch}\begin{document}x\end{document}")


def test_without_article(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "other.tex").write_text("x")
    with pytest.raises(PaperError, match=r"bundle\.zip has no article\.tex"):
        compile_article(zipped(bundle), tmp_path / "a.pdf", tmp_path / "a.log")


def test_a_bundle_that_is_no_zip_file(tmp_path: Path) -> None:
    (tmp_path / "article.zip").write_bytes(b"PK and nothing more")
    with pytest.raises(PaperError, match=r"article\.zip is not a zip file that can be read"):
        compile_article(tmp_path / "article.zip", tmp_path / "a.pdf", tmp_path / "a.log")


def test_without_tex(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(PaperError, match=r"latexmk is not installed; run .* or upload .*bundle\.zip"):
        compile_article(zipped(write_bundle(tmp_path / "bundle", "")), tmp_path / "a.pdf", tmp_path / "a.log")


def run_check(pdf: Path, log: Path, bundle: Path, numbers: Path, **options: Any) -> dict[str, str]:
    """The failed checks, by name."""
    output = numbers.with_name("checks.json")
    check_article(pdf, log, bundle, numbers, [], output, **options)
    result = json.loads(output.read_text(encoding="utf-8"))
    failed = {c["name"]: c["detail"] for c in result["checks"] if not c["passed"]}
    assert result["passed"] == (not failed)
    return failed


def test_a_good_article_passes(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.json"
    pdf, log = build(tmp_path, render(tmp_path, numbers))
    assert run_check(pdf, log, tmp_path / "bundle.zip", numbers, max_pages=1) == {}
    metadata = pypdf.PdfReader(pdf).metadata
    assert metadata is not None
    assert metadata.title == VALUES["title"]
    assert [record["printed"] for record in json.loads(numbers.read_text())] == [
        "1,70 [1,66; 1,75]",
        "12,3 %",
        "1 234 567",
        "3,7 × 10¹³",
        "−0,050",
        "9876,50",
        "1,70",
        "1 234 567",
        "1,70",
        "1 234 567",
    ]


def test_a_bad_article_goes_red(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.json"
    good = render(tmp_path, numbers)
    bad = (
        good.replace(r"\ref{t}", r"\ref{nada} \label{t}")
        .replace(r"\cite{vaswani}", r"\cite{vaswani,nadie}")
        .replace(r"1\,234\,567", r"1\,234\,568", 1)
        .replace(
            r"\section{Introducción}",
            r"\section{Introducción}\mbox{\hspace{9cm}x} Suma 0.35 en 3.5 puntos.",
        )
        .replace("es-tabla", "")
        .replace("bookmarks=false", "bookmarks=true")
        .replace(r"Palabras clave", "Index Terms")
        .replace("pdftitle", "pdfsubject")
        .replace("{IEEEtran}\n", "{IEEEtran}\n\\AtBeginDocument{\\pdfpagewidth=10cm}", 1)
        .replace(r"\usepackage[T1]{fontenc}", "")
    )
    bundle = write_bundle(tmp_path / "bundle", bad)
    bib = BIBLIOGRAPHY.replace("journal={NeurIPS},", "")
    (bundle / "references.bib").write_text(bib, encoding="utf-8")
    compile_article(zipped(bundle), tmp_path / "article.pdf", tmp_path / "article.log")
    failed = run_check(tmp_path / "article.pdf", tmp_path / "article.log", tmp_path / "bundle.zip", numbers)
    assert "nada" in failed["references and citations defined"]
    assert "nadie" in failed["references and citations defined"]
    assert failed["labels defined once"] == "t"
    assert " pt in paragraph at lines" in failed["no overfull boxes"]
    assert "empty journal in vaswani" in failed["bibliography"]
    assert failed["numbers printed"] == "«1 234 567» printed 3 times, found 2"
    assert "en 3.5 puntos" in failed["decimal commas"]
    assert set(failed["no English captions"].split("; ")) == {"Index Terms", "Cuadro"}
    assert failed["Spanish headings"] == "Palabras clave"
    assert "??" in failed["no unresolved marks"]
    assert "outlines" in failed["no bookmarks"]
    assert "empty" in failed["title"]
    assert "pt" in failed["page size"]
    assert "«˜n»" in failed["accents extract"]
    assert failed.keys() == {
        "references and citations defined",
        "labels defined once",
        "floats referred to",
        "no overfull boxes",
        "bibliography",
        "numbers printed",
        "decimal commas",
        "no English captions",
        "Spanish headings",
        "no unresolved marks",
        "no bookmarks",
        "title",
        "page size",
        "accents extract",
    }


def test_another_bad_article_goes_red(tmp_path: Path) -> None:
    """What the other one leaves out; a PDF of pdfTeX cannot be encrypted, and reads no file that it should not."""
    numbers = tmp_path / "numbers.json"
    bad = (
        render(tmp_path, numbers)
        .replace("{IEEEtran}\n", "{IEEEtran}\n\\pdfmajorversion=2 \\pdfminorversion=0\n", 1)
        .replace("pdfauthor={Ana},pdflang={es}", "")
        .replace(r"\begin{document}", r"\begin{document}\pagestyle{plain}")
        .replace(r"véase la\nTabla~\ref{t}".replace(r"\n", "\n"), "véase la tabla")
        .replace(
            r"\bibliographystyle",
            r"""\pdfmapline{=cmr10 CMR10 4 <8r.enc}\font\roman=cmr10
            {\roman Ausente \char200}\immediate\write18{touch executed}
            \pdfcatalog{/AA<</WC<</S/JavaScript/JS(app.alert(1))>>>>}
            \begin{figure}\includegraphics[width=\columnwidth]{ancha.pdf}\par\includegraphics[width=5cm]{pocos}
            \caption{Dos}\label{f}\end{figure}Véase la Fig.~\ref{f}.
            \clearpage\nocite{shannon}\bibliographystyle""",
        )
    )
    bundle = write_bundle(tmp_path / "bundle", bad)
    bib = BIBLIOGRAPHY.replace("doi", "note") + BIBLIOGRAPHY.replace("vaswani,", "shannon,")
    (bundle / "references.bib").write_text(bib, encoding="utf-8")
    writer = pypdf.PdfWriter()
    writer.add_blank_page(300, 100)
    writer.write(bundle / "ancha.pdf")
    writer.write(bundle / "sobra.pdf")
    Image.new("L", (20, 20)).save(bundle / "pocos.png")
    compile_article(zipped(bundle), tmp_path / "article.pdf", tmp_path / "article.log")
    assert not list(tmp_path.rglob("executed"))
    failed = run_check(
        tmp_path / "article.pdf", tmp_path / "article.log", tmp_path / "bundle.zip", numbers, max_pages=1
    )
    assert failed == {
        "version of PDF": "PDF 2.0",
        "author": "the author is empty: set pdfauthor",
        "language": "«»: set pdflang={es}",
        "no page numbers": r"they stand at the foot of the pages: take \pagestyle out",
        "floats referred to": "no sentence refers to t",
        "fonts embedded as subsets, none Type 3": "/CMR10: not embedded: "
        "embed it, or draw the figure again with embedded fonts",
        "no missing characters": "There is no \ufffd in font cmr10!",
        "no commands run": "runsystem(touch executed)...disabled.",
        "no JavaScript": "the PDF holds JavaScript",
        "width of figures": "ancha.pdf is 301.1 pt wide; sobra.pdf is 301.1 pt wide",
        "figures used": "sobra.pdf",
        "scale of figures": "page 1: a figure at 84%",
        "resolution of images": "page 1: 10 pixels an inch",
        "length": "the references begin on page 2",
        "entries of the bibliography": r"\nocite{shannon} prints what the text does not cite; "
        "vaswani has no DOI, arXiv id or URL",
    }
