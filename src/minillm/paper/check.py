"""The PDF read back: is it the article that was meant, with the numbers that were measured?

LaTeX and BibTeX end with success when a citation is missing or a line runs into the margin, and a
journal refuses a PDF for a font that is not in it. So the logs, the PDF's structure and its text
are checked, and every number that the article printed is looked for in the text. A failed check is
recorded, never raised.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pypdf
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

from minillm.files import read_json, write_json
from minillm.paper.compile import PaperError
from minillm.stage import run_stage

# Width and height in points (1/72 inch): US letter and A4, the two sizes that IEEE takes.
PAGE_SIZES = ((612.0, 792.0), (595.28, 841.89))

SPANISH = ("Resumen", "Palabras clave", "Referencias")

# As they stand in captions and headings: «abstract» may be a word of a title. Small capitals come
# out with a space after their first letter.
ENGLISH = {
    "Abstract": r"\bAbstract\s*[—–-]",
    "Index Terms": r"\bIndex\s+Terms\b",
    "Table": r"\bT\s?(?:able|ABLE)\s+[IVXLC\d]+\b",
    "Figure": r"\bF(?:igure|IGURE)\s+\d",
    "Cuadro": r"\bC\s?(?:uadro|UADRO)\s+[IVXLC\d]+\b",
    "References": r"(?m)^\s*R\s?(?:eferences|EFERENCES)\s*$",
}

_REFERENCES_HEADING = re.compile(r"(?m)^\s*R\s?(?:eferencias|EFERENCIAS)\s*$")
_QUOTED = re.compile(r"«[^»]*»|“[^”]*”")
_ADDRESS = re.compile(r"(?i)(?:https?://|doi:|arxiv:)\s?\S+|\b10\.\d{4,}/\S+")
_DECIMAL_POINT = re.compile(r"(?<![\w.,/:-])\d+\.\d+(?![\w/-])(?!\.\d)")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")
_LOST_ACCENT = re.compile(r"[´¨˜ˆ¸]\s?[A-Za-zı]|\ufffd")


@dataclass
class _Document:
    """What the checks ask of a PDF."""

    text: str = ""
    title: str = ""
    encrypted: bool = False
    scripts: bool = False
    outlines: bool = False
    sizes: list[tuple[float, float]] = field(default_factory=list)
    fonts: dict[str, str] = field(default_factory=dict)  # name: what is wrong with it, or nothing


@dataclass
class _Checks:
    records: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, faults: list[str], good: str) -> None:
        """Record one check: it passes if nothing is at fault."""
        shown = "; ".join(faults[:10]) + (f"; and {len(faults) - 10} more" if len(faults) > 10 else "")
        self.records.append({"name": name, "passed": not faults, "detail": shown or good})


def check_article(
    pdf: Path, latex_log: Path, numbers: Path, output: Path, strict: bool = False, max_overfull_pt: float = 1.0
) -> None:
    """Check an article; write {"passed": …, "checks": [{"name", "passed", "detail"}]} to `output`.

    `latex_log` is LaTeX's log, with BibTeX's beside it (suffix .blg); `numbers` is the list that
    the renderer wrote; `max_overfull_pt` is how far, in points, a line may stick out. Raises
    PaperError if an input is missing, if `numbers` is not such a list or, where `strict`, if a check
    fails; otherwise failures are named on the screen.
    """
    for path in (pdf, latex_log, numbers):
        if not path.is_file():
            raise PaperError(f"{path} is missing; compile the article first")
    printed = _printed(numbers)
    checks = _Checks()
    _check_latex_log(checks, latex_log.read_text(encoding="utf-8", errors="replace"), max_overfull_pt)
    _check_bibtex_log(checks, latex_log.with_suffix(".blg"))
    try:
        document = _read(pdf)
    except Exception as error:  # pypdf meets a broken PDF with almost any exception.
        checks.add("PDF readable", [f"pypdf cannot read it ({type(error).__name__}: {error})"], "")
    else:
        checks.add("PDF readable", [], f"{len(document.sizes)} pages")
        _check_structure(checks, document)
        _check_language(checks, document.text)
        checks.add(
            "numbers printed",
            _missing(printed, document.text),
            f"all {printed.total()} numbers of {numbers.name} are in the PDF",
        )
    passed = all(record["passed"] for record in checks.records)
    # A PDF's text may hold half of a surrogate pair, which is not UTF-8.
    for record in checks.records:
        record["detail"] = record["detail"].encode(errors="replace").decode()
    failed = "; ".join(f"{record['name']}: {record['detail']}" for record in checks.records if not record["passed"])
    if failed and strict:
        raise PaperError(f"{pdf}: {failed}")
    if failed:
        print(f"{pdf} has faults: {failed}", flush=True)
    write_json(output, {"passed": passed, "checks": checks.records})


def _printed(numbers: Path) -> Counter[str]:
    """How often each number was printed."""
    try:
        return Counter(str(record["printed"]) for record in read_json(numbers))
    except (TypeError, KeyError) as error:
        raise PaperError(
            f'{numbers} is not a list of {{"printed": …, "value": …}}; render the article again'
        ) from error


def _check_latex_log(checks: _Checks, log: str, max_overfull_pt: float) -> None:
    undefined = re.findall(r"((?:Reference|Citation) [`'][^']*') .*undefined", log)
    checks.add("references and citations defined", _unique(undefined), "none is undefined")
    twice = re.findall(r"Label [`']([^']*)' multiply defined", log)
    twice += re.findall(r"destination with the same identifier \(([^)]*)\)", log)
    checks.add("labels defined once", _unique(twice), "none is defined twice")
    reruns = re.findall(r"Label\(s\) may have changed|Rerun to get [\w -]+|Rerun LaTeX", log)
    checks.add("no rerun pending", _unique(reruns), "the last run changed nothing")
    boxes = re.findall(r"Overfull \\[hv]box \(([\d.]+)pt too (?:wide|high)\)([^\n]*)", log)
    checks.add(
        "no overfull boxes",
        [f"{size} pt{place}" for size, place in boxes if float(size) > max_overfull_pt],
        f"nothing sticks out by more than {max_overfull_pt:g} pt",
    )


def _check_bibtex_log(checks: _Checks, path: Path) -> None:
    if not path.is_file():
        checks.add("bibliography", [f"{path} is missing: compile the article again"], "")
        return
    log = path.read_text(encoding="utf-8", errors="replace")
    faults = re.findall(r"Warning--(.*)", log) + re.findall(r"There (?:was|were) \d+ error messages?", log)
    checks.add("bibliography", faults, "BibTeX has no warning")


def _check_structure(checks: _Checks, document: _Document) -> None:
    faults = [f"{name}: {fault}" for name, fault in document.fonts.items() if fault]
    checks.add("fonts embedded, none Type 3", faults, f"{len(document.fonts)} fonts")
    sizes = set(document.sizes)
    known = [s for s in PAGE_SIZES if all(abs(w - s[0]) < 1 and abs(h - s[1]) < 1 for w, h in sizes)]
    odd = [] if known and sizes else [f"{w:g} × {h:g} pt" for w, h in sorted(sizes)] or ["no pages"]
    checks.add("page size", odd, "every page is US letter or every page is A4")
    checks.add("not encrypted", ["the PDF is encrypted"] * document.encrypted, "no password")
    checks.add("no JavaScript", ["the PDF holds JavaScript"] * document.scripts, "none")
    checks.add("no bookmarks", ["the PDF has outlines"] * document.outlines, "none")
    checks.add(
        "title",
        [] if document.title.strip() else ["the title is empty: set pdftitle"],
        document.title,
    )


def _check_language(checks: _Checks, text: str) -> None:
    """Words, accents and marks. The bibliography and what is quoted are other people's words."""
    heading = list(_REFERENCES_HEADING.finditer(text))
    body = text[: heading[-1].start()] if heading else text
    own = _ADDRESS.sub(" ", _QUOTED.sub(" ", body))
    english = [word for word, pattern in ENGLISH.items() if re.search(pattern, own)]
    checks.add("no English captions", english, "none")
    squeezed = re.sub(r"\s", "", text).casefold()
    absent = [word for word in SPANISH if word.replace(" ", "").casefold() not in squeezed]
    checks.add("Spanish headings", absent, ", ".join(SPANISH))
    accents = [f"«{match}»" for match in _LOST_ACCENT.findall(body)]
    if not re.search("[áéíóúñ]", body):
        accents.append("no accented letter comes out of the PDF")
    checks.add("accents extract", accents, "letters and accents are one character")
    checks.add("no unresolved marks", _unique(re.findall(r"\?\?|\[\?\]", own)), "no ?? and no [?]")
    checks.add("decimal commas", list(_decimal_points(own)), "no number has a decimal point")


def _decimal_points(text: str) -> Iterator[str]:
    """Numbers such as 3.5; not 1.234.567, nor a version after its name (Llama 3.1, CC BY 4.0)."""
    for match in _DECIMAL_POINT.finditer(text):
        before = text[: match.start()].split()[-1:]
        named = bool(before) and any(c.isupper() for c in before[0])
        if not named and not _THOUSANDS.fullmatch(match[0]):
            yield " ".join(text[max(0, match.start() - 20) : match.end() + 10].split())


def _missing(printed: Counter[str], text: str) -> list[str]:
    """The numbers that the text shows less often than they were printed.

    The longest are looked for first and taken out, so that «1,70» is not found inside «1,70 [1,66;
    1,75]».
    """
    text = unicodedata.normalize("NFKC", text)
    faults = []
    for number, times in sorted(printed.items(), key=lambda item: (-len(item[0]), item[0])):
        text, found = _pattern(number).subn("\n", text, count=times)
        if found < times:
            faults.append(f"«{number}» printed {times} times, found {found}")
    return faults


def _pattern(number: str) -> re.Pattern[str]:
    """The number, with any space or line break between its parts, not inside a longer number."""
    parts = re.findall(r"\d+|\S", unicodedata.normalize("NFKC", number))
    digits = r"\s*".join("[−-]" if part == "−" else re.escape(part) for part in parts)
    return re.compile(rf"(?<!\d)(?<!\d[.,]){digits}(?!\d)(?![.,]\d)")


def _read(pdf: Path) -> _Document:
    reader = pypdf.PdfReader(pdf)
    document = _Document(encrypted=reader.is_encrypted)
    root = reader.root_object
    document.outlines = "/Outlines" in root
    document.title = (reader.metadata and reader.metadata.title) or ""
    for dictionary in _dictionaries(root):
        if dictionary.get("/Type") == "/Font":
            name = str(dictionary.get("/BaseFont", "a font without a name"))
            document.fonts[name] = document.fonts.get(name) or _font_fault(dictionary)
        if "/JS" in dictionary or dictionary.get("/S") == "/JavaScript":
            document.scripts = True
    for page in reader.pages:
        document.sizes.append((float(page.mediabox.width), float(page.mediabox.height)))
        document.text += page.extract_text() + "\n"
    return document


def _dictionaries(root: DictionaryObject) -> Iterator[DictionaryObject]:
    """Every dictionary that the catalogue leads to: the fonts of figures inside figures too."""
    waiting: list[object] = [root]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, IndirectObject):
            if item.idnum in seen:
                continue
            seen.add(item.idnum)
            item = item.get_object()
        if isinstance(item, DictionaryObject):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, ArrayObject):
            waiting.extend(item)


def _font_fault(font: DictionaryObject) -> str:
    if font.get("/Subtype") == "/Type3":
        return "Type 3 (a bitmap or a drawing): use a Type 1 or TrueType font"
    if font.get("/Subtype") == "/Type0":
        return ""  # Its descendant, a font of its own, holds the file.
    descriptor = font.get("/FontDescriptor", DictionaryObject()).get_object()
    if not {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor):
        return "not embedded: embed it, or draw the figure again with embedded fonts"
    return ""


def _unique(faults: list[str]) -> list[str]:
    return list(dict.fromkeys(faults))


if __name__ == "__main__":
    run_stage(check_article)
