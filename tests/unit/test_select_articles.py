"""Choosing and splitting articles: reasons, copies with similarities counted by hand, and the laws of a split."""

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minillm.corpus.config import Selection
from minillm.corpus.select_articles import (
    find_copies,
    jaccard,
    rejection,
    select_articles,
    skeleton,
    split_clusters,
)
from minillm.corpus.tables import ARTICLES, CLEAN, SPLITS

DEFAULT = Selection()


def clean(page_id: int, text: str, **changes: Any) -> dict[str, Any]:
    return {
        "page_id": page_id,
        "rev_id": page_id * 10,
        "title": f"Página {page_id}",
        "timestamp": "2020-01-01T00:00:00Z",
        "sha1": "0" * 40,
        "url": "",
        "history_url": "",
        "licence": "CC0",
        "kind": "article",
        "text": text,
        "language": "es",
        "characters": len(text),
        "words": len(text.split()),
        "sections": 0,
        "list_share": 0.0,
        "leftovers": 0,
        "unrendered": [],
        "holed": 0,
        **changes,
    }


# Reasons


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"kind": "redirect"}, "redirect"),
        ({"kind": "disambiguation", "characters": 0, "language": ""}, "disambiguation"),
        ({"characters": 500}, None),
        ({"characters": 499}, "short"),
        ({"characters": 499, "language": "en"}, "short"),
        ({"language": "ca"}, "language"),
        ({"language": "ca", "list_share": 1.0}, "language"),
        ({"list_share": 0.6}, None),
        ({"list_share": 0.61}, "list"),
        ({"list_share": 0.61, "text": "Sin punto"}, "list"),
        ({"leftovers": 1, "text": "Sin punto"}, "markup"),
        ({"text": "水は液体である。"}, None),
        ({"text": "Sin punto\n\nTampoco aquí"}, "no_prose"),
        ({"text": "Punto. En medio"}, "no_prose"),
        ({"text": "Título\n\nUna frase.\n\nOtro título"}, None),
    ],
)
def test_the_first_reason_that_applies(changes: dict[str, Any], reason: str | None) -> None:
    page = {**clean(1, "Una frase."), "characters": 900, **changes}
    assert rejection(page, "es", DEFAULT) == reason


# Copies. A text of n different words has n - 4 shingles of five words.


def words(name: str, start: int, stop: int) -> str:
    """Different words without digits, which would make one skeleton of all texts."""
    letters = str.maketrans("0123456789", "abcdefghij")
    return " ".join(f"{name}{number}".translate(letters) for number in range(start, stop))


def pair(shared: int, name: str = "p") -> tuple[str, str]:
    """Two texts of 100 shingles each, `shared` of them in both: their similarity is shared / (200 - shared)."""
    head = words(name, 0, shared + 4)
    return f"{head} {words(name + 'a', shared, 100)}", f"{head} {words(name + 'b', shared, 100)}"


@pytest.mark.parametrize(
    ("shared", "copies", "cluster"),
    [
        (100, {2: "exact_duplicate"}, 1),
        (89, {2: "near_duplicate"}, 1),  # 89 / 111 = 0.802
        (88, {}, 1),  # 88 / 112 = 0.786
        (80, {}, 1),
        (57, {}, 2),  # 57 / 143 = 0.399
        (0, {}, 2),
    ],
)
def test_copies_and_clusters_of_two(shared: int, copies: dict[int, str], cluster: int) -> None:
    first, second = pair(shared)
    assert find_copies({1: first, 2: second}, DEFAULT) == (copies, {1: 1, 2: cluster})


def test_similarities_are_reached_not_passed() -> None:
    """60 of 90 shingles each: 60 / 120 is 0.5, exactly."""
    head = words("p", 0, 64)
    texts = {1: f"{head} {words('a', 0, 30)}", 2: f"{head} {words('b', 0, 30)}"}
    assert find_copies(texts, Selection(copy_similarity=0.5, cluster_similarity=0.2))[0] == {2: "near_duplicate"}
    assert find_copies(texts, Selection(copy_similarity=0.501, cluster_similarity=0.2))[0] == {}


def test_case_and_spaces_do_not_hide_a_copy() -> None:
    text = words("p", 0, 50)
    assert find_copies({4: text.upper(), 2: text.replace(" ", "\n")}, DEFAULT) == ({4: "near_duplicate"}, {2: 2, 4: 2})


def test_texts_shorter_than_a_shingle() -> None:
    assert find_copies({1: "uno dos", 2: "Uno dos", 3: "tres"}, DEFAULT) == ({2: "near_duplicate"}, {1: 1, 2: 1, 3: 3})


def test_a_bridge_joins_clusters_under_the_smallest_id() -> None:
    """9 holds 3 and 5 whole: 100 of 204 shingles are those of each, and 3 and 5 have none in common."""
    texts = {3: words("a", 0, 104), 5: words("b", 0, 104), 9: f"{words('a', 0, 104)} {words('b', 0, 104)}"}
    assert find_copies(texts, Selection(cluster_similarity=0.3))[1] == {3: 3, 5: 3, 9: 3}
    assert find_copies({3: texts[3], 5: texts[5]}, Selection(cluster_similarity=0.3))[1] == {3: 3, 5: 5}


def test_what_resembles_only_a_dropped_copy_stays() -> None:
    """Each is the one before moved by 30 words: 70 / 130 = 0.54 with its neighbour, 40 / 160 = 0.25 with the next."""
    texts = {number: words("w", 30 * number, 30 * number + 104) for number in range(3)}
    copies, clusters = find_copies(texts, Selection(copy_similarity=0.5, cluster_similarity=0.2))
    assert copies == {1: "near_duplicate"}
    assert clusters == {0: 0, 1: 0, 2: 0}


def test_no_pair_above_the_similarity_is_missed() -> None:
    """60 / 140 = 0.43, above the 0.4 from which two articles go to the same split."""
    texts = dict(enumerate(text for number in range(40) for text in pair(60, f"p{number}x")))
    _, clusters = find_copies(texts, DEFAULT)
    assert [number for number in range(0, 80, 2) if clusters[number + 1] != number] == []


few_words = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12).map(" ".join)


@settings(max_examples=40, deadline=None)
@example({1: "a a a b a a a a a", 2: "a a b a a a a a a a a", 3: "a a b a a a a a a a a"}, Random(1))
@given(st.dictionaries(st.integers(1, 99), few_words, max_size=8), st.randoms(use_true_random=False))
def test_copies_do_not_depend_on_order_and_are_truly_similar(texts: dict[int, str], random: Any) -> None:
    copies, clusters = find_copies(texts, DEFAULT)
    shuffled = random.sample(list(texts.items()), len(texts))
    assert find_copies(dict(shuffled), DEFAULT) == (copies, clusters)
    assert set(clusters) == set(texts)
    assert all(cluster <= page_id and clusters[cluster] == cluster for page_id, cluster in clusters.items())

    def similarity(a: int, b: int) -> float:
        both = [
            {tuple(text[start : start + 5]) for start in range(max(1, len(text) - 4))}
            for text in (texts[a].split(), texts[b].split())
        ]
        return len(both[0] & both[1]) / len(both[0] | both[1])

    for page_id, reason in copies.items():
        kept = [other for other in texts if other < page_id and other not in copies]
        assert max(similarity(page_id, other) for other in kept) >= 0.8
        if reason == "exact_duplicate":  # of one that may be a copy itself
            assert texts[page_id] in [text for other, text in texts.items() if other < page_id]
    for page_id, cluster in clusters.items():  # the neighbours of neighbours include the cluster's first
        reached = {page_id}
        while more := {b for b in texts if b not in reached and any(similarity(a, b) >= 0.4 for a in reached)}:
            reached |= more
        assert cluster in reached


def test_jaccard() -> None:
    a, b = frozenset({b"1", b"2", b"3"}), frozenset({b"2", b"3", b"4", b"5"})
    assert jaccard(a, b) == jaccard(b, a) == 2 / 5
    assert jaccard(a, a) == 1
    assert jaccard(a, frozenset({b"9"})) == 0


# Splits


def counts(clusters: list[int], splits: dict[int, str]) -> dict[str, int]:
    """Articles of each split."""
    return dict(Counter(splits[cluster] for cluster in clusters))


sizes = st.lists(st.integers(1, 4), min_size=30, max_size=80)


@given(sizes, st.integers(0, 5), st.randoms(use_true_random=False))
def test_shares_lie_within_one_cluster_of_the_target(sizes: list[int], seed: int, random: Any) -> None:
    clusters = [7 * number for number, size in enumerate(sizes) for _ in range(size)]
    splits = split_clusters(clusters, Selection(seed=seed), {})
    assert set(splits) == set(clusters)  # every cluster, each in one split
    found = counts(clusters, splits)
    for split, share in DEFAULT.shares.items():
        assert abs(found[split] - share * len(clusters)) <= max(sizes)
    assert split_clusters(random.sample(clusters, len(clusters)), Selection(seed=seed), {}) == splits


@given(
    st.lists(st.integers(0, 50), min_size=3).filter(lambda clusters: len(set(clusters)) >= 3),
    st.sampled_from([(0.7, 0.15, 0.15), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1 / 3, 1 / 3, 1 / 3)]),
)
def test_no_split_is_ever_empty(clusters: list[int], shares: tuple[float, float, float]) -> None:
    splits = split_clusters(clusters, Selection(shares=dict(zip(SPLITS, shares, strict=True))), {})
    assert set(splits) == set(clusters)
    assert set(splits.values()) == set(SPLITS)


@pytest.mark.parametrize(
    ("articles", "expected"),
    [(3, (1, 1, 1)), (20, (14, 3, 3)), (100, (70, 15, 15)), (200, (140, 30, 30)), (7, (5, 1, 1))],
)
def test_small_corpora(articles: int, expected: tuple[int, int, int]) -> None:
    found = counts(list(range(articles)), split_clusters(range(articles), DEFAULT, {}))
    assert tuple(found[split] for split in SPLITS) == expected


def test_another_article_moves_at_most_one_across_each_boundary() -> None:
    before = split_clusters(range(100), DEFAULT, {})
    for new in range(1000, 1030):
        after = split_clusters([*range(100), new], DEFAULT, {})
        assert sum(before[cluster] != after[cluster] for cluster in before) <= 2


def test_the_seed_chooses() -> None:
    one, two = (split_clusters(range(100), Selection(seed=seed), {}) for seed in (1, 2))
    assert one != two
    assert counts(list(range(100)), one) == counts(list(range(100)), two)


def test_too_few_articles_say_why() -> None:
    with pytest.raises(ValueError, match=r"only 2 distinct articles .*dropped: 4 language, 9 short.*min_characters"):
        split_clusters([5, 5, 8], DEFAULT, {"short": 9, "language": 4})
    with pytest.raises(ValueError, match=r"only 0 distinct articles .*dropped: nothing"):
        split_clusters([], DEFAULT, {})


# The stage


def write(path: Path, *pages: dict[str, Any]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(pages), schema=CLEAN), path)
    return path


def prose(name: str) -> str:
    """A text of 100 words and 96 shingles, the last word with a full stop."""
    return words(name, 0, 100) + "."


KEPT = {page_id: prose(f"ñ{page_id}x") for page_id in (2, 4, 6, 8)}
PAGES = [
    *(clean(page_id, text, unrendered=["b", "a", "b"], holed=1) for page_id, text in KEPT.items()),
    clean(1, "", kind="redirect"),
    clean(3, "Breve."),
    clean(5, prose("english"), language="en"),
    clean(7, prose("lista"), list_share=0.9),
    clean(9, KEPT[4]),
    clean(10, KEPT[6].replace(".", " fin.")),  # 95 of 98 shingles
    clean(11, words("punto", 0, 100)),
    clean(12, "", kind="redirect", unrendered=["z"]),
]


def test_the_whole_stage(tmp_path: Path) -> None:
    shards = [write(tmp_path / "0.parquet", *PAGES[::-2]), write(tmp_path / "1.parquet", *PAGES[::2][::-1])]
    select_articles(shards, "es", DEFAULT, tmp_path / "articles.parquet", tmp_path / "selection.json")
    table = pq.read_table(tmp_path / "articles.parquet")
    assert table.schema.equals(ARTICLES)
    rows = table.to_pylist()
    assert {row["page_id"]: row["text"] for row in rows} == KEPT
    assert [row["page_id"] for row in rows] == [2, 4, 6, 8]
    assert [row["cluster"] for row in rows] == [2, 4, 6, 8]
    assert {row["split"] for row in rows} == set(SPLITS)

    report = json.loads((tmp_path / "selection.json").read_text(encoding="utf-8"))
    assert (report["pages"], report["kept"]) == (12, 4)
    assert report["dropped"] == {
        "redirect": 2,
        "short": 1,
        "language": 1,
        "list": 1,
        "no_prose": 1,
        "exact_duplicate": 1,
        "near_duplicate": 1,
    }
    examples = {reason: [page["page_id"] for page in pages] for reason, pages in report["examples"].items()}
    assert examples == {
        "redirect": [1, 12],
        "short": [3],
        "language": [5],
        "list": [7],
        "exact_duplicate": [9],
        "near_duplicate": [10],
        "no_prose": [11],
    }
    assert report["examples"]["short"] == [{"page_id": 3, "title": "Página 3"}]
    assert report["unrendered_templates"] == {"b": 8, "a": 4}
    assert report["holed_sentences"] == 4
    # A word such as «ñ2x17»: 4 or 5 characters, 10 of one digit and 90 of two; 99 spaces and a full stop; ñ is 2 bytes.
    characters = 10 * 4 + 90 * 5 + 99 + 1
    for split in SPLITS:
        articles = sum(row["split"] == split for row in rows)
        assert report["splits"][split] == {
            "articles": articles,
            "words": 100 * articles,
            "characters": characters * articles,
            "bytes": (characters + 100) * articles,
        }


def test_the_order_of_shards_and_rows_does_not_matter(tmp_path: Path) -> None:
    results = []
    for number, pages in enumerate((PAGES, PAGES[::-1], PAGES[5:] + PAGES[:5])):
        shards = [
            write(tmp_path / f"{number}-{half}.parquet", *part) for half, part in enumerate((pages[:7], pages[7:]))
        ]
        output, report = tmp_path / f"{number}.out", tmp_path / f"{number}.json"
        select_articles(shards[:: 1 - 2 * (number % 2)], "es", DEFAULT, output, report)
        results.append((output.read_bytes(), report.read_bytes()))
    assert results[0] == results[1] == results[2]


def test_what_resembles_goes_to_one_split(tmp_path: Path) -> None:
    """Ten pairs of relatives (80 / 120 = 0.67): no pair is torn, whatever the seed."""
    texts = [text + "." for number in range(10) for text in pair(80, f"p{number}x")]
    shard = write(tmp_path / "0.parquet", *(clean(number, text) for number, text in enumerate(texts)))
    for seed in range(5):
        output = tmp_path / "articles.parquet"
        select_articles([shard], "es", Selection(seed=seed), output, tmp_path / "selection.json")
        splits = pq.read_table(output).column("split").to_pylist()
        assert len(splits) == 20
        assert splits[::2] == splits[1::2]


def asteroid(name: str, year: int) -> str:
    """An article that a program made: two of them share few shingles, for every sentence holds a name or a number."""
    return (
        f"({year}) {name} es un asteroide que forma parte del cinturón y fue descubierto el {year % 28} de mayo de "
        f"{year} por el astrónomo {name} desde el observatorio de Villa {name}. Se llama así por {name} Ruiz {name}, y "
        f"dista {year}. Tarda {year % 7} años en dar una vuelta y brilla con magnitud {year % 9},{year % 5}. "
    ) + " ".join(f"Nada más se sabe de {name}, salvo que {name} {year} lo vio {word}." for word in "ABCDE")


def test_the_frame_of_a_text() -> None:
    assert skeleton("(12) Ana Gil es un río. Mide 5,3 km.") == "0 A es un río. A 0 km."
    assert skeleton(asteroid("Iris", 1850)) == skeleton(asteroid("Aura de Oro".replace(" de ", " "), 1991))
    assert skeleton(asteroid("Iris", 1850)) != skeleton(
        asteroid("Iris", 1850).replace("río", "lago").replace("vuelta", "órbita")
    )


def test_of_articles_that_a_program_made_some_stay_in_one_split(tmp_path: Path) -> None:
    names = [f"{a}{b}" for a in ("Al", "Be", "Ci", "Do", "Er") for b in ("ra", "sa", "ta", "va", "za", "ma")]
    made = [clean(100 + number, asteroid(name, 1850 + number)) for number, name in enumerate(names)]
    others = [clean(number, prose(f"ñ{number}x")) for number in range(40)]
    kept = []
    for seed in (1, 2):
        shard, output = write(tmp_path / "0.parquet", *made, *others), tmp_path / "articles.parquet"
        selection = Selection(skeleton_cap=12, seed=seed)
        select_articles([shard], "es", selection, output, tmp_path / "selection.json")
        report = json.loads((tmp_path / "selection.json").read_text(encoding="utf-8"))
        assert report["dropped"] == {"skeleton": len(names) - 12}
        rows = [row for row in pq.read_table(output).to_pylist() if row["page_id"] >= 100]
        assert len(rows) == 12
        assert {(row["cluster"], row["split"]) for row in rows} == {(100, rows[0]["split"])}
        kept.append([row["page_id"] for row in rows])
    assert kept[0] != kept[1]  # the seed chooses


def test_nothing_is_written_where_too_little_is_left(tmp_path: Path) -> None:
    shard = write(tmp_path / "0.parquet", clean(1, prose("prosa")), clean(2, "Breve."), clean(3, "Breve."))
    with pytest.raises(ValueError, match=r"only 1 distinct articles .*dropped: 2 short"):
        select_articles([shard], "es", DEFAULT, tmp_path / "articles.parquet", tmp_path / "selection.json")
    assert list(tmp_path.iterdir()) == [shard]
