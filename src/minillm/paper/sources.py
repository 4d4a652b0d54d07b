"""The article's sources as they are compiled: is everything in them used, named and of the right size?

LaTeX says nothing of a figure that no sentence mentions, and BibTeX nothing of an entry that nobody can find.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pypdf
from pypdf.errors import PyPdfError

from minillm.paper.compile import PaperError

WIDTHS = (252.0, 516.0)  # \columnwidth and \textwidth of IEEEtran, in TeX's points (72.27 an inch)

_COMMENT = re.compile(r"(?<!\\)%.*")
_FLOAT = re.compile(r"\\begin\{((?:figure|table|algorithm)\*?)\}(.*?)\\end\{\1\}", re.DOTALL)
_LABEL = re.compile(r"\\label\{([^}]*)\}")
_REFERENCE = re.compile(r"\\(?:auto|c|C|page)?ref\{([^}]*)\}")
_INCLUDED = re.compile(r"\\includegraphics\*?(?:\[[^]]*\])?\{([^}]*)\}")
_CITED = re.compile(r"\\cite(?:\[[^]]*\])?\{([^}]*)\}")
_NOCITE = re.compile(r"\\nocite\{([^}]*)\}")
_ENTRY = re.compile(
    r"^@(?!comment|string|preamble)\w+\s*\{\s*([^,\s]+)\s*,(.*?)(?=^@|\Z)", re.MULTILINE | re.DOTALL | re.I
)
# A DOI, an arXiv id or an address.
_FINDABLE = re.compile(r"\b(?:doi|eprint|url)\s*=\s*[{\"]\s*[^}\"\s]|\\url\{|arXiv:\d{4}\.\d{4,5}", re.IGNORECASE)


class Sources:
    """A bundle that has been read. Raises PaperError if it is not a zip file that holds article.tex in UTF-8."""

    def __init__(self, bundle: Path) -> None:
        try:
            with zipfile.ZipFile(bundle) as archive:
                self._files = {name: archive.read(name) for name in sorted(archive.namelist())}
            self._article = _COMMENT.sub("", self._files["article.tex"].decode())
        except (OSError, zipfile.BadZipFile, KeyError, UnicodeDecodeError) as error:
            raise PaperError(f"{bundle} is not the bundle of an article ({error}); render the article again") from error

    def floats_without_reference(self) -> Iterator[str]:
        """Figures, tables and algorithms that have no label, or that no sentence refers to."""
        referred = _keys(_REFERENCE, self._article)
        for found in _FLOAT.finditer(self._article):
            labels = _LABEL.findall(found[2])
            line = self._article[: found.start()].count("\n") + 1
            if not labels:
                yield f"the {found[1].rstrip('*')} at article.tex:{line} has no label"
            elif not referred.intersection(labels):
                yield f"no sentence refers to {labels[0]}"

    def unused_figures(self) -> Iterator[str]:
        """Files of figures that the article does not include."""
        included = {PurePosixPath(name).with_suffix("") for name in _INCLUDED.findall(self._article)}
        for name in self._files:
            path = PurePosixPath(name)
            if path.suffix in (".pdf", ".png", ".jpg", ".jpeg") and path.with_suffix("") not in included:
                yield name

    def figures_of_odd_width(self) -> Iterator[str]:
        """Figures in PDF that are not as wide as a column or a page: their letters would be scaled, or a gap left."""
        for name, content in self._files.items():
            if not name.endswith(".pdf"):
                continue
            try:
                width = float(pypdf.PdfReader(io.BytesIO(content)).pages[0].mediabox.width) * 72.27 / 72
            except (PyPdfError, IndexError) as error:
                yield f"{name} cannot be read ({error})"
                continue
            if all(abs(width - wanted) > 0.1 for wanted in WIDTHS):
                yield f"{name} is {width:.1f} pt wide"

    def bibliography_faults(self) -> Iterator[str]:
        """Entries that are printed without being cited, and cited ones without DOI, arXiv id or address."""
        cited = _keys(_CITED, self._article)
        for key in sorted(_keys(_NOCITE, self._article) - cited):
            yield f"\\nocite{{{key}}} prints what the text does not cite"
        for name, content in self._files.items():
            if name.endswith(".bib"):
                for key, fields in _ENTRY.findall(content.decode(errors="replace")):
                    if key in cited and not _FINDABLE.search(fields):
                        yield f"{key} has no DOI, arXiv id or URL"


def _keys(command: re.Pattern[str], article: str) -> set[str]:
    return {key.strip() for keys in command.findall(article) for key in keys.split(",")}
