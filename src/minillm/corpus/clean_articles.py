"""Turn raw pages into plain, normalised text, and say of each page what kind it is.

Nothing is dropped here: selection needs to see and count every page.
"""

from pathlib import Path
from typing import Any

import py3langid
import pyarrow.parquet as pq

from minillm.corpus import wikitext
from minillm.corpus.tables import CLEAN, IDENTITY, write_table
from minillm.stage import run_stage
from minillm.text import normalise

# Names of the template that marks a disambiguation page, in the Wikipedias this was tried on.
DISAMBIGUATION = {"desambiguación", "desambiguacion", "desambig", "des", "disambiguation", "disambig"}
LANGUAGE_SAMPLE = 3_000  # characters are enough to tell a language
# Only these are told apart: among all languages that the classifier knows, a text full of foreign names is taken for
# one of a small language.
LANGUAGES = ["ca", "de", "en", "es", "eu", "fr", "gl", "it", "nl", "pl", "pt", "ru", "sv"]


def clean_articles(raw: Path, language: str, output: Path) -> None:
    """Render every page of a raw shard; `language` chooses the wiki's namespaces and templates."""
    pages = pq.read_table(raw).to_pylist()
    py3langid.set_languages(sorted({*LANGUAGES, language}))
    write_table(output, (clean_page(page, language) for page in pages), CLEAN)


def clean_page(page: dict[str, Any], language: str) -> dict[str, Any]:
    """One row of `tables.CLEAN` from one row of `tables.RAW`."""
    row: dict[str, Any] = {name: page[name] for name, _ in IDENTITY}
    row |= {"kind": kind_of(page, language), "text": "", "language": "", "characters": 0, "words": 0}
    row |= {"sections": 0, "list_share": 0.0, "unrendered": []}
    if row["kind"] == "article":
        if page["content_model"] == "text":
            rendered, list_share = wikitext.Rendered(page["wikitext"], 0, ()), 0.0
        else:
            rendered = wikitext.render(page["wikitext"], language)
            list_share = wikitext.list_share(page["wikitext"], language)
        text = normalise(rendered.text)
        row |= {
            "text": text,
            "language": py3langid.classify(_without_names(text)[:LANGUAGE_SAMPLE])[0] if text else "",
            "characters": len(text),
            "words": len(text.split()),
            "sections": rendered.sections,
            "list_share": list_share,
            "unrendered": list(rendered.unrendered),
        }
    return row


def _without_names(text: str) -> str:
    """The words without a capital: a Spanish filmography of a French director is not French."""
    return " ".join(word for word in text.split() if not word[0].isupper()) or text


def kind_of(page: dict[str, Any], language: str) -> str:
    """Why a page is not an article, or `article`."""
    if page["namespace"] != 0:
        return "namespace"
    if page["content_model"] != "wikitext":
        return "article" if page["content_model"] == "text" else "content_model"
    if wikitext.redirect_target(page["wikitext"], language) is not None:
        return "redirect"
    if DISAMBIGUATION.intersection(wikitext.template_names(page["wikitext"])):
        return "disambiguation"
    return "article"


if __name__ == "__main__":
    run_stage(clean_articles)
