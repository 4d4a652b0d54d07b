"""How well and how fast wikitext becomes plain text: our renderer and its peers against a real MediaWiki.

    .venv/bin/python benchmarks/wikitext.py reference PAGES... --output reference.json
    .venv/bin/python benchmarks/wikitext.py compare reference.json [--peers PEERS/bin/python] [--worst N]
    .venv/bin/python benchmarks/wikitext.py speed PAGES... [--peers PEERS/bin/python] [--megabytes N]
    .venv/bin/python benchmarks/wikitext.py hostile [--peers PEERS/bin/python]
    .venv/bin/python benchmarks/wikitext.py parsertests parserTests.txt [--peers PEERS/bin/python] [--verbose]

PAGES are exports (.xml, .xml.bz2), single pages (.wikitext) and answers of the API (.json) of the Spanish Wikipedia.
`wikitext_peers.py` says how the peers' environment is made. Tables are printed in Markdown, what is odd on stderr.
"""

import argparse
import difflib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import unicodedata
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import wikitext_reference as wiki
from wikitext_peers import RENDERERS

from minillm.corpus.read_dump import read_pages

PEERS = Path(__file__).with_name("wikitext_peers.py")
MARKER = "plantillaplantilla"  # what unknown templates show in the reference, and all of them in the second one
REDIRECT = re.compile(r"\s*#(?:redirecci[oó]n|redirect)\b", re.IGNORECASE)
FORMULA = re.compile(r"<(math|chem|ce)\b[^<>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)

TOKEN = re.compile(r"\w+|[^\w\s]")
SENTENCE_END = re.compile(r"(?<=[.!?…])[»”\")]*\s+(?=[«“\"(¿¡]*[A-ZÁÉÍÓÚÑÜ0-9])")
SHORTEST_SENTENCE = 6  # words

_FUNCTION_WORD = "de|del|en|el|la|los|las|al|por|con|un|una|entre|desde|hasta|siglo|siglos|sobre|según|y|su|sus"
DAMAGE = {
    "empty parentheses": re.compile(r"\([\s,;:]*\)|\(\s*[,;:]|[,;:]\s*\)"),
    "holes": re.compile(rf"\b(?:{_FUNCTION_WORD})\s*[,.;:)](?!\w)", re.IGNORECASE),
}
LEFTOVER = {
    name: re.compile(pattern, re.MULTILINE | re.IGNORECASE)
    for name, pattern in {
        "braces": r"\{\{|\}\}|\{\||\|\}",
        "brackets": r"\[\[|\]\]",
        "bars": r"\|",
        "quotes": r"'{2,}",
        "tags": r"</?[a-z][^<>\n]*>|<!--|-->",
        "entities": r"&(?:#\d+|#x[0-9a-f]+|[a-z]+);",
        "headings": r"^\s*=+[^=\n]+=+\s*$",
        "list marks": r"^[*#:;]",
        "file options": r"\b(?:thumb|miniatura|miniaturadeimagen|thumbnail|\d+px)\b",
        "namespaces": r"(?:archivo|imagen|file|image|categoría|category):\S",
        "attributes": r"\b(?:style|class|align|valign|rowspan|colspan|bgcolor|width)\s*=",
        "magic words": r"__\w+__",
        "addresses": r"https?://",
    }.items()
}


# --- Pages -----------------------------------------------------------------------------------------------------------


def load_pages(paths: list[Path]) -> dict[str, str]:
    """Wikitext by title; redirects are left out."""
    pages: dict[str, str] = {}
    for path in paths:
        if path.suffix == ".json":
            for page in json.loads(path.read_text(encoding="utf-8"))["query"]["pages"]:
                pages[page["title"]] = page["revisions"][0]["slots"]["main"]["content"]
        elif path.suffix == ".wikitext":
            pages[path.stem.replace("_", " ")] = path.read_text(encoding="utf-8")
        else:
            pages |= {page["title"]: page["wikitext"] for page in read_pages(path)}
    return {title: text for title, text in pages.items() if not REDIRECT.match(text)}


def reference(paths: list[Path], output: Path) -> None:
    """Ask MediaWiki for the pages, with the templates of `reference_templates.toml` and with a marker for each."""
    pages = {title: FORMULA.sub("fórmula", text) for title, text in load_pages(paths).items()}
    used = wiki.templates_used(pages)
    missing = wiki.undefined(used)
    print(
        f"{len(pages)} pages; templates that the reference does not know, whose sentences are left out:",
        file=sys.stderr,
    )
    print(", ".join(f"{name} {count}" for name, count in missing.most_common()) or "none", file=sys.stderr)
    shown = dict.fromkeys(used, "") | dict.fromkeys(missing, MARKER) | wiki.template_texts()[0]
    with tempfile.TemporaryDirectory() as folder:
        plain = wiki.plain_texts(Path(folder) / "shown", pages, shown)
        marked = wiki.plain_texts(Path(folder) / "marked", pages, dict.fromkeys(shown, MARKER))
    entries = [
        {"title": title, "wikitext": text, "plain": plain[title], "marked": marked[title]}
        for title, text in pages.items()
    ]
    output.write_text(json.dumps(entries, ensure_ascii=False, indent=1), encoding="utf-8")


# --- Running the renderers -------------------------------------------------------------------------------------------


def run(name: str, pages: list[str], peers: Path | None, repeats: int = 1, limit: float | None = None) -> Any:
    """Texts and CPU seconds of a renderer for these pages, in its own process; None if it took longer than `limit`."""
    python = sys.executable if name == "minillm" else peers
    lines = "".join(json.dumps(page) + "\n" for page in pages)
    try:
        result = subprocess.run(
            [str(python), PEERS, name, str(repeats)],
            input=lines,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        return None
    if result.returncode:
        raise SystemExit(f"{name}: {result.stderr}")
    return [json.loads(line) for line in result.stdout.splitlines()]


def renderers(peers: Path | None) -> list[str]:
    return list(RENDERERS) if peers else ["minillm"]


def table(header: list[str], rows: list[list[str]]) -> None:
    print("| " + " | ".join(header) + " |\n|" + " --- |" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")


# --- Agreement with the reference ------------------------------------------------------------------------------------


def sentences(text: str) -> list[str]:
    """The sentences of a text, blanks normalised; a line end ends a sentence."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [sentence for line in lines if line for sentence in SENTENCE_END.split(line)]


def tokens(text: str) -> Counter[str]:
    return Counter(TOKEN.findall(text))


def numbers(counts: Counter[str]) -> Counter[str]:
    return Counter({token: n for token, n in counts.items() if any(c.isdigit() for c in token)})


@dataclass
class Agreement:
    """Counts over pages of what a renderer shows and what the reference shows, and of what is in both."""

    common: int = 0  # tokens; those below too
    wanted: int = 0
    common_for_precision: int = 0
    given: int = 0
    common_numbers: int = 0
    wanted_numbers: int = 0
    found_sentences: int = 0
    wanted_sentences: int = 0

    def add(self, text: str, wanted: list[str], others: list[str]) -> None:
        """Count a page: sentences to find in `text`, and those of the page that this count leaves out.

        Of the tokens of `text`, those that the other sentences explain are taken out before precision is counted.
        """
        given, expected = tokens(text), tokens("\n".join(wanted))
        self.common += (given & expected).total()
        self.wanted += expected.total()
        remaining = given - tokens("\n".join(others))
        self.common_for_precision += (remaining & expected).total()
        self.given += remaining.total()
        self.common_numbers += (numbers(given) & numbers(expected)).total()
        self.wanted_numbers += numbers(expected).total()
        line = " ".join(text.split())
        long = [sentence for sentence in wanted if len(sentence.split()) >= SHORTEST_SENTENCE]
        self.found_sentences += sum(sentence in line for sentence in long)
        self.wanted_sentences += len(long)

    def figures(self) -> list[float]:
        """Precision, recall and F of tokens, recall of sentences, recall of numbers."""
        precision = self.common_for_precision / max(self.given, 1)
        recall = self.common / max(self.wanted, 1)
        f = 2 * precision * recall / max(precision + recall, 1e-9)
        return [
            precision,
            recall,
            f,
            self.found_sentences / max(self.wanted_sentences, 1),
            self.common_numbers / max(self.wanted_numbers, 1),
        ]


def faults(text: str, plain: str, patterns: dict[str, re.Pattern[str]]) -> Counter[str]:
    """How often each pattern occurs in a text, less the times it occurs in the reference too."""
    given, expected = (Counter({name: len(p.findall(t)) for name, p in patterns.items()}) for t in (text, plain))
    return given - expected


@dataclass(frozen=True)
class Page:
    """A page of the reference with its sentences: without templates, with known ones, with unknown ones."""

    title: str
    wikitext: str
    plain: str
    free: list[str]
    templated: list[str]
    unknown: list[str]


def read_reference(path: Path) -> list[Page]:
    pages = []
    for entry in json.loads(path.read_text(encoding="utf-8")):
        page = Page(entry["title"], entry["wikitext"], normal(entry["plain"]), [], [], [])
        unmarked = set(sentences(normal(entry["marked"])))
        for sentence in sentences(page.plain):
            kind = page.unknown if MARKER in sentence else page.free if sentence in unmarked else page.templated
            kind.append(sentence)
        pages.append(page)
    return pages


def normal(text: str) -> str:
    """Superscripts as plain digits and the like: MediaWiki's plain text cannot show them."""
    return unicodedata.normalize("NFKC", text)


def compare(path: Path, peers: Path | None, worst: int) -> None:
    pages = read_reference(path)
    ours: list[tuple[float, Page, str]] = []  # F, page and our text
    rows = []
    for name in renderers(peers):
        free, every = Agreement(), Agreement()
        leftover, damage, characters = Counter[str](), Counter[str](), 0
        for page, result in zip(pages, run(name, [page.wikitext for page in pages], peers), strict=True):
            text = normal(result["text"])
            characters += len(text)
            free.add(text, page.free, page.templated + page.unknown)
            every.add(text, page.free + page.templated, page.unknown)
            leftover += faults(text, page.plain, LEFTOVER)
            damage += faults(text, page.plain, DAMAGE)
            if name == "minillm":
                alone = Agreement()
                alone.add(text, page.free + page.templated, page.unknown)
                ours.append((alone.figures()[2], page, text))
        shares = [f"{a:.3f} / {b:.3f}" for a, b in zip(free.figures(), every.figures(), strict=True)]
        rates = [f"{1e4 * n / characters:.2f}" for n in (leftover.total(), *(damage[kind] for kind in DAMAGE))]
        rows.append([name, *shares, *rates])
        print(f"{name}: {dict((leftover + damage).most_common())}", file=sys.stderr)
    print(f"{len(pages)} pages, {free.wanted_sentences} of {every.wanted_sentences} sentences without templates\n")
    table(["", "precision", "recall", "F", "sentences", "numbers", "leftover", "()", "holes"], rows)
    print("\nShares: of sentences without templates / of all. The last three: per 10,000 characters.")
    for f, page, text in sorted(ours, key=lambda item: item[0])[:worst]:
        if lines := differences(page.plain, text):
            print(f"\n## {page.title}: F {f:.3f}", *lines, sep="\n")


def differences(plain: str, ours: str) -> list[str]:
    """Lines that only the reference (-) or only our renderer (+) has."""
    one, other = ([" ".join(line.split()) for line in text.splitlines() if line.strip()] for text in (plain, ours))
    return [line for line in list(difflib.unified_diff(one, other, n=0, lineterm=""))[2:] if not line.startswith("@@")]


# --- Speed -----------------------------------------------------------------------------------------------------------


def speed(paths: list[Path], peers: Path | None, megabytes: float, repeats: int) -> None:
    """CPU time of one core; the median of several repeats over the same pages."""
    pages: list[str] = []
    size = 0.0
    for text in load_pages(paths).values():
        if size < megabytes:
            pages.append(text)
            size += len(text.encode()) / 1e6
    rows = []
    for name in renderers(peers):
        results = run(name, pages, peers, repeats)
        seconds = [sum(result["seconds"][i] for result in results) for i in range(repeats)]
        spread = f"{size / max(seconds):.2f}–{size / min(seconds):.2f}"
        rows.append([name, f"{size / statistics.median(seconds):.2f}", spread])
    print(f"{len(pages)} pages, {size:.2f} MB of wikitext\n")
    table(["", "MB/s, median", f"slowest–fastest of {repeats}"], rows)


HOSTILE_REPEATS = 16_000
HOSTILE = [
    "{{", "{{a|", "{{{", "{{{a|", "{{#if:", "}}", "[[", "[[a|", "[[Archivo:a|", "]]", "[", "[http://a ", "{{a|[[b|",
    "[[a|{{b|", "{|\n", "{|\n|-\n|a\n", "|}\n", "<ref>", "<ref name=a>a", "<", "<!--", "<nowiki>", "<math>", "''",
    "'''''a ",
]  # fmt: skip


def hostile(peers: Path | None, limit: float) -> None:
    """CPU time for pages that consist of one opener or closer, each in a process of its own."""
    rows = []
    for name in renderers(peers):
        rates = {}  # seconds per 100 KB; for a renderer that was stopped the least that it would have taken
        stopped = []
        for piece in HOSTILE:
            page = piece * HOSTILE_REPEATS
            results = run(name, [page], peers, limit=limit)
            rates[piece] = (results[0]["seconds"][0] if results else limit) / (len(page.encode()) / 1e5)
            if not results:
                stopped.append(piece)
        worst = max(rates, key=rates.__getitem__)
        sign = "> " if worst in stopped else ""
        left = ", ".join(map(_code, stopped)) or "none"
        rows.append([name, f"{sign}{rates[worst]:.2f}", _code(worst), left])
    print(f"{len(HOSTILE)} pages, each {HOSTILE_REPEATS:,} times the same piece\n")
    table(["", "worst, s per 100 KB", "of", f"stopped after {limit:.0f} s"], rows)


def _code(piece: str) -> str:
    """A piece of wikitext for a cell of a Markdown table."""
    return "`" + piece.replace("\n", "⏎").replace("|", "\\|") + "`"


# --- MediaWiki's own tests -------------------------------------------------------------------------------------------

CASE = re.compile(r"^!! ?test\n(.*?)^!! ?end", re.MULTILINE | re.DOTALL)
PART = re.compile(r"^!! ?([a-z][\w/*+]*)[ \t]*\n(.*?)(?=^!!|\Z)", re.MULTILINE | re.DOTALL)
WORD = re.compile(r"\w+")


class Prose(HTMLParser):
    """Text of HTML without what TextExtracts takes out: tables, boxes, files, galleries, references, edit links."""

    ELEMENTS = frozenset({"table", "div", "figure", "script", "style", "audio", "video"})
    CLASSES = frozenset({"mw-editsection", "reference", "references", "gallery", "error", "noprint", "noexcerpt"})
    BLOCKS = frozenset({"p", "br", "li", "dt", "dd", "pre", "blockquote", "hr", "h1", "h2", "h3", "h4", "h5", "h6"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.left_out: list[str] = []  # open elements within the one that is left out, it included
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        classes = (dict(attributes).get("class") or "").split()
        if tag in (self.left_out[:1] or self.ELEMENTS) or (not self.left_out and self.CLASSES.intersection(classes)):
            self.left_out.append(tag)
        if tag in self.BLOCKS:
            self.pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.left_out[:1]:
            self.left_out.pop()
        if tag in self.BLOCKS:
            self.pieces.append(" ")

    def handle_data(self, data: str) -> None:
        if not self.left_out:
            self.pieces.append(data)


def parser_tests(path: Path, peers: Path | None, verbose: bool) -> None:
    """Share of MediaWiki's cases, wikitext to HTML, in which exactly the words of the HTML come out, in their order.

    Left out: cases with options of the parser, with templates (they are defined elsewhere) and without words.
    """
    cases = []
    for case in CASE.findall(path.read_text(encoding="utf-8")):
        parts = dict(PART.findall(case))
        shown = next((parts[name] for name in ("html/php", "html", "html/*") if name in parts), "")
        words = WORD.findall(normal("".join(Prose(shown).pieces)))
        if words and "{{" not in parts.get("wikitext", "{{") and not parts.get("options", "").strip():
            cases.append((case.partition("\n")[0], parts["wikitext"], words))
    rows = []
    for name in renderers(peers):
        results = run(name, [wikitext for _, wikitext, _ in cases], peers)
        given = [WORD.findall(normal(result["text"])) for result in results]
        right = sum(words == expected for words, (_, _, expected) in zip(given, cases, strict=True))
        rows.append([name, f"{right / len(cases):.3f}"])
        if verbose and name == "minillm":
            for number, (words, (title, _, expected)) in enumerate(zip(given, cases, strict=True)):
                if words != expected:
                    print(f"{number} {title}\n- {' '.join(expected)}\n+ {' '.join(words)}")
    print(f"{len(cases)} cases\n")
    table(["", "words exactly right"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("reference", help="what a real MediaWiki shows of some pages")
    command.add_argument("pages", nargs="+", type=Path)
    command.add_argument("--output", required=True, type=Path)
    command = commands.add_parser("compare", help="agreement of the renderers with a reference")
    command.add_argument("reference", type=Path)
    command.add_argument("--worst", type=int, default=0, help="show the differences of so many pages")
    command.add_argument("--peers", type=Path, help="the Python of the peers' environment")
    command = commands.add_parser("speed", help="megabytes a second on one core")
    command.add_argument("pages", nargs="+", type=Path)
    command.add_argument("--peers", type=Path)
    command.add_argument("--megabytes", type=float, default=float("inf"), help="of wikitext, at most")
    command.add_argument("--repeats", type=int, default=5)
    command = commands.add_parser("hostile", help="seconds that broken pages take")
    command.add_argument("--peers", type=Path)
    command.add_argument("--limit", type=float, default=20.0, help="seconds after which a renderer is stopped")
    command = commands.add_parser("parsertests", help="MediaWiki's own tests, which are full of exotic syntax")
    command.add_argument("tests", type=Path, help="tests/parser/parserTests.txt of MediaWiki or Parsoid")
    command.add_argument("--peers", type=Path)
    command.add_argument("--verbose", action="store_true", help="show where our renderer differs")
    arguments = vars(parser.parse_args())
    name = arguments.pop("command")
    if name == "reference":
        reference(arguments["pages"], arguments["output"])
    elif name == "compare":
        compare(arguments["reference"], arguments["peers"], arguments["worst"])
    elif name == "speed":
        speed(arguments["pages"], arguments["peers"], arguments["megabytes"], arguments["repeats"])
    elif name == "parsertests":
        parser_tests(arguments["tests"], arguments["peers"], arguments["verbose"])
    else:
        hostile(arguments["peers"], arguments["limit"])


if __name__ == "__main__":
    main()
