"""Small PDFs, logs and bundles, each with one known fault: its check, and no other, goes red."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

from minillm.paper.check import check_article
from minillm.paper.compile import PaperError

LINES = (
    "Resumen—Un modelo pequeño en español.",
    "Palabras clave—perplejidad",
    "La pérdida es 1,70 [1,66; 1,75] y la exactitud 12,3 %.",
    "Se vieron 1 234 567 palabras con Llama 3.1 y 2.000.000 de datos.",
    "El modelo dijo «cuesta 3.5 euros??».",
    "REFERENCIAS",
    "[1] Abstract—0.5, Table II, https://doi.org/10.1000/1.5",
)
FONTS = "fonts embedded as subsets, none Type 3"
NUMBERS = ("1,70 [1,66; 1,75]", "12,3 %", "1 234 567")
ARTICLE = r"""\documentclass[conference]{IEEEtran}
\begin{document} % \ref{fig:nadie} \cite{nadie}
Véanse la figura~\ref{fig:curvas}, la tabla~\ref{tab:cifras} y~\cite{uno, dos}.
\begin{figure}[t]\includegraphics{curvas.pdf}\caption{Curvas}\label{fig:curvas}\end{figure}
\begin{table*}[t]\caption{Cifras}\label{tab:cifras}\end{table*}
\end{document}
"""
BIBLIOGRAPHY = """@article{uno,
  title = {Uno},
  doi   = {10.1000/1},
}

@misc{dos,
  title = {Dos, as told in {arXiv}},
  howpublished = {arXiv:1606.08415},
}

@misc{nadie,
  title = {Of whom nobody speaks},
}
"""
FILES = """PWD .
INPUT /usr/share/texlive/texmf-dist/tex/latex/ieeetran/IEEEtran.cls
INPUT /home/ana/.texlive2022/texmf-var/fonts/map/pdftex.map
INPUT article.tex
INPUT ./curvas.pdf
OUTPUT article.pdf
"""
LOG = "This is pdfTeX\nOverfull \\hbox (0.94pt too wide) in paragraph at lines 3--4\n"


def font(writer: PdfWriter, kind: str) -> DictionaryObject:
    result = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Times" if kind == "whole" else "/ABCDEF+Times"),
            NameObject("/Encoding"): NameObject("/WinAnsiEncoding"),
        }
    )
    if kind in ("embedded", "whole"):
        descriptor = DictionaryObject({NameObject("/Type"): NameObject("/FontDescriptor")})
        descriptor[NameObject("/FontFile")] = writer._add_object(DecodedStreamObject())
        result[NameObject("/FontDescriptor")] = writer._add_object(descriptor)
    if kind == "Type 3":
        result[NameObject("/Subtype")] = NameObject("/Type3")
    return result


def script() -> DictionaryObject:
    return DictionaryObject(
        {
            NameObject("/S"): NameObject("/JavaScript"),
            NameObject("/JS"): TextStringObject("app.alert('hola')"),
        }
    )


def write_pdf(
    path: Path,
    lines: tuple[str, ...] = LINES,
    kind: str = "embedded",
    width: float = 612,
    title: str = "Un modelo",
    author: str = "Ana",
    language: str = "es-ES",
    fault: str = "",
) -> None:
    """A PDF of one page without TeX: Times in WinAnsi, one line of text under the other."""
    writer = PdfWriter()
    page = writer.add_blank_page(width, 792)
    content = DecodedStreamObject()
    shown = b"".join(
        b"(" + line.encode("cp1252").replace(b"(", b"\\(").replace(b")", b"\\)") + b") Tj T*\n" for line in lines
    )
    content.set_data(b"BT /F1 10 Tf 14 TL 50 700 Td\n" + shown + b"ET")
    page[NameObject("/Contents")] = writer._add_object(content)
    fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font(writer, kind))})
    resources = DictionaryObject({NameObject("/Font"): fonts})
    page[NameObject("/Resources")] = resources
    writer.add_metadata({"/Title": title, "/Author": author})
    writer.root_object[NameObject("/Lang")] = TextStringObject(language)
    if fault == "outlines":
        writer.add_outline_item(title="Introducción", page_number=0)
    if fault == "JavaScript":
        writer.root_object[NameObject("/OpenAction")] = script()
    if fault == "figure font":
        figure = DecodedStreamObject()
        inner = DictionaryObject({NameObject("/F9"): font(writer, "none")})
        figure[NameObject("/Type")] = NameObject("/XObject")
        figure[NameObject("/Subtype")] = NameObject("/Form")
        figure[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): inner})
        resources[NameObject("/XObject")] = DictionaryObject({NameObject("/Im1"): writer._add_object(figure)})
    if fault in DRAWN:
        before, drawn = picture(writer, *DRAWN[fault])
        resources[NameObject("/XObject")] = DictionaryObject({NameObject("/Im1"): writer._add_object(drawn)})
        content.set_data(content.get_data() + before + b" /Im1 Do Q")
    if fault == "numbered pages":
        for number in ("2", "3"):
            page = writer.add_blank_page(width, 792)
            content = DecodedStreamObject()
            content.set_data(f"BT /F1 10 Tf 14 TL 50 700 Td (Texto) Tj T* ({number}) Tj ET".encode())
            page[NameObject("/Contents")] = writer._add_object(content)
            page[NameObject("/Resources")] = resources
    if fault == "version":
        writer.pdf_header = "%PDF-2.0"
    if fault == "second page":
        writer.add_blank_page(595.28, 841.89)
    if fault == "page action":
        page[NameObject("/AA")] = DictionaryObject({NameObject("/O"): script()})
    if fault == "encryption":
        writer.encrypt("", "dueño", algorithm="RC4-128")
    writer.write(path)


# What is drawn, the space that it is drawn in, and what it is: 300 pixels over 72 points are 300 an inch.
PIXELS = {"/Width": NumberObject(300), "/Height": NumberObject(300)}
DRAWN: dict[str, tuple[bytes, str, dict[str, NumberObject | ArrayObject]]] = {
    "image": (b" q 72 0 0 72 50 50 cm", "/Image", PIXELS),
    "turned image": (b" q 0 0.5 -0.5 0 9 9 cm q 9 0 0 9 0 0 cm Q 0 144 -144 0 50 50 cm", "/Image", PIXELS),
    "coarse image": (b" q 1 0 0 2 9 9 cm 72 0 0 72 50 50 cm", "/Image", PIXELS),
    "figure": (b" q 1 0 0 1 50 50 cm", "/Form", {}),
    "shrunk figure": (b" q 0.5 0 0 0.5 50 50 cm", "/Form", {}),
    "figure with a matrix": (
        b" q 1 0 0 1 50 50 cm",
        "/Form",
        {"/Matrix": ArrayObject(map(FloatObject, (2, 0, 0, 2, 0, 0)))},
    ),
}


def picture(
    writer: PdfWriter, before: bytes, kind: str, entries: dict[str, NumberObject | ArrayObject]
) -> tuple[bytes, DecodedStreamObject]:
    """One of DRAWN; a form has a smaller one inside, such as the mark of a curve."""
    drawn = DecodedStreamObject()
    drawn[NameObject("/Subtype")] = NameObject(kind)
    drawn.update({NameObject(key): value for key, value in entries.items()})
    if kind == "/Form":
        mark = DecodedStreamObject()
        mark[NameObject("/Subtype")] = NameObject("/Form")
        marks = DictionaryObject({NameObject("/M0"): writer._add_object(mark)})
        drawn[NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): marks})
        drawn.set_data(b"q 0.1 0 0 0.1 0 0 cm /M0 Do Q")
    return before, drawn


def figure(width: float) -> bytes:
    """A PDF of an empty page of so many points of 1/72 inch."""
    writer, out = PdfWriter(), io.BytesIO()
    writer.add_blank_page(width, 100)
    writer.write(out)
    return out.getvalue()


class Inputs:
    """The inputs of the check, all good until a test spoils one."""

    def __init__(self, folder: Path) -> None:
        self.pdf, self.log = folder / "article.pdf", folder / "article.log"
        self.blg, self.fls = folder / "article.blg", folder / "article.fls"
        self.bundle, self.numbers = folder / "article.zip", folder / "numbers.json"
        self.section = folder / "resultados.tex"
        self.output = folder / "article-checks.json"
        write_pdf(self.pdf)
        self.log.write_text(LOG, encoding="utf-8")
        self.blg.write_text("This is BibTeX\n(There were 0 warnings)\n", encoding="utf-8")
        self.fls.write_text(FILES, encoding="utf-8")
        self.section.write_text(r"Es \VAR{1.5 | decimal(1)}." + "\n", encoding="utf-8")
        self.write_bundle()
        self.write_numbers(NUMBERS)

    def check(self, **options: Any) -> None:
        check_article(self.pdf, self.log, self.bundle, self.numbers, [self.section], self.output, **options)

    def write_bundle(self, **files: str | bytes) -> None:
        """The good bundle but for these files; «_» stands for the dot of a name."""
        good = {"article_tex": ARTICLE, "references_bib": BIBLIOGRAPHY, "curvas_pdf": figure(251.0585)}
        with zipfile.ZipFile(self.bundle, "w") as archive:
            for name, content in {**good, **files}.items():
                archive.writestr(name.replace("_", "."), content)

    def write_numbers(self, printed: tuple[str, ...]) -> None:
        records = [{"printed": number, "value": 0.0} for number in printed]
        self.numbers.write_text(json.dumps(records), encoding="utf-8")

    def failed(self, **options: Any) -> dict[str, str]:
        """The names and details of the failed checks."""
        self.check(**options)
        result = json.loads(self.output.read_text(encoding="utf-8"))
        failed = {c["name"]: c["detail"] for c in result["checks"] if not c["passed"]}
        assert result["passed"] == (not failed)
        return failed


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return Inputs(tmp_path)


def test_a_good_article_passes(inputs: Inputs) -> None:
    assert inputs.failed() == {}
    text = inputs.output.read_text(encoding="utf-8")
    assert list(json.loads(text)) == ["checks", "passed"]
    assert [p.name for p in inputs.output.parent.glob(".*")] == []


@pytest.mark.parametrize(
    ("line", "name", "detail"),
    [
        (
            "LaTeX Warning: Reference `fig:x' on page 1 undefined on input line 3.",
            "references and citations defined",
            "Reference `fig:x'",
        ),
        (
            "LaTeX Warning: Citation `yo' on page 2 undefined on input line 9.",
            "references and citations defined",
            "Citation `yo'",
        ),
        ("LaTeX Warning: Label `t' multiply defined.", "labels defined once", "t"),
        (
            "LaTeX Warning: Label(s) may have changed. Rerun to get cross-references right.",
            "no rerun pending",
            "Label(s) may have changed; Rerun to get cross-references right",
        ),
        (
            "Overfull \\hbox (1.2pt too wide) in paragraph at lines 7--9",
            "no overfull boxes",
            "1.2 pt in paragraph at lines 7--9",
        ),
        (
            "Overfull \\vbox (12.0pt too high) has occurred while \\output is active []",
            "no overfull boxes",
            "12.0 pt has occurred while \\output is active []",
        ),
        (
            "Missing character: There is no ? in font ptmr8t!",
            "no missing characters",
            "There is no ? in font ptmr8t!",
        ),
        (" restricted \\write18 enabled.", "no commands run", "\\write18 enabled"),
        ("runsystem(touch executed)...disabled.", "no commands run", "runsystem(touch executed)...disabled."),
    ],
)
def test_latex_log(inputs: Inputs, line: str, name: str, detail: str) -> None:
    inputs.log.write_text(LOG + line + "\n", encoding="utf-8")
    assert inputs.failed() == {name: detail}


def test_font_warnings_are_no_undefined_references(inputs: Inputs) -> None:
    warning = "LaTeX Font Warning: Font shape `T1/cmr/b/it' undefined\n"
    inputs.log.write_text(LOG + warning, encoding="utf-8")
    assert inputs.failed() == {}


@pytest.mark.parametrize(
    ("log", "detail"),
    [
        ("Warning--empty journal in x\n", "empty journal in x"),
        ("(There was 1 error message)\n", "There was 1 error message"),
        (None, "is missing"),
    ],
)
def test_bibtex_log(inputs: Inputs, log: str | None, detail: str) -> None:
    if log is None:
        inputs.blg.unlink()
    else:
        inputs.blg.write_text(log, encoding="utf-8")
    failed = inputs.failed()
    assert list(failed) == ["bibliography"]
    assert detail in failed["bibliography"]


@pytest.mark.parametrize(
    ("options", "name", "detail"),
    [
        ({"kind": "none"}, FONTS, "/ABCDEF+Times: not embedded"),
        ({"kind": "Type 3"}, FONTS, "Type 3"),
        ({"kind": "whole"}, FONTS, "/Times: embedded whole"),
        ({"fault": "figure font"}, FONTS, "not embedded"),
        ({"fault": "numbered pages"}, "no page numbers", "at the foot"),
        ({"fault": "version"}, "version of PDF", "PDF 2.0"),
        ({"fault": "coarse image"}, "resolution of images", "page 1: 150 pixels an inch"),
        ({"fault": "shrunk figure"}, "scale of figures", "page 1: a figure at 50%"),
        ({"fault": "figure with a matrix"}, "scale of figures", "page 1: a figure at 200%"),
        ({"author": ""}, "author", "empty: set pdfauthor"),
        ({"language": "en"}, "language", "«en»: set pdflang={es}"),
        ({"language": ""}, "language", "«»"),
        ({"width": 500}, "page size", "500 × 792 pt"),
        ({"fault": "second page"}, "page size", "595.28 × 841.89 pt; 612 × 792 pt"),
        ({"fault": "encryption"}, "not encrypted", "encrypted"),
        ({"fault": "JavaScript"}, "no JavaScript", "JavaScript"),
        ({"fault": "page action"}, "no JavaScript", "JavaScript"),
        ({"fault": "outlines"}, "no bookmarks", "outlines"),
        ({"title": " "}, "title", "empty"),
    ],
)
def test_structure(inputs: Inputs, options: dict[str, str], name: str, detail: str) -> None:
    write_pdf(inputs.pdf, **options)  # type: ignore[arg-type]
    failed = inputs.failed()
    assert list(failed) == [name]
    assert detail in failed[name]


@pytest.mark.parametrize(
    ("line", "name", "detail"),
    [
        ("Abstract—A model", "no English captions", "Abstract"),
        ("Index Terms—model", "no English captions", "Index Terms"),
        ("Table I", "no English captions", "Table"),
        ("TABLE IV", "no English captions", "Table"),
        ("Figure 2. Curvas", "no English captions", "Figure"),
        ("Cuadro II", "no English captions", "Cuadro"),
        ("CUADRO II", "no English captions", "Cuadro"),
        ("peque˜no", "accents extract", "«˜n»"),
        ("véase la Fig. ??", "no unresolved marks", "??"),
        ("según [?]", "no unresolved marks", "[?]"),
        ("vale 3.5.", "decimal commas", "vale 3.5"),
        ("vale 0.125 o más", "decimal commas", "vale 0.125"),
    ],
)
def test_language(inputs: Inputs, line: str, name: str, detail: str) -> None:
    write_pdf(inputs.pdf, (line, *LINES))
    failed = inputs.failed()
    assert list(failed) == [name]
    assert detail in failed[name]


def test_headings(inputs: Inputs) -> None:
    write_pdf(inputs.pdf, LINES[2:5])
    assert inputs.failed() == {"Spanish headings": "Resumen; Palabras clave; Referencias"}


def test_text_without_accents(inputs: Inputs) -> None:
    write_pdf(inputs.pdf, ("Resumen. Palabras clave", *LINES[3:]))
    inputs.write_numbers(("1 234 567",))
    assert inputs.failed() == {"accents extract": "no accented letter comes out of the PDF"}


@pytest.mark.parametrize("line", ["GPT-5.1 y Gemini 2.5", "v2.1 y 1.2.3", "10.1109/5.771073", "1.234"])
def test_points_that_are_no_decimals(inputs: Inputs, line: str) -> None:
    write_pdf(inputs.pdf, (line, *LINES))
    assert inputs.failed() == {}


@pytest.mark.parametrize(
    ("printed", "detail"),
    [
        (("1,70 [1,66; 1,75]",) * 2, "«1,70 [1,66; 1,75]» printed 2 times, found 1"),
        (("1,70 [1,66; 1,75]", "1,70"), "«1,70» printed 1 times, found 0"),
        (("1,7",), "«1,7» printed 1 times, found 0"),
        (("2,3 %",), "«2,3 %» printed 1 times, found 0"),
        (("1,71 [1,66; 1,75]",), "«1,71 [1,66; 1,75]» printed 1 times, found 0"),
        (("−12,3 %",), "«−12,3 %» printed 1 times, found 0"),
    ],
)
def test_numbers(inputs: Inputs, printed: tuple[str, ...], detail: str) -> None:
    inputs.write_numbers(printed)
    assert inputs.failed() == {"numbers printed": detail}


def test_numbers_across_lines_and_without_spaces(inputs: Inputs) -> None:
    write_pdf(inputs.pdf, ("1,70", "[1,66;1,75] 12,3%, 1234567. 3,7×107 -5,0", *LINES[:2], *LINES[5:]))
    inputs.write_numbers((*NUMBERS, "3,7 × 10⁷", "−5,0"))
    assert inputs.failed() == {}


def test_a_long_list_is_cut(inputs: Inputs) -> None:
    inputs.write_numbers(tuple(f"{n},99" for n in range(100, 115)))
    assert inputs.failed()["numbers printed"].endswith("; and 5 more")


def test_a_broken_pdf_is_recorded(inputs: Inputs) -> None:
    whole = inputs.pdf.read_bytes()
    for content in (
        b"",
        b"%PDF-1.5 nada",
        whole[: len(whole) // 2],
        whole.replace(b"/Pages", b"/Pag"),
    ):
        inputs.pdf.write_bytes(content)
        failed = inputs.failed()
        assert list(failed) == ["PDF readable"]


def test_wrong_inputs_say_what_to_do(inputs: Inputs) -> None:
    for content in ('{"a": 1}', "[1]", '[{"value": 1}]'):
        inputs.numbers.write_text(content, encoding="utf-8")
        with pytest.raises(PaperError, match=r"is not a list of .*; render the article again"):
            inputs.failed()
    inputs.numbers.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="is not valid JSON"):
        inputs.failed()
    inputs.write_numbers(NUMBERS)
    inputs.bundle.write_bytes(b"PK")
    with pytest.raises(PaperError, match=r"article\.zip is not the bundle of an article .*; render the article again"):
        inputs.failed()
    inputs.pdf.unlink()
    with pytest.raises(PaperError, match=r"article\.pdf is missing; compile"):
        inputs.failed()


def test_limits(inputs: Inputs) -> None:
    assert list(inputs.failed(max_overfull_pt=0.5)) == ["no overfull boxes"]
    write_pdf(inputs.pdf, fault="numbered pages")
    long = {"length": "the references begin on page 1"}
    assert inputs.failed(max_pages=1).keys() == {"no page numbers"}
    assert long.items() <= inputs.failed(max_pages=0).items()


def test_strict(inputs: Inputs) -> None:
    inputs.check(strict=True)
    write_pdf(inputs.pdf, author="")
    with pytest.raises(PaperError, match=r"article\.pdf: author: the author is empty"):
        inputs.check(strict=True)


@pytest.mark.parametrize("fault", ["image", "turned image", "figure"])
def test_pictures_that_are_good(inputs: Inputs, fault: str) -> None:
    write_pdf(inputs.pdf, fault=fault)
    assert inputs.failed() == {}


def test_a_number_in_a_figure_is_no_page_number(inputs: Inputs) -> None:
    write_pdf(inputs.pdf, fault="numbered pages", lines=(*LINES, "1"))
    writer = PdfWriter(clone_from=inputs.pdf)
    writer.add_page(writer.pages[1])  # its last line says 2, and it is page 4
    writer.write(inputs.pdf)
    assert inputs.failed() == {}


@pytest.mark.parametrize(
    ("files", "name", "detail"),
    [
        (
            {"article_tex": ARTICLE.replace(r"\ref{fig:curvas}", "")},
            "floats referred to",
            "no sentence refers to fig:curvas",
        ),
        (
            {"article_tex": ARTICLE.replace(r"\label{tab:cifras}", "")},
            "floats referred to",
            "the table at article.tex:5 has no label",
        ),
        ({"otra_png": b""}, "figures used", "otra.png"),
        ({"curvas_pdf": figure(252)}, "width of figures", "curvas.pdf is 252.9 pt wide"),
        ({"curvas_pdf": figure(300)}, "width of figures", "curvas.pdf is 301.1 pt wide"),
        ({"curvas_pdf": b"%PDF-"}, "width of figures", "curvas.pdf cannot be read"),
        (
            {"references_bib": BIBLIOGRAPHY.replace("10.1000/1", "")},
            "entries of the bibliography",
            "uno has no DOI, arXiv id or URL",
        ),
        (
            {"references_bib": BIBLIOGRAPHY.replace(":1606.08415", "")},
            "entries of the bibliography",
            "dos has no DOI, arXiv id or URL",
        ),
        (
            {"article_tex": ARTICLE.replace(r"\end{document}", r"\nocite{nadie}\end{document}")},
            "entries of the bibliography",
            r"\nocite{nadie} prints what the text does not cite",
        ),
    ],
)
def test_sources(inputs: Inputs, files: dict[str, str | bytes], name: str, detail: str) -> None:
    inputs.write_bundle(**files)
    failed = inputs.failed()
    assert list(failed) == [name]
    assert detail in failed[name]


def test_a_figure_as_wide_as_a_page_or_without_its_ending(inputs: Inputs) -> None:
    article = ARTICLE.replace("curvas.pdf", "curvas").replace("figure}", "figure*}")
    inputs.write_bundle(article_tex=article, curvas_pdf=figure(514.072))
    assert inputs.failed() == {}


@pytest.mark.parametrize(
    "line", ["INPUT /etc/passwd", "INPUT ../secreto.tex", "OUTPUT /home/ana/article.pdf", "INPUT fotos/../../a.png"]
)
def test_files_read(inputs: Inputs, line: str) -> None:
    inputs.fls.write_text(FILES + line + "\n", encoding="utf-8")
    assert inputs.failed() == {"files read": line.split()[1]}


def test_without_the_list_of_files_read(inputs: Inputs) -> None:
    inputs.fls.unlink()
    assert "is missing" in inputs.failed()["files read"]


def test_typed_results(inputs: Inputs) -> None:
    inputs.section.write_text("Bajó\na 3,5.\n", encoding="utf-8")
    assert inputs.failed() == {"no typed results": f"{inputs.section}:2: «3,5»"}
    inputs.section = inputs.section.rename(inputs.section.with_name("introduccion.tex"))
    assert inputs.failed() == {}
