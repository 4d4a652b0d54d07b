"""Turn raw pages into plain, normalised text, and say of each page what kind it is.

Nothing is dropped here: selection needs to see and count every page.
"""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from minillm.corpus import wikitext
from minillm.corpus.language import Language, load_language
from minillm.corpus.tables import CLEAN, IDENTITY, write_table
from minillm.corpus.templates import Page
from minillm.files import read_json
from minillm.stage import run_stage
from minillm.text import normalise

_log = logging.getLogger(__name__)

LANGUAGE_SAMPLE = 3_000  # characters are enough to tell a language
# Only these are told apart: among all languages that the classifier knows, a text full of foreign names is taken for
# one of a small language.
LANGUAGES = ["ca", "de", "en", "es", "eu", "fr", "gl", "it", "nl", "pl", "pt", "ru", "sv"]


def clean_articles(
    raw: Path, siteinfo: list[Path], language: str, output: Path, dropped_sections: list[str] | None = None
) -> None:
    """Render every page of a raw shard.

    `language` chooses the data of the wiki's language, `siteinfo` is what the wiki says of itself (one file, or none
    for texts that are on no wiki), `dropped_sections` replaces the language's list of sections that are left out.
    """
    wiki = load_language(language, read_json(siteinfo[0]) if siteinfo else None, dropped_sections)
    identify = language_identifier(language)
    pages = pq.read_table(raw).to_pylist()
    write_table(output, (clean_page(page, wiki, identify) for page in pages), CLEAN)


def language_identifier(language: str) -> Callable[[str], str]:
    """A function that tells whether a text is in this language or one of `LANGUAGES`, as an ISO 639-1 code.

    Where the classifier does not know the language, every text counts as being in it.
    """
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    if language not in identifier.nb_classes:
        _log.warning("the language of texts is not checked: the classifier does not know %r", language)
        return lambda text: language
    identifier.set_languages(sorted({*LANGUAGES, language}))
    return lambda text: str(identifier.classify(text)[0])


def clean_page(page: dict[str, Any], wiki: Language, identify: Callable[[str], str]) -> dict[str, Any]:
    """One row of `tables.CLEAN` from one row of `tables.RAW`."""
    row: dict[str, Any] = {name: page[name] for name, _ in IDENTITY}
    kind = kind_of(page, wiki)
    rendered = wikitext.Rendered()
    if kind == "article" and page["content_model"] == "text":
        rendered = wikitext.Rendered(page["wikitext"])
    elif kind == "article":
        rendered = wikitext.render(page["wikitext"], wiki, Page(page["title"], page["timestamp"]))
    text = normalise(rendered.text)
    return row | {
        "kind": kind,
        "text": text,
        "language": identify(_without_names(text)[:LANGUAGE_SAMPLE]) if text else "",
        "characters": len(text),
        "words": len(text.split()),
        "sections": rendered.sections,
        "list_share": rendered.list_share,
        "leftovers": len(_LEFTOVERS.findall(text)) if page["content_model"] == "wikitext" else 0,
        "unrendered": list(rendered.unrendered),
        "holed": rendered.holed,
    }


_LEFTOVERS = re.compile(r"\{\{|\}\}|\[\[|\]\]|^(?:\{\||\|\})|</?ref\b|<!--", re.MULTILINE)


def _without_names(text: str) -> str:
    """The words without a capital: a Spanish filmography of a French director is not French."""
    return " ".join(word for word in text.split() if not word[0].isupper()) or text


def kind_of(page: dict[str, Any], wiki: Language) -> str:
    """Why a page is not an article, or `article`."""
    if page["namespace"] != 0:
        return "namespace"
    if page["content_model"] != "wikitext":
        return "article" if page["content_model"] == "text" else "content_model"
    if wikitext.redirect_target(page["wikitext"], wiki) is not None:
        return "redirect"
    if wiki.disambiguation.intersection(wikitext.template_names(page["wikitext"], wiki)):
        return "disambiguation"
    return "article"


if __name__ == "__main__":
    run_stage(clean_articles)
