"""One renderer of wikitext by name: JSON strings in, one a line, and for each its plain text and CPU seconds out.

`wikitext.py` runs it, ours with the project's Python and the peers with that of another environment, made by

    python3.11 -m venv PEERS
    PEERS/bin/pip install mwparserfromhell==0.7.2 wikitextparser==3.0.0 wikiextractor==3.1.0 gensim==4.4.0

(wikitextparser, WikiExtractor and gensim have licences that do not suit the project's own environment).
"""

import json
import logging
import re
import sys
import time
from collections.abc import Callable

FILE_WORDS = ["Archivo", "Imagen", "Medio", "File", "Image", "Media"]
CATEGORY_WORDS = ["Categoría", "Category"]


def minillm() -> Callable[[str], str]:
    from minillm.corpus.language import load_language  # noqa: PLC0415
    from minillm.corpus.wikitext import render  # noqa: PLC0415

    language = load_language("es", dropped_sections=[])  # as the peers and the reference, which keep all sections
    return lambda wikitext: render(wikitext, language).text


def strip_code() -> Callable[[str], str]:
    import mwparserfromhell  # noqa: PLC0415

    return lambda wikitext: str(mwparserfromhell.parse(wikitext).strip_code())


def hugging_face() -> Callable[[str], str]:
    """As the script behind the data set `wikipedia` does: files, references and tables go, then `strip_code`."""
    import mwparserfromhell  # noqa: PLC0415

    file = re.compile(rf"(?:{'|'.join(FILE_WORDS)}):", re.IGNORECASE)
    category = re.compile(rf"^(?:{'|'.join(CATEGORY_WORDS)}):", re.IGNORECASE | re.MULTILINE)

    def render(wikitext: str) -> str:
        sections = []
        for section in mwparserfromhell.parse(wikitext).get_sections(flat=True, include_lead=True):
            unwanted = [link for link in section.ifilter_wikilinks() if file.match(str(link.title))]
            unwanted += [tag for tag in section.ifilter_tags() if str(tag.tag) in ("ref", "table")]
            for node in unwanted:
                try:
                    section.remove(node)
                except ValueError:  # it stood inside another one
                    continue
            text = re.sub("__[A-Z]+__", "", str(section.strip_code()))
            sections.append(category.sub("", text).strip())
        return "\n\n".join(sections)

    return render


def wikitextparser() -> Callable[[str], str]:
    from wikitextparser import remove_markup  # noqa: PLC0415

    return remove_markup


def wikiextractor() -> Callable[[str], str]:
    from wikiextractor.extract import Extractor  # noqa: PLC0415

    logging.disable()

    def render(wikitext: str) -> str:
        page = Extractor(1, 1, "", "", [])
        return "\n".join(page.clean_text(wikitext, expand_templates=False, html_safe=False))

    return render


def gensim() -> Callable[[str], str]:
    from gensim.corpora.wikicorpus import filter_wiki  # noqa: PLC0415

    return filter_wiki


RENDERERS = {f.__name__: f for f in (minillm, strip_code, hugging_face, wikitextparser, wikiextractor, gensim)}


def main() -> None:
    """Called with a renderer's name and how often each page is rendered."""
    render = RENDERERS[sys.argv[1]]()
    pages = [json.loads(line) for line in sys.stdin]
    seconds: list[list[float]] = [[] for _ in pages]
    for _ in range(int(sys.argv[2])):
        texts = []
        for page, times in zip(pages, seconds, strict=True):
            start = time.process_time()
            texts.append(render(page))
            times.append(time.process_time() - start)
    for text, times in zip(texts, seconds, strict=True):
        print(json.dumps({"text": text, "seconds": times}))


if __name__ == "__main__":
    main()
