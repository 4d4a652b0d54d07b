"""Small PDFs and logs, each with one known fault: its check, and no other, goes red."""

import json
from pathlib import Path

import pytest
from pypdf import PdfWriter
from pypdf.generic import (
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
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
NUMBERS = ("1,70 [1,66; 1,75]", "12,3 %", "1 234 567")
LOG = "This is pdfTeX\nOverfull \\hbox (0.94pt too wide) in paragraph at lines 3--4\n"


def font(writer: PdfWriter, kind: str) -> DictionaryObject:
    result = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/ABCDEF+Times"),
            NameObject("/Encoding"): NameObject("/WinAnsiEncoding"),
        }
    )
    if kind == "embedded":
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
    writer.add_metadata({"/Title": title})
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
    if fault == "second page":
        writer.add_blank_page(595.28, 841.89)
    if fault == "page action":
        page[NameObject("/AA")] = DictionaryObject({NameObject("/O"): script()})
    if fault == "encryption":
        writer.encrypt("", "dueño", algorithm="RC4-128")
    writer.write(path)


class Inputs:
    """The four inputs of the check, all good until a test spoils one."""

    def __init__(self, folder: Path) -> None:
        self.pdf, self.log = folder / "article.pdf", folder / "article.log"
        self.blg, self.numbers = folder / "article.blg", folder / "numbers.json"
        self.output = folder / "article-checks.json"
        write_pdf(self.pdf)
        self.log.write_text(LOG, encoding="utf-8")
        self.blg.write_text("This is BibTeX\n(There were 0 warnings)\n", encoding="utf-8")
        self.write_numbers(NUMBERS)

    def write_numbers(self, printed: tuple[str, ...]) -> None:
        records = [{"printed": number, "value": 0.0} for number in printed]
        self.numbers.write_text(json.dumps(records), encoding="utf-8")

    def failed(self) -> dict[str, str]:
        """The names and details of the failed checks."""
        check_article(self.pdf, self.log, self.numbers, self.output)
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
        ({"kind": "none"}, "fonts embedded, none Type 3", "/ABCDEF+Times: not embedded"),
        ({"kind": "Type 3"}, "fonts embedded, none Type 3", "Type 3"),
        ({"fault": "figure font"}, "fonts embedded, none Type 3", "not embedded"),
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
    inputs.pdf.unlink()
    with pytest.raises(PaperError, match=r"article\.pdf is missing; compile"):
        inputs.failed()


def test_the_limit_of_overfull_boxes(inputs: Inputs) -> None:
    check_article(inputs.pdf, inputs.log, inputs.numbers, inputs.output, max_overfull_pt=0.5)
    checks = json.loads(inputs.output.read_text(encoding="utf-8"))["checks"]
    assert [c["name"] for c in checks if not c["passed"]] == ["no overfull boxes"]
