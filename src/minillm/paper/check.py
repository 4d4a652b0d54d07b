"""The article read back: is it the one that was meant, fit to be printed, with the numbers that were measured?

LaTeX and BibTeX end with success when a citation is missing or a line runs into the margin, and a journal refuses a PDF
for a font that is not in it. So the logs, the sources, the PDF's structure and its text are checked, and every number
that the article printed is looked for in the text. A failed check is recorded, never raised.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from minillm.files import read_json, write_json
from minillm.paper.compile import PaperError
from minillm.paper.lint import is_about_results, typed_numbers
from minillm.paper.pdf import Document, read_pdf
from minillm.paper.sources import Sources
from minillm.stage import run_stage

# Width and height in points (1/72 inch): US letter and A4, the two sizes that IEEE takes.
PAGE_SIZES = ((612.0, 792.0), (595.28, 841.89))

LEAST_PPI = 300  # what IEEE asks of pictures that are made of pixels

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
class _Checks:
    records: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, faults: Iterable[str], good: str) -> None:
        """Record one check: it passes if nothing is at fault."""
        found = list(faults)
        shown = "; ".join(found[:10]) + (f"; and {len(found) - 10} more" if len(found) > 10 else "")
        self.records.append({"name": name, "passed": not found, "detail": shown or good})


def check_article(
    pdf: Path,
    latex_log: Path,
    bundle: Path,
    numbers: Path,
    sections: list[Path],
    output: Path,
    strict: bool = False,
    max_pages: int | None = None,
    max_overfull_pt: float = 1.0,
) -> None:
    """Check an article; write {"passed": …, "checks": [{"name", "passed", "detail"}]} to `output`.

    `latex_log` is LaTeX's log, with BibTeX's and the list of files beside it (suffixes .blg and .fls); `bundle` is what
    was compiled; `numbers` is the list that the renderer wrote; `sections` are the templates, of which those that
    report results are searched for typed numbers; `max_pages` is the last page on which the references may begin;
    `max_overfull_pt` is how far, in points, a line may stick out. Raises PaperError if an input is missing, if
    `bundle` or `numbers` is not what it should be or, where `strict`, if a check fails; otherwise failures are named
    on the screen.
    """
    for path in (pdf, latex_log, bundle, numbers):
        if not path.is_file():
            raise PaperError(f"{path} is missing; compile the article first")
    printed = _printed(numbers)
    checks = _Checks()
    checks.add(
        "no typed results",
        (place for section in sections if is_about_results(section) for place in typed_numbers(section)),
        "the sections of results take their numbers from result files",
    )
    _check_sources(checks, Sources(bundle))
    _check_latex_log(checks, latex_log.read_text(encoding="utf-8", errors="replace"), max_overfull_pt)
    _check_bibtex_log(checks, latex_log.with_suffix(".blg"))
    _check_files_read(checks, latex_log.with_suffix(".fls"))
    try:
        document = read_pdf(pdf)
    except Exception as error:
        checks.add("PDF readable", [f"pypdf cannot read it ({type(error).__name__}: {error})"], "")
    else:
        checks.add("PDF readable", [], f"{len(document.pages)} pages")
        _check_structure(checks, document, max_pages)
        _check_pictures(checks, document)
        _check_language(checks, document)
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


def _check_sources(checks: _Checks, sources: Sources) -> None:
    checks.add("floats referred to", sources.floats_without_reference(), "every figure, table and algorithm")
    checks.add("figures used", sources.unused_figures(), "every file of a figure")
    checks.add("width of figures", sources.figures_of_odd_width(), "each is as wide as a column or a page")
    checks.add("entries of the bibliography", sources.bibliography_faults(), "each is cited and can be found")


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
    checks.add(
        "no missing characters",
        _unique(re.findall(r"Missing character: (There is no .*)", log)),
        "the fonts have all that is printed",
    )
    commands = re.findall(r"\\write18 enabled|runsystem\(.*", log)
    checks.add("no commands run", _unique(commands), "TeX could run none and was asked for none")


def _check_bibtex_log(checks: _Checks, path: Path) -> None:
    if not path.is_file():
        checks.add("bibliography", [f"{path} is missing: compile the article again"], "")
        return
    log = path.read_text(encoding="utf-8", errors="replace")
    faults = re.findall(r"Warning--(.*)", log) + re.findall(r"There (?:was|were) \d+ error messages?", log)
    checks.add("bibliography", faults, "BibTeX has no warning")


def _check_files_read(checks: _Checks, path: Path) -> None:
    """The article is made of its bundle and the TeX distribution, whose folders are called texmf…, and nothing else."""
    if not path.is_file():
        checks.add("files read", [f"{path} is missing: compile the article again"], "")
        return
    files = re.findall(r"^(?:INPUT|OUTPUT) (.*)$", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    foreign = [
        name
        for name in map(PurePosixPath, files)
        if ".." in name.parts or (name.is_absolute() and not any(part.startswith("texmf") for part in name.parts))
    ]
    checks.add("files read", _unique(map(str, foreign)), "those of the bundle and of the TeX distribution")


def _check_structure(checks: _Checks, document: Document, max_pages: int | None) -> None:
    faults = [f"{name}: {fault}" for name, fault in document.fonts.items() if fault]
    checks.add("fonts embedded as subsets, none Type 3", faults, f"{len(document.fonts)} fonts")
    sizes = set(document.sizes)
    known = [s for s in PAGE_SIZES if all(abs(w - s[0]) < 1 and abs(h - s[1]) < 1 for w, h in sizes)]
    odd = [] if known and sizes else [f"{w:g} × {h:g} pt" for w, h in sorted(sizes)] or ["no pages"]
    checks.add("page size", odd, "every page is US letter or every page is A4")
    checks.add("no page numbers", _page_numbers(document.pages), "the publisher prints them")
    begin = [number for number, page in enumerate(document.pages, start=1) if _REFERENCES_HEADING.search(page)]
    long = [f"the references begin on page {last}" for last in begin[-1:] if max_pages is not None and last > max_pages]
    checks.add("length", long, "no limit" if max_pages is None else f"the references begin by page {max_pages}")
    new = [f"PDF {document.version}"] if document.version > "1.7" else []
    checks.add("version of PDF", new, document.version)
    checks.add("not encrypted", ["the PDF is encrypted"] * document.encrypted, "no password")
    checks.add("no JavaScript", ["the PDF holds JavaScript"] * document.scripts, "none")
    checks.add("no bookmarks", ["the PDF has outlines"] * document.outlines, "none")
    for name, found in (("title", document.title), ("author", document.author)):
        checks.add(name, [] if found.strip() else [f"the {name} is empty: set pdf{name}"], found)


def _page_numbers(pages: list[str]) -> Iterator[str]:
    """The heads and feet of pages, which are the first and the last line of their text, that hold the number.

    A figure may begin or end with such a number too, so that one page proves nothing: all from the second on must.
    """
    for place, name in ((0, "top"), (-1, "foot")):
        lines = [(page.strip().splitlines() or [""])[place].strip() for page in pages]
        if len(lines) > 1 and all(line == str(number) for number, line in enumerate(lines[1:], start=2)):
            yield f"they stand at the {name} of the pages: take \\pagestyle out"


def _check_pictures(checks: _Checks, document: Document) -> None:
    # The pixels of a small picture are a whole number: up to one in a hundred may be missing.
    few = 0.99 * LEAST_PPI
    coarse = [f"page {page}: {ppi:.0f} pixels an inch" for page, ppi in document.images if ppi < few]
    checks.add("resolution of images", _unique(coarse), f"at least {LEAST_PPI} pixels an inch")
    scaled = [f"page {page}: a figure at {scale:.0%}" for page, scale in document.figures if abs(scale - 1) > 0.01]
    checks.add("scale of figures", _unique(scaled), "letters have the size that they were drawn with")


def _check_language(checks: _Checks, document: Document) -> None:
    """Words, accents and marks. The bibliography and what is quoted are other people's words."""
    text = document.text
    foreign = [] if document.language.split("-")[0] == "es" else [f"«{document.language}»: set pdflang={{es}}"]
    checks.add("language", foreign, document.language)
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


def _unique(faults: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(faults))


if __name__ == "__main__":
    run_stage(check_article)
