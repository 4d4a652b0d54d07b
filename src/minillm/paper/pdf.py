"""What the checks of an article ask of a PDF: text, metadata, fonts, pictures. Nothing is judged but fonts."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pypdf
from pypdf.generic import ArrayObject, ContentStream, DictionaryObject, IndirectObject, StreamObject

# (a, b, c, d, e, f) maps (x, y) to (ax + cy + e, bx + dy + f), as PDF has it.
Matrix = tuple[float, ...]
IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass
class Document:
    """A PDF that has been read."""

    version: str = ""
    title: str = ""
    author: str = ""
    language: str = ""
    encrypted: bool = False
    scripts: bool = False
    outlines: bool = False
    pages: list[str] = field(default_factory=list)  # the text of each
    sizes: list[tuple[float, float]] = field(default_factory=list)  # of each page, in points of 1/72 inch
    fonts: dict[str, str] = field(default_factory=dict)  # name: what is wrong with it, or nothing
    images: list[tuple[int, float]] = field(default_factory=list)  # page and pixels per inch, as placed
    figures: list[tuple[int, float]] = field(default_factory=list)  # page and scale of each included PDF

    @property
    def text(self) -> str:
        """Of all pages."""
        return "".join(page + "\n" for page in self.pages)


def read_pdf(path: Path) -> Document:
    """Read a PDF with pypdf, which meets a broken one with almost any exception."""
    reader = pypdf.PdfReader(path)
    document = Document(encrypted=reader.is_encrypted)
    root = reader.root_object
    document.version = str(root.get("/Version", reader.pdf_header)).removeprefix("%PDF-").removeprefix("/")
    document.language = str(root.get("/Lang", ""))
    document.outlines = "/Outlines" in root
    document.title = (reader.metadata and reader.metadata.title) or ""
    document.author = (reader.metadata and reader.metadata.author) or ""
    for dictionary in _dictionaries(root):
        if dictionary.get("/Type") == "/Font":
            name = str(dictionary.get("/BaseFont", "a font without a name"))
            document.fonts[name] = document.fonts.get(name) or _font_fault(name, dictionary)
        if "/JS" in dictionary or dictionary.get("/S") == "/JavaScript":
            document.scripts = True
    for number, page in enumerate(reader.pages, start=1):
        document.sizes.append((float(page.mediabox.width), float(page.mediabox.height)))
        document.pages.append(page.extract_text())
        content = page.get_contents()
        if content is not None:
            for placed, matrix, outermost in _placed(content, _resources(page), IDENTITY):
                width, height = math.hypot(*matrix[:2]), math.hypot(*matrix[2:4])  # of what is one unit wide and high
                if placed["/Subtype"] == "/Image":
                    document.images.append((number, 72 * min(placed["/Width"] / width, placed["/Height"] / height)))
                elif outermost:
                    document.figures.append((number, min(width, height)))
    return document


def _placed(
    content: StreamObject, resources: DictionaryObject, matrix: Matrix, outermost: bool = True
) -> Iterator[tuple[Any, Matrix, bool]]:
    """The images and forms that a content stream draws, with where, and whether it is the page that draws them."""
    known = resources.get("/XObject", DictionaryObject()).get_object()
    if not known:
        return  # Reading a page of plain text takes long.
    stack = [matrix]
    for operands, operator in ContentStream(content, None).operations:
        if operator == b"q":
            stack.append(stack[-1])
        elif operator == b"Q":
            stack.pop()
        elif operator == b"cm":
            stack[-1] = _times(operands, stack[-1])
        elif operator == b"Do":
            drawn = known[operands[0]].get_object()
            placed = _times(drawn.get("/Matrix", IDENTITY), stack[-1])
            yield drawn, placed, outermost
            if drawn["/Subtype"] == "/Form":
                yield from _placed(drawn, _resources(drawn), placed, outermost=False)


def _resources(owner: DictionaryObject) -> Any:
    return owner.get("/Resources", DictionaryObject()).get_object()


def _times(first: Any, then: Matrix) -> Matrix:
    a, b, c, d, e, f = map(float, first)
    p, q, r, s, t, u = then
    return (a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u)


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


def _font_fault(name: str, font: DictionaryObject) -> str:
    if font.get("/Subtype") == "/Type3":
        return "Type 3 (a bitmap or a drawing): use a Type 1 or TrueType font"
    if font.get("/Subtype") == "/Type0":
        return ""  # Its descendant, a font of its own, holds the file.
    descriptor = font.get("/FontDescriptor", DictionaryObject()).get_object()
    if not {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor):
        return "not embedded: embed it, or draw the figure again with embedded fonts"
    if name[7:8] != "+":
        return "embedded whole: embed only the characters that are used"
    return ""
