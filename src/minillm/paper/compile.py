"""From the bundle to the PDF: latexmk in a fresh folder, a fixed clock, no shell.

The PDF depends on the bundle and the TeX distribution alone: the same bundle gives the same bytes
in any folder and on any day. What LaTeX and BibTeX had to say is kept beside it for
`minillm.paper.check`, since both end with success when a reference is missing.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from minillm.files import replacing, write_text
from minillm.stage import run_stage

COMMAND = [
    "latexmk",
    "-norc",  # A latexmkrc is a program: none is read.
    "-pdf",
    "-interaction=nonstopmode",
    "-halt-on-error",
    "-file-line-error",
    "-latexoption=-no-shell-escape",
    "-recorder",
    "article.tex",
]

# The clock stands at the epoch; TeX opens no file above its folder, absolute or hidden; the log's
# lines are whole.
ENVIRONMENT = {
    "SOURCE_DATE_EPOCH": "0",
    "FORCE_SOURCE_DATE": "1",
    "TZ": "UTC",
    "LC_ALL": "C",
    "TEXMFHOME": "/nonexistent",  # nor do a person's own packages count
    "openin_any": "p",
    "openout_any": "p",
    "max_print_line": "1000",
    "error_line": "254",
    "half_error_line": "238",
}

# A person's own search paths would make the PDF depend on their home folder.
SEARCH_PATHS = ("TEXINPUTS", "BIBINPUTS", "BSTINPUTS")

# "./article.tex:12: Undefined control sequence." or, without a place, "! LaTeX Error: File …".
_PLACE = re.compile(r"^(?:\./)?(\S+\.\w+):(\d+): ", re.MULTILINE)
_TEX_ERROR = re.compile(r"^(?:\S+\.\w+:\d+: +|! *)(.+)$", re.MULTILINE)
# Around the text of each template; see `minillm.paper.latex`.
_MARK = re.compile(r"% <(/?)(.+\.tex)>$", re.MULTILINE)
_BIBTEX_ERROR = re.compile(r"^(.*)\n?---(?:line (\d+) of|while reading) file (\S+)$", re.MULTILINE)


class PaperError(ValueError):
    """The article cannot be made; the message says where and how to mend it."""


def compile_article(bundle: Path, pdf: Path, latex_log: Path) -> None:
    """Compile `article.tex` of a zip file that holds all its inputs (figures, references.bib).

    Writes the PDF, LaTeX's log to `latex_log` and beside it BibTeX's with the suffix .blg (empty if
    BibTeX did not run) and, with the suffix .fls, the list of the files that LaTeX read and wrote. The
    logs are written on failure too. Raises PaperError if TeX is not installed or finds an error.
    """
    for program in ("latexmk", "pdflatex"):
        if shutil.which(program) is None:
            raise PaperError(
                f"{program} is not installed; run ./system-packages.sh to see how to install it here,"
                f" or upload {bundle} to Overleaf"
            )
    with tempfile.TemporaryDirectory(prefix="minillm-") as temporary:
        work = Path(temporary) / "article"
        try:
            shutil.unpack_archive(bundle, work, "zip")
        except (OSError, shutil.ReadError) as error:
            raise PaperError(f"{bundle} is not a zip file that can be read; render the article again") from error
        if not (work / "article.tex").is_file():
            raise PaperError(f"{bundle} has no article.tex; render the article again")
        kept = {name: value for name, value in os.environ.items() if name not in SEARCH_PATHS}
        run = subprocess.run(
            COMMAND,
            cwd=work,
            env=kept | ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        write_text(latex_log, _text(work / "article.log"))
        write_text(latex_log.with_suffix(".blg"), _text(work / "article.blg"))
        write_text(latex_log.with_suffix(".fls"), _text(work / "article.fls").replace(f"{work.resolve()}", "."))
        if run.returncode != 0:
            said = run.stderr + run.stdout
            raise PaperError(_explain(work, bundle.parent, said.decode(errors="replace")))
        with replacing(pdf) as unfinished:
            shutil.copyfile(work / "article.pdf", unfinished)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _explain(work: Path, folder: Path, said: str) -> str:
    """The first error as one line: where, what, how to mend it."""
    # BibTeX runs after a sound first pass: its error is the cause of what TeX says later.
    if error := _BIBTEX_ERROR.search(_text(work / "article.blg")):
        where = f"{folder / error[3]}:{error[2] or ''}"
        return f"{where}: BibTeX: {error[1].strip()}; correct the bibliography or its \\cite"
    log = _text(work / "article.log")
    if error := _TEX_ERROR.search(log):
        place = _PLACE.search(log, error.start())
        name, line = place.groups() if place else ("article.tex", "")
        source = re.search(rf"^l\.{line} (.*)$", log[error.end() :], re.MULTILINE)
        near = f" near «…{source[1][-60:].strip()}»" if source else ""
        template = _template(_text(work / name).splitlines()[: int(line or 0)])
        return f"{folder / name}:{line}: {error[1]}{near}; {_mend(error[1], folder, template)}"
    databases = re.findall(r"\\bibdata\{(.*)\}", _text(work / "article.aux"))
    for name in ",".join(databases).split(","):
        if name and not (work / f"{name}.bib").is_file():
            return f"{folder}: there is no {name}.bib; put it there or correct \\bibliography"
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "no message")
    return f"{folder}: latexmk failed ({last.strip()}); compile it by hand to see why"


def _template(lines: list[str]) -> str:
    """The template that wrote the last of these lines, in words."""
    inside = [""]
    for end, name in _MARK.findall("\n".join(lines)):
        if end:
            inside.pop()
        else:
            inside.append(name)
    return f"the template {inside[-1]}, which" if inside[-1] else "the template that"


def _mend(message: str, folder: Path, template: str) -> str:
    if missing := re.search(r"File `([^']+)' not found", message):
        if missing[1].endswith((".sty", ".cls", ".def", ".ldf")):
            return f"install the TeX package of {missing[1]}, or upload article.zip to Overleaf"
        return f"put {missing[1]} into {folder} or take its command out of the template"
    return f"correct {template} wrote this line, and render the article again"


if __name__ == "__main__":
    run_stage(compile_article)
