"""Download articles from a wiki into shards of raw pages, and write down which revisions they are.

What to fetch is listed first, which costs a wiki little; texts follow, fifty a request, until as many articles as
wanted pass the filters of cleaning and selection. `corpus.lock.csv` names every revision: given as `lock`, it fetches
exactly these again, from this or another wiki.
"""

import csv
import hashlib
import io
import itertools
import logging
import re
import sys
import time
import unicodedata
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from minillm.corpus.attribution import article_url, history_url
from minillm.corpus.clean_articles import clean_page, language_identifier
from minillm.corpus.config import Fetch, Selection
from minillm.corpus.language import load_language
from minillm.corpus.select_articles import find_copies, rejection
from minillm.corpus.tables import RAW, write_shards
from minillm.corpus.wiki_api import WikiApi, batches, say
from minillm.files import read_utf8, write_csv, write_json
from minillm.stage import run_stage

_log = logging.getLogger(__name__)

LOCK = ["page_id", "rev_id", "title", "sha1", "timestamp", "retrieved", "licence"]
MANY = 10_000  # articles from which on a dump is quicker, and kinder to the wiki
DRAW = 500  # random pages in a request, as many as a wiki gives
IDLE_DRAWS = 5  # draws in a row without a new page after which a wiki has no more
SHOWN = 20  # names in a line on the screen


def download_articles(
    wiki: str,
    fetch: Fetch,
    language: str,
    selection: Selection,
    licence: str,
    cache: Path,
    output: list[Path],
    corpus_lock: Path,
    siteinfo: Path,
    contact: str = "",
    dropped_sections: list[str] | None = None,
) -> None:
    """Write the pages that were fetched, sorted by page id, the lock that names them, and what the wiki says of itself.

    `wiki` is the address of the folder of api.php; `contact` leads to who runs this, and only a wiki on this machine is
    asked without. Answers are kept in `cache`, and what is there is not asked for again. Pages that the filters drop
    are written too, so that selection counts them. Raises ValueError if the wiki refuses, does not answer, has nothing
    to fetch, or no longer has a revision of a lock.
    """
    if fetch.articles >= MANY:
        _log.warning("%d articles: from a dump they come quicker, and it disturbs the wiki less", fetch.articles)
    api = WikiApi(wiki, contact, cache)
    description, index = _describe(api)
    if fetch.lock is not None:
        rows = _locked(api, Path(fetch.lock))
    elif fetch.titles is not None:
        rows = _titled(api, Path(fetch.titles))
    else:
        names = load_language(language, description, dropped_sections=dropped_sections)
        identify = language_identifier(language)

        def clean(row: dict[str, Any]) -> dict[str, Any]:
            return clean_page({**row, "url": "", "history_url": "", "licence": ""}, names, identify)

        ids: Iterable[int] = _random_ids(api)
        source = api.address
        if fetch.category is not None:
            source = _with_prefix(fetch.category, description["namespaces"]["14"])
            ids = _category_ids(api, source, fetch.depth)
        rows = _until_enough(api, ids, source, fetch.articles, clean, language, selection)
    rows.sort(key=lambda row: row["page_id"])
    for row in rows:
        row["url"] = article_url(index, row["title"], row["rev_id"])
        row["history_url"] = history_url(index, row["title"])
        row["licence"] = licence
    write_csv(corpus_lock, LOCK, ({name: row[name] for name in LOCK} for row in rows))
    write_json(siteinfo, description)
    write_shards(output, ({name: row[name] for name in RAW.names} for row in rows))
    _log.info("%s: %d pages, %d requests", wiki, len(rows), api.requests)


def _describe(api: WikiApi) -> tuple[dict[str, Any], str]:
    """What cleaning must know of a wiki, and the address of its index.php."""
    properties = "general|namespaces|namespacealiases|magicwords|interwikimap"
    site = api.ask({"meta": "siteinfo", "siprop": properties}).data["query"]
    names = {number: {space["name"], space.get("canonical", "")} for number, space in site["namespaces"].items()}
    for entry in site["namespacealiases"]:
        names[str(entry["id"])].add(entry["alias"])
    aliases = {word["name"]: word["aliases"] for word in site["magicwords"]}
    switches = [word[2:-2] for words in aliases.values() for word in words if re.fullmatch("__.+__", word)]
    description = {
        "language": site["general"]["lang"],
        "namespaces": {number: sorted(known - {""}) for number, known in names.items() if known != {""}},
        "redirects": sorted(word.lstrip("#") for word in aliases["redirect"]),
        "magic_words": sorted(switches),
        "interlanguage": sorted(entry["prefix"] for entry in site["interwikimap"] if "language" in entry),
    }
    return description, urllib.parse.urljoin(api.address, site["general"]["server"] + site["general"]["script"])


def _random_ids(api: WikiApi) -> Iterator[int]:
    """Page ids of articles, drawn by the wiki, until its draws bring nothing new."""
    parameters = {"list": "random", "rnnamespace": "0", "rnfilterredir": "nonredirects", "rnlimit": str(DRAW)}
    seen: set[int] = set()
    idle = 0
    for draw in itertools.count(1):
        drawn = {page["id"]: None for page in api.ask(parameters, draw).data["query"]["random"]}
        new = [page_id for page_id in drawn if page_id not in seen]
        yield from new
        seen.update(new)
        idle = 0 if new else idle + 1
        if idle == IDLE_DRAWS:
            return


def _category_ids(api: WikiApi, category: str, depth: int) -> list[int]:
    """Page ids of the articles of a category and its subcategories, in an order that has nothing to do with titles."""
    seen, level = {category}, [category]
    ids: set[int] = set()
    for below in range(depth, -1, -1):
        parameters = {"list": "categorymembers", "cmtype": "page|subcat" if below else "page", "cmlimit": "500"}
        level_below = []
        for title in level:
            for answer in api.rounds({**parameters, "cmtitle": title}):
                for member in answer.data["query"]["categorymembers"]:
                    if member["ns"] == 0:
                        ids.add(member["pageid"])
                    elif member["ns"] == 14 and member["title"] not in seen:
                        seen.add(member["title"])
                        level_below.append(member["title"])
        level = level_below
    if not ids:
        raise ValueError(f"«{category}» of {api.address} has no articles: is its name right?")
    return sorted(ids, key=lambda page_id: hashlib.sha256(str(page_id).encode()).digest())


def _with_prefix(category: str, prefixes: list[str]) -> str:
    prefix, colon, _ = category.partition(":")
    has_one = colon and prefix.strip().lower() in [known.lower() for known in prefixes]
    return category if has_one else f"Category:{category}"


def _until_enough(
    api: WikiApi,
    ids: Iterable[int],
    source: str,
    wanted: int,
    clean: Callable[[dict[str, Any]], dict[str, Any]],
    language: str,
    selection: Selection,
) -> list[dict[str, Any]]:
    """Fetch pages until `wanted` of them will be selected, or say why there are fewer."""
    rows: list[dict[str, Any]] = []
    passing: dict[int, str] = {}
    dropped: Counter[str] = Counter()
    needed = wanted  # copies come on top
    progress = _Progress(api, wanted)
    for batch in batches(map(str, ids)):
        texts = api.texts("pageids", batch)
        dropped.update(texts.without.values())
        for row in texts.rows:
            rows.append(row)
            page = clean(row)
            if reason := rejection(page, language, selection):
                dropped[reason] += 1
                continue
            passing[row["page_id"]] = page["text"]
            if len(passing) == needed:
                lacking = wanted - len(passing) + len(find_copies(passing, selection)[0])
                if lacking <= 0:
                    progress.show(wanted)
                    return rows
                needed += lacking
        progress.show(len(passing))
    copies, _ = find_copies(passing, selection)
    dropped.update(copies.values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items())) or "none"
    say(
        f"{len(passing) - len(copies)} articles instead of {wanted}: {source} has no more (fetched: {len(rows)} pages; "
        f"dropped: {reasons})"
    )
    return rows


def _titled(api: WikiApi, path: Path) -> list[dict[str, Any]]:
    """The pages that a file of titles names; what is not there is told."""
    lines = [unicodedata.normalize("NFC", line).strip() for line in read_utf8(path).splitlines()]
    titles = list(dict.fromkeys(line for line in lines if line))
    without = {title: "invalid" for title in titles if "|" in title}  # which would separate two titles
    rows: dict[int, dict[str, Any]] = {}
    progress = _Progress(api, len(titles))
    for batch in batches(title for title in titles if title not in without):
        texts = api.texts("titles", batch)
        rows |= {row["page_id"]: row for row in texts.rows}
        without |= texts.without
        progress.show(len(rows))
    if not rows:
        raise ValueError(f"{path}: {api.address} has none of its {len(titles)} titles")
    if without:
        say(f"{path}: not on {api.address}, and left out: {_listed(f'«{t}» ({why})' for t, why in without.items())}")
    return list(rows.values())


def _locked(api: WikiApi, path: Path) -> list[dict[str, Any]]:
    """The revisions of a lock, under the titles and page ids that it gives them."""
    lock = _read_lock(path)
    rows: list[dict[str, Any]] = []
    without: dict[str, str] = {}
    progress = _Progress(api, len(lock))
    for batch in batches(lock):
        texts = api.texts("revids", batch)
        without |= texts.without
        for row in texts.rows:
            entry = lock[str(row["rev_id"])]
            if row["sha1"] == entry["sha1"]:
                rows.append({**row, "page_id": int(entry["page_id"]), "title": entry["title"]})
            else:
                without[str(row["rev_id"])] = "another text"
        progress.show(len(rows))
    if without:
        names = _listed(f"{rev_id} «{lock[rev_id]['title']}» ({why})" for rev_id, why in without.items())
        raise ValueError(
            f"{path}: {len(without)} of {len(lock)} revisions are not on {api.address}: {names}; remove their lines to "
            "go on without them"
        )
    return rows


def _read_lock(path: Path) -> dict[str, dict[str, str]]:
    """The lines of a lock by revision id."""
    lock: dict[str, dict[str, str]] = {}
    pages = set()
    reader = csv.DictReader(io.StringIO(read_utf8(path), newline=""), restval="")
    if missing := {"page_id", "rev_id", "title", "sha1"}.difference(reader.fieldnames or []):
        raise ValueError(f"{path} is no corpus.lock.csv: it has no column {', '.join(sorted(missing))}")
    for entry in reader:
        page_id, rev_id = entry["page_id"].lstrip("0"), entry["rev_id"].lstrip("0")
        if not (page_id.isdecimal() and rev_id.isdecimal() and entry["title"] and entry["sha1"]):
            raise ValueError(f"{path}, line {reader.line_num}: its ids are no numbers, or title or sha1 is missing")
        if rev_id in lock or page_id in pages:
            raise ValueError(f"{path}, line {reader.line_num}: an earlier line has this page or revision; remove one")
        lock[rev_id] = entry
        pages.add(page_id)
    if not lock:
        raise ValueError(f"{path} names no revision")
    return lock


def _listed(names: Iterable[str]) -> str:
    """Names for one line on the screen; if they are many, the log has them all."""
    every = list(names)
    if len(every) <= SHOWN:
        return ", ".join(every)
    _log.warning("%s", ", ".join(every))
    return f"{', '.join(every[:SHOWN])} and {len(every) - SHOWN} more (the log names them)"


class _Progress:
    """A bar with articles, requests and time left where the screen is a terminal, and the same in the log."""

    def __init__(self, api: WikiApi, total: int) -> None:
        self.api = api
        self.bar = tqdm(total=total, unit="article", ncols=100, file=sys.stdout, disable=not sys.stdout.isatty())
        self.start = time.monotonic()

    def show(self, articles: int) -> None:
        requests = f"{self.api.requests} requests"
        self.bar.n = articles
        self.bar.set_postfix_str(requests)
        elapsed = time.monotonic() - self.start
        _log.info(
            tqdm.format_meter(
                articles, self.bar.total, elapsed, unit="article", ncols=100, ascii=True, postfix=requests
            )
        )


if __name__ == "__main__":
    run_stage(download_articles)
