"""Choose the articles that models will see and split them into train, validation and test.

Every page that is left out is counted under the first reason that applies. Copies are dropped. Of articles that a
program made, which differ in numbers and names only (asteroids, municipalities), as many stay as the settings say.
Articles that resemble each other stay in one cluster, which goes to one split as a whole: otherwise the test split
would measure how well a model remembers the train split.
"""

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from datasketch import MinHash, MinHashLSH

from minillm.corpus.config import Selection
from minillm.corpus.tables import ARTICLES, SPLITS, write_table
from minillm.files import write_json
from minillm.stage import run_stage

SHINGLE = 5  # words; the usual size for near-duplicates of articles
PERMUTATIONS = 128
SKELETON = 3  # sentences whose frame tells the articles that a program made
SKELETON_CHARACTERS = 250
EXAMPLES = 20  # pages listed for each reason


def select_articles(clean: list[Path], language: str, selection: Selection, output: Path, report: Path) -> None:
    """Write the chosen articles, sorted by page id, and a report of what was dropped and why.

    Raises ValueError if no article is left or there are fewer clusters of articles than splits.
    """
    pages = sorted(
        itertools.chain.from_iterable(pq.read_table(path).to_pylist() for path in clean),
        key=lambda page: page["page_id"],
    )
    reasons = {page["page_id"]: reason for page in pages if (reason := rejection(page, language, selection))}
    candidates = [page for page in pages if page["page_id"] not in reasons]
    copies, clusters = find_copies({page["page_id"]: page["text"] for page in candidates}, selection)
    reasons |= copies
    kept = [page for page in candidates if page["page_id"] not in reasons]
    dropped = Counter(reasons.values())
    splits = split_clusters([clusters[page["page_id"]] for page in kept], selection, dropped)
    for page in kept:
        page["cluster"] = clusters[page["page_id"]]
        page["split"] = splits[page["cluster"]]
    write_table(output, ({name: page[name] for name in ARTICLES.names} for page in kept), ARTICLES)
    write_json(
        report,
        {
            "pages": len(pages),
            "kept": len(kept),
            "dropped": dict(dropped),
            "splits": {split: _totals([page for page in kept if page["split"] == split]) for split in SPLITS},
            "holed_sentences": sum(page["holed"] for page in kept),
            "unrendered_templates": dict(Counter(name for page in kept for name in page["unrendered"]).most_common(30)),
            "examples": {reason: _examples(pages, reasons, reason) for reason in dropped},
        },
    )


def _examples(pages: list[dict[str, Any]], reasons: Mapping[int, str], reason: str) -> list[dict[str, Any]]:
    found = (page for page in pages if reasons.get(page["page_id"]) == reason)
    return [{"page_id": page["page_id"], "title": page["title"]} for page in itertools.islice(found, EXAMPLES)]


def _totals(pages: list[dict[str, Any]]) -> dict[str, int]:
    return {
        "articles": len(pages),
        "words": sum(page["words"] for page in pages),
        "characters": sum(page["characters"] for page in pages),
        "bytes": sum(len(page["text"].encode()) for page in pages),
    }


def rejection(page: Mapping[str, Any], language: str, selection: Selection) -> str | None:
    """The first reason to leave a page out for what it is, or None."""
    if page["kind"] != "article":
        return str(page["kind"])
    faults = {
        "short": page["characters"] < selection.min_characters,
        "language": page["language"] != language,
        "list": page["list_share"] > selection.max_list_share,
        "markup": page["leftovers"] > 0,
        "no_prose": not any(line.endswith(_FULL_STOPS) for line in page["text"].split("\n")),
    }
    return next((reason for reason, applies in faults.items() if applies), None)


_FULL_STOPS = (".", "。", "।", "։", "۔", "።", "။", "។")  # of scripts that have their own


def find_copies(texts: Mapping[int, str], selection: Selection) -> tuple[dict[int, str], dict[int, int]]:
    """Copies among articles, and the cluster of each article.

    Takes and returns page ids. Candidates come from MinHash with locality-sensitive hashing (Leskovec, Rajaraman,
    Ullman: Mining of Massive Datasets, ch. 3) and are verified with the exact similarity. Articles of one
    skeleton are one cluster, and over the cap are dropped. Returns the reason by page id (`exact_duplicate`,
    `near_duplicate` or `skeleton`) and the cluster id (its smallest page id) by page id.
    """
    parent = {page_id: page_id for page_id in texts}

    def root(page_id: int) -> int:
        while parent[page_id] != page_id:
            parent[page_id] = page_id = parent[parent[page_id]]
        return page_id

    copies: dict[int, str] = {}
    first_with: dict[str, int] = {}
    skeletons: dict[str, list[int]] = {}
    shingles: dict[int, frozenset[bytes]] = {}
    # At its own threshold the index misses half of the pairs: ask for more and verify each.
    index = MinHashLSH(threshold=selection.cluster_similarity / 2, num_perm=PERMUTATIONS)
    for page_id, text in sorted(texts.items()):
        twin = first_with.setdefault(hashlib.sha1(text.encode()).hexdigest(), page_id)
        if twin != page_id:
            copies[page_id] = "exact_duplicate"
            parent[page_id] = twin
            continue
        shingles[page_id] = frozenset(_shingles(text))
        sketch = MinHash(num_perm=PERMUTATIONS, seed=1)
        sketch.update_batch(sorted(shingles[page_id]))
        for other in sorted(index.query(sketch)):
            similarity = jaccard(shingles[page_id], shingles[other])
            if similarity >= selection.cluster_similarity:
                low, high = sorted((root(page_id), root(other)))
                parent[high] = low
            if similarity >= selection.copy_similarity and other not in copies:
                copies[page_id] = "near_duplicate"
        index.insert(page_id, sketch)
        if page_id not in copies:
            skeletons.setdefault(skeleton(text), []).append(page_id)
    for members in skeletons.values():
        for page_id in members[1:]:
            low, high = sorted((root(members[0]), root(page_id)))
            parent[high] = low
        members.sort(key=lambda page_id: hashlib.sha256(f"{selection.seed}:{page_id}".encode()).digest())
        copies |= dict.fromkeys(members[selection.skeleton_cap :], "skeleton")
    return copies, {page_id: root(page_id) for page_id in texts}


def skeleton(text: str) -> str:
    """The beginning of a text without what a program fills in: numbers, and words with a capital.

    Its first sentences, as many as `SKELETON` says, and enough of them for an abbreviation not to matter. Neighbouring
    names count as one.
    """
    ends = (match.end() for match in _SENTENCE_END.finditer(text))
    end = next(
        (end for count, end in enumerate(ends, 1) if count >= SKELETON and end >= SKELETON_CHARACTERS), len(text)
    )
    frame: list[str] = []
    for word in text[:end].split():
        mask = "0" if any(map(str.isdigit, word)) else "A" if word[0].isupper() else word
        if frame[-1:] != [mask] or mask not in "0A":
            frame.append(mask)
    return " ".join(frame)


_SENTENCE_END = re.compile(r"[.!?](?=\s)|[。।։۔።။]")


def _shingles(text: str) -> Iterator[bytes]:
    words = text.lower().split()
    for start in range(max(1, len(words) - SHINGLE + 1)):
        yield " ".join(words[start : start + SHINGLE]).encode()


def jaccard(a: frozenset[bytes], b: frozenset[bytes]) -> float:
    """Size of the intersection over size of the union."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def split_clusters(clusters: Iterable[int], selection: Selection, dropped: Mapping[str, int]) -> dict[int, str]:
    """The split of each cluster: ranked by a hash of id and seed, cut cumulatively by number of articles.

    `clusters` holds one cluster id an article. Cutting a ranking instead of thresholding the hash keeps the shares
    exact for small corpora, and every split gets at least one cluster.
    """
    sizes = Counter(clusters)
    if len(sizes) < len(SPLITS):
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items())) or "nothing"
        raise ValueError(
            f"only {len(sizes)} distinct articles are left after filtering (dropped: {why}), and {len(SPLITS)} splits "
            "need at least one each: give more articles, or lower select.min_characters in the config"
        )
    ranked = sorted(sizes, key=lambda cluster: hashlib.sha256(f"{selection.seed}:{cluster}".encode()).digest())
    total = sum(sizes.values())
    splits: dict[int, str] = {}
    done, position, boundary = 0, 0, 0.0
    for number, split in enumerate(SPLITS):
        boundary += selection.shares[split] * total
        later = len(SPLITS) - number - 1  # splits that still need a cluster
        first = position
        while position < len(ranked) - later and (
            position == first or not later or done + sizes[ranked[position]] / 2 <= boundary
        ):
            splits[ranked[position]] = split
            done += sizes[ranked[position]]
            position += 1
    return splits


if __name__ == "__main__":
    run_stage(select_articles)
