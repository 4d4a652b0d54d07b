"""Downloads from a real MediaWiki on loopback, through a proxy that counts requests and plays faults."""

import bz2
import csv
import gzip
import hashlib
import json
import random
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from workflow.conftest import copy_project

from minillm.corpus import wiki_api
from minillm.corpus.clean_articles import clean_articles
from minillm.corpus.config import Fetch, Selection
from minillm.corpus.download_articles import download_articles
from minillm.corpus.read_dump import read_pages
from minillm.corpus.select_articles import select_articles
from minillm.corpus.wiki_api import WikiApi
from minillm.corpus.write_export import write_export

from .conftest import Wiki, new_wiki
from .proxy import Fault, Proxy, answer, api_error, bad_gzip, cut_short, proxy, real_lag, reset, silence

SAMPLE = sorted((Path(__file__).parents[2] / "data/sample/articles").glob("*.wiki"))
ESWIKI = Path(__file__).parents[3] / "shared/data/eswiki/eswiki-2311-pages-articles.xml.bz2"
SHARDS = 2
SPAIN, PERU = "Patrimonio de la Humanidad en España", "Patrimonio de la Humanidad en Perú"
CATEGORIES = {SPAIN: ["Patrimonio"], PERU: ["Patrimonio"], "Patrimonio": ["Cultura", PERU]}
HIDDEN = "Usuario:Ana"

pytestmark = pytest.mark.mediawiki


# The wiki


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "export.xml"
    write_export(SAMPLE, path)
    return path


@pytest.fixture(scope="module")
def texts(export: Path) -> dict[str, str]:
    """The wikitext of each page of the sample that is no redirect, by title."""
    pages = {page["title"]: page["wikitext"] for page in read_pages(export)}
    return {title: text for title, text in pages.items() if not text.startswith("#")}


@pytest.fixture(scope="module")
def sample_wiki(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Wiki:
    """The sample, a redirect, and a tree of categories that goes round in a circle."""
    wiki = new_wiki(tmp_path_factory.mktemp("wiki") / "wiki")
    wiki.maintenance("importDump", "--no-updates", export)
    wiki.maintenance("refreshLinks")
    wiki.maintenance("edit", "Juego de reyes", text="#REDIRECCIÓN [[Ajedrez]]")
    for name, parents in CATEGORIES.items():
        wiki.maintenance("edit", f"Categoría:{name}", text=" ".join(f"[[Categoría:{parent}]]" for parent in parents))
    wiki.add_settings('$wgAPIMaxResultSize = is_file( __DIR__ . "/small" ) ? 60_000 : 8 << 20;')
    for text in ("Primera redacción.", "Segunda redacción."):  # only the newest text of a page cannot be hidden
        wiki.maintenance("edit", HIDDEN, text=text)
    with closing(sqlite3.connect(wiki.folder / "wiki.sqlite")) as database:
        database.execute("UPDATE revision SET rev_deleted = 1 WHERE rev_id = ?", (first_revision(wiki, HIDDEN),))
        database.commit()
    return wiki


def first_revision(wiki: Wiki, title: str) -> int:
    first = "SELECT MIN(rev_id) FROM revision JOIN page ON rev_page = page_id WHERE page_title = ?"
    with closing(sqlite3.connect(wiki.folder / "wiki.sqlite")) as database:
        return int(database.execute(first, (title.partition(":")[2],)).fetchone()[0])


@pytest.fixture(scope="module")
def address(sample_wiki: Wiki) -> Iterator[str]:
    with sample_wiki.served() as address:
        yield address


@pytest.fixture
def server(address: str) -> Iterator[Proxy]:
    with proxy(address) as server:
        yield server


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits, which are recorded and not slept."""
    waits: list[float] = []
    monkeypatch.setattr(wiki_api, "sleep", waits.append)
    return waits


@dataclass(frozen=True)
class Corpus:
    """What a download writes, in a folder."""

    folder: Path

    def options(self, address: str, fetch: Fetch) -> dict[str, Any]:
        return {
            "wiki": address,
            "fetch": fetch,
            "language": "es",
            "selection": Selection(),
            "licence": "CC0 1.0",
            "cache": self.folder / "cache",
            "output": [self.folder / f"raw/{shard}.parquet" for shard in range(SHARDS)],
            "corpus_lock": self.lock,
            "siteinfo": self.folder / "siteinfo.json",
        }

    @property
    def lock(self) -> Path:
        return self.folder / "corpus.lock.csv"

    def download(self, address: str, **fetch: Any) -> "Corpus":
        download_articles(**self.options(address, Fetch(**fetch)))
        return self

    def rows(self) -> list[dict[str, Any]]:
        tables = [pq.read_table(self.folder / f"raw/{shard}.parquet").to_pylist() for shard in range(SHARDS)]
        return sorted((row for table in tables for row in table), key=lambda row: row["page_id"])

    def titles(self) -> list[str]:
        return sorted(row["title"] for row in self.rows())

    def files(self) -> dict[str, bytes]:
        """Every output but the cache."""
        files = [*(self.folder / "raw").iterdir(), self.lock, self.folder / "siteinfo.json"]
        return {path.name: path.read_bytes() for path in files}

    def selected(self) -> bytes:
        """The articles that cleaning and selection make of it."""
        clean = [self.folder / f"clean/{shard}.parquet" for shard in range(SHARDS)]
        for shard, path in enumerate(clean):
            clean_articles(self.folder / f"raw/{shard}.parquet", [self.folder / "siteinfo.json"], "es", path)
        select_articles(clean, "es", Selection(), self.folder / "articles.parquet", self.folder / "selection.json")
        return (self.folder / "articles.parquet").read_bytes()


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path / "corpus")


@contextmanager
def small_answers(wiki: Wiki) -> Iterator[None]:
    """A wiki whose answers are cut at 60 kB, as those of Wikipedia are at 8 MB."""
    (wiki.folder / "small").touch()
    yield
    (wiki.folder / "small").unlink()


def titles_file(folder: Path, *titles: str) -> str:
    path = folder / "titles.txt"
    path.write_text("\n".join(titles), encoding="utf-8")
    return str(path)


# Faults

AJEDREZ = {"prop": "info", "titles": "Ajedrez"}
DATE = "Wed, 21 Oct 2099 07:28:00 GMT"  # far away


@pytest.mark.parametrize(
    ("fault", "least", "most", "reason"),
    [
        (answer(429, Retry_After="7"), 7, 7, "429"),
        (answer(429), 2.5, 5, "429"),
        (answer(503, Retry_After="2.5"), 2.5, 2.5, "503"),
        (answer(503, Retry_After="Sat, 01 Jan 2000 00:00:00 GMT"), 1, 1, "503"),
        (answer(503, Retry_After="tomorrow"), 2.5, 5, "503"),
        (answer(502, "<html>Bad gateway</html>"), 2.5, 5, "502"),
        (real_lag, 5, 5, "maxlag: .*lagged"),
        (api_error("maxlag", X_Database_Lag="6"), 2.5, 5, "maxlag"),
        (api_error("maxlag", Retry_After="9"), 9, 9, "maxlag"),
        (api_error("ratelimited"), 2.5, 5, "ratelimited: what happened"),
        (api_error("ratelimited", Retry_After="11"), 11, 11, "ratelimited"),
        (api_error("readonly"), 2.5, 5, "readonly"),
        (api_error("internal_api_error_DBQueryError"), 2.5, 5, "internal_api_error"),
        (api_error("internal_api_error_Exception", Retry_After="3"), 3, 3, "internal_api_error_Exception"),
        (cut_short, 2.5, 5, "IncompleteRead"),
        (bad_gzip, 2.5, 5, "decompressing"),
        (answer(200, "<html><b>Back</b> soon</html>"), 2.5, 5, "no JSON: Back soon"),
        (answer(200, '{"batchcomplete": true}'), 2.5, 5, "empty"),
        (reset, 2.5, 5, "[Rr]eset"),
        (silence, 2.5, 5, "timed out"),
    ],
)
def test_what_passes_is_waited_for(
    server: Proxy,
    tmp_path: Path,
    slept: list[float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    least: float,
    most: float,
    reason: str,
) -> None:
    monkeypatch.setattr(wiki_api, "TIMEOUT", 0.5 if fault is silence else 30)
    server.faults = [fault]
    api = WikiApi(server.address, "", tmp_path)
    assert api.ask(AJEDREZ).data["query"]["pages"][0]["title"] == "Ajedrez"
    assert [len(server.asked), api.requests] == [2, 2]
    assert len(slept) == 1
    assert least <= slept[0] <= most
    (line,) = [record.getMessage() for record in caplog.records if record.name == wiki_api.__name__]
    assert re.search(f"{reason}.*; next try in \\d+ s", line)


def test_waits_grow_and_end(server: Proxy, tmp_path: Path, slept: list[float]) -> None:
    server.faults = [answer(503)] * 20
    with pytest.raises(
        ValueError, match=r"has not answered in 8 tries \(the last: 503 Service Unavailable\); call again"
    ):
        WikiApi(server.address, "", tmp_path).ask(AJEDREZ)
    assert len(server.asked) == 8
    assert all(most / 2 <= wait <= most for wait, most in zip(slept, [5, 10, 20, 40, 80, 120, 120], strict=True))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (answer(403, "<h1>Forbidden</h1>Set a user agent"), "answers 403 Forbidden: Forbidden Set a user agent"),
        (answer(404, "nothing"), "answers 404 Not Found: nothing"),
        (answer(301, Location="https://elsewhere.example/"), "has moved to https://elsewhere.example/"),
        (api_error("readapidenied"), r"refuses a query: what happened \(readapidenied\)"),
        (answer(429, Retry_After="3600"), r"asks to wait for 60 minutes \(429 Too Many Requests\); call again then"),
        (answer(503, Retry_After=DATE), r"asks to wait for \d+ minutes"),
    ],
)
def test_what_does_not_pass_ends_at_once(
    server: Proxy, tmp_path: Path, slept: list[float], fault: Fault, message: str
) -> None:
    server.faults = [fault]
    with pytest.raises(ValueError, match=message):
        WikiApi(server.address, "", tmp_path).ask(AJEDREZ)
    assert (len(server.asked), slept) == (1, [])


def test_the_wiki_is_told_who_asks(server: Proxy, tmp_path: Path) -> None:
    WikiApi(server.address, "ana@example.org", tmp_path).ask(AJEDREZ)
    assert re.fullmatch(r"miniLLM/\d\S* \(ana@example\.org\) mwclient/\d\S* \(https://\S+\)", server.agents[0])
    assert server.asked[0]["maxlag"] == "5"


def test_without_a_contact_nothing_is_asked(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    monkeypatch.setattr(socket.socket, "connect", never)
    with pytest.raises(
        ValueError, match=r"--config contact=you@example\.org, or make wikipedia CONTACT=you@example\.org"
    ):
        corpus.download("https://es.wikipedia.org/w/", articles=1)


# What is fetched


def test_titles_are_followed_and_what_is_not_there_is_told(
    server: Proxy, corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str], texts: dict[str, str]
) -> None:
    there = ["juego de reyes", "Ajedrez", "Colibri\u0301", " acueducto_de  Segovia ", "Charango#Historia"]
    missing = ["Ningún sitio", "<malo>", "Ajedrez|Colibrí", "Especial:Buscar"]
    corpus.download(server.address, titles=titles_file(tmp_path, *there, "", *missing))
    assert corpus.titles() == ["Acueducto de Segovia", "Ajedrez", "Charango", "Colibrí"]
    for row in corpus.rows():
        assert row["wikitext"] == texts[row["title"]]
        assert row["sha1"] == hashlib.sha1(texts[row["title"]].encode()).hexdigest()
        assert row["url"] == f"http://localhost/index.php?oldid={row['rev_id']}"
        assert row["namespace"] == 0
    (ajedrez,) = [row for row in corpus.rows() if row["title"] == "Ajedrez"]
    assert ajedrez["history_url"] == "http://localhost/index.php?title=Ajedrez&action=history"
    (line,) = capsys.readouterr().out.splitlines()
    for told in ("«Ningún sitio» (missing)", "«<malo>» (invalid)", "«Ajedrez|Colibrí» (invalid)", "«Especial:Buscar»"):
        assert told in line


def test_answers_that_the_wiki_cuts_short_are_completed(
    sample_wiki: Wiki, server: Proxy, corpus: Corpus, tmp_path: Path, texts: dict[str, str]
) -> None:
    with small_answers(sample_wiki):
        corpus.download(server.address, titles=titles_file(tmp_path, *texts))
    assert {row["title"]: row["wikitext"] for row in corpus.rows()} == texts
    rounds = [query for query in server.asked if query.get("prop") == "revisions"]
    assert len(rounds) > 2 * len(texts) / 50
    assert sum("rvcontinue" in query for query in rounds) == len(rounds) - -(-len(texts) // 50)


def test_a_text_that_does_not_match_its_sha1_is_left_out(
    sample_wiki: Wiki, server: Proxy, corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(sample_wiki.folder / "wiki.sqlite")) as database:
        change = "UPDATE text SET old_text = 'Otra redacción.' WHERE CAST(old_text AS TEXT) = 'Segunda redacción.'"
        assert database.execute(change).rowcount == 1
        database.commit()
    for _ in range(2):  # the second time from the cache
        corpus.download(server.address, titles=titles_file(tmp_path, HIDDEN, "Ajedrez"))
        assert corpus.titles() == ["Ajedrez"]
        assert f"«{HIDDEN}» (altered)" in capsys.readouterr().out
    assert len(server.asked) == 2


def in_category(texts: dict[str, str], *names: str) -> list[str]:
    """The articles of the sample that say that they are in one of these categories."""
    pattern = rf"\[\[Categoría:({'|'.join(names)})[|\]]"
    return sorted(title for title, text in texts.items() if ":" not in title and re.search(pattern, text))


@pytest.mark.parametrize(
    ("category", "depth", "categories"),
    [(SPAIN, 0, [SPAIN]), ("Patrimonio", 1, [SPAIN, PERU]), ("categoría:Cultura", 9, [SPAIN, PERU])],
)
def test_a_category_is_fetched_to_its_depth(
    server: Proxy, corpus: Corpus, texts: dict[str, str], category: str, depth: int, categories: list[str]
) -> None:
    corpus.download(server.address, category=category, depth=depth)
    assert corpus.titles() == in_category(texts, *categories)
    assert len(corpus.titles()) > 3


def test_what_a_category_lacks_is_told(server: Proxy, corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    corpus.download(server.address, category=SPAIN, articles=5)
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"4 articles instead of 5: Category:{SPAIN} has no more (fetched: 4 pages; dropped: none)"
    for depth in (0, 1):
        with pytest.raises(ValueError, match=r"«Category:Cultura» of .* has no articles"):
            corpus.download(server.address, category="Cultura", depth=depth)


def test_random_articles_are_as_many_as_wanted(server: Proxy, corpus: Corpus) -> None:
    corpus.download(server.address, articles=120)
    corpus.selected()
    report = json.loads((corpus.folder / "selection.json").read_text(encoding="utf-8"))
    assert report["kept"] == 120
    assert report["pages"] == len(corpus.rows()) > 120
    assert len(server.asked) <= 6  # the wiki's description, one draw, texts


def test_a_wiki_may_have_fewer_than_wanted(
    server: Proxy, corpus: Corpus, tmp_path: Path, texts: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    corpus.download(server.address, articles=1000)
    articles = {title for title in texts if not title.startswith("Anexo:")}
    assert {*corpus.titles()} == articles | {"Página principal"}  # and no redirect
    (line,) = capsys.readouterr().out.splitlines()
    corpus.selected()
    report = json.loads((corpus.folder / "selection.json").read_text(encoding="utf-8"))
    dropped = ", ".join(f"{count} {reason}" for reason, count in sorted(report["dropped"].items()))
    assert line == (
        f"{report['kept']} articles instead of 1000: {server.address} has no more "
        f"(fetched: {len(articles) + 1} pages; dropped: {dropped})"
    )
    assert "near_duplicate" in dropped
    assert sum("list" in query for query in server.asked) == 6  # one draw with all pages, five with nothing new
    exactly = Corpus(tmp_path / "exactly").download(server.address, articles=report["kept"])
    assert capsys.readouterr().out == ""
    exactly.selected()
    assert json.loads((exactly.folder / "selection.json").read_text(encoding="utf-8"))["kept"] == report["kept"]


def test_a_dump_is_named_to_who_wants_very_many(
    server: Proxy, corpus: Corpus, caplog: pytest.LogCaptureFixture
) -> None:
    corpus.download(server.address, category=SPAIN, articles=10_000)
    assert any("from a dump they come quicker" in message for message in caplog.messages)


def test_what_the_wiki_says_of_itself(server: Proxy, corpus: Corpus, sample_wiki: Wiki) -> None:
    with closing(sqlite3.connect(sample_wiki.folder / "wiki.sqlite")) as database:
        columns = "iw_prefix, iw_url, iw_api, iw_wikiid, iw_local, iw_trans"
        for prefix in ("ca", "otrawiki"):
            url = f"https://{prefix}.wikipedia.org/wiki/$1"
            database.execute(f"INSERT INTO interwiki ({columns}) VALUES (?, ?, '', '', 1, 0)", (prefix, url))
        database.commit()
    corpus.download(server.address, category=SPAIN)
    site = json.loads((corpus.folder / "siteinfo.json").read_text(encoding="utf-8"))
    assert site.keys() == {"language", "namespaces", "redirects", "magic_words", "interlanguage"}
    assert site["language"] == "es"
    assert site["namespaces"]["6"] == ["Archivo", "File", "Image", "Imagen"]
    assert site["namespaces"]["14"] == ["Category", "Categoría"]
    assert site["namespaces"]["104"] == ["Anexo"]
    assert site["redirects"] == ["REDIRECCION", "REDIRECCIÓN", "REDIRECT"]
    assert {"NOTOC", "NOTDC", "FORZARTDC"} <= set(site["magic_words"])
    assert site["interlanguage"] == ["ca"]


# The lock


def test_a_lock_gives_the_same_articles_from_another_wiki(
    server: Proxy, export: Path, tmp_path: Path, texts: dict[str, str]
) -> None:
    first = Corpus(tmp_path / "first").download(server.address, articles=100)
    with first.lock.open(encoding="utf-8", newline="") as stream:
        entries = list(csv.DictReader(stream))
    assert [int(entry["page_id"]) for entry in entries] == [row["page_id"] for row in first.rows()]
    for entry in entries:
        assert entry["licence"] == "CC0 1.0"
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", entry["retrieved"])
        if entry["title"] in texts:
            assert entry["timestamp"] == "2026-01-01T00:00:00Z"
            assert entry["sha1"] == hashlib.sha1(texts[entry["title"]].encode()).hexdigest()
    other = new_wiki(tmp_path / "wiki")
    other.maintenance("importDump", "--no-updates", export)
    edited, moved = [entry["title"] for entry in entries if entry["title"] in texts][:2]
    other.maintenance("edit", edited, text="Otro texto.")  # the lock asks for the revision before
    (tmp_path / "moves").write_text(f"{moved}|Otro título\n", encoding="utf-8")
    other.maintenance("moveBatch", tmp_path / "moves")
    with other.served() as address:
        second = Corpus(tmp_path / "second").download(address, lock=str(first.lock))
    assert second.selected() == first.selected()
    assert len(pq.read_table(second.folder / "articles.parquet")) == 100


@pytest.mark.parametrize("wrong", ["hidden", "missing", "another text"])
def test_what_a_lock_names_in_vain_is_told(
    sample_wiki: Wiki, server: Proxy, corpus: Corpus, tmp_path: Path, wrong: str
) -> None:
    head, first, *others = corpus.download(server.address, category=SPAIN).lock.read_text(encoding="utf-8").splitlines()
    page_id, revision, title, sha1, rest = first.split(",", 4)
    if wrong == "missing":
        revision = "99999"
    elif wrong == "another text":
        sha1 = "0" * 40
    else:
        revision = str(first_revision(sample_wiki, HIDDEN))
    lock = tmp_path / "lock.csv"
    lock.write_text("\n".join([head, ",".join([page_id, revision, title, sha1, rest]), *others]), encoding="utf-8")
    again = Corpus(tmp_path / "again")
    told = re.escape(
        f"1 of 4 revisions are not on {server.address}: {revision} «{title}» ({wrong}); remove their lines"
    )
    with pytest.raises(ValueError, match=told):
        again.download(server.address, lock=str(lock))
    lock.write_text("\n".join([head, *others]), encoding="utf-8")
    assert [row["title"] for row in again.download(server.address, lock=str(lock)).rows()] == [
        line.split(",")[2] for line in others
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("page_id,title\n1,A\n", r"is no corpus\.lock\.csv: it has no column rev_id, sha1"),
        ("page_id,rev_id,title,sha1\n1,x,A,ab\n", r"line 2: its ids are no numbers"),
        ("page_id,rev_id,title,sha1\n1,2,A\n", r"line 2: .* or title or sha1 is missing"),
        ("page_id,rev_id,title,sha1\n1\n", r"line 2: its ids are no numbers"),
        ("page_id,rev_id,title,sha1\n1,2,A,ab\n3,02,B,ab\n", r"line 3: an earlier line has this .* revision"),
        ("page_id,rev_id,title,sha1\n1,2,\udcf1,ab\n", r"lock\.csv is not UTF-8"),
        ("page_id,rev_id,title,sha1\n1,2,A,ab\n1,3,A,ab\n", r"line 3: an earlier line has this page"),
        ("page_id,rev_id,title,sha1\n", "names no revision"),
    ],
)
def test_what_is_wrong_with_a_lock_is_said(
    server: Proxy, corpus: Corpus, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "lock.csv").write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ValueError, match=message):
        corpus.download(server.address, lock=str(tmp_path / "lock.csv"))


# The cache


def test_a_second_run_asks_nothing(server: Proxy, corpus: Corpus) -> None:
    before = corpus.download(server.address, articles=60).files()
    asked = len(server.asked)
    for name in before:
        next(corpus.folder.rglob(name)).unlink()
    assert corpus.download(server.address, articles=60).files() == before
    assert len(server.asked) == asked
    larger = corpus.download(server.address, articles=61)  # the draw is the same
    assert {row["page_id"] for row in larger.rows()} >= {
        int(line.split(b",")[0]) for line in before["corpus.lock.csv"].splitlines()[1:]
    }
    assert not any("list" in query for query in server.asked[asked:])


def altered(content: bytes) -> bytes:
    """A whole file with another text in it."""
    answer = json.loads(gzip.decompress(content))
    answer["data"]["query"]["pages"][0]["revisions"][0]["slots"]["main"]["content"] += "!"
    return gzip.compress(json.dumps(answer).encode())


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:],
        lambda content: gzip.compress(b"[]"),
        altered,
    ],
)
def test_a_damaged_file_of_the_cache_is_fetched_again(server: Proxy, corpus: Corpus, damage: Any) -> None:
    before = corpus.download(server.address, category="Patrimonio", depth=1).files()
    asked = len(server.asked)
    (kept,) = [
        path for path in (corpus.folder / "cache").iterdir() if b'"pageids"' in gzip.decompress(path.read_bytes())
    ]
    content = kept.read_bytes()
    kept.write_bytes(damage(content))
    assert corpus.download(server.address, category="Patrimonio", depth=1).files() == before
    assert len(server.asked) == asked + 1
    assert kept.read_bytes() == content


def test_a_killed_download_goes_on(sample_wiki: Wiki, server: Proxy, tmp_path: Path) -> None:
    chance = random.Random(1)
    with small_answers(sample_wiki):
        titles = titles_file(tmp_path, *[path.stem.replace("_", " ") for path in SAMPLE if "%" not in path.stem])
        whole = Corpus(tmp_path / "whole").download(server.address, titles=titles).files()
        needed = len(server.asked)
        killed = Corpus(tmp_path / "killed")
        server.delay = 0.05
        for kill in range(5):
            goal = len(server.asked) + chance.randint(1, needed // 6)
            process = start(killed, server.address, Fetch(titles=titles))
            while len(server.asked) < goal:
                assert process.poll() is None
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.1))
            process.kill()
            process.wait()
            assert not killed.lock.exists(), kill
        process = start(killed, server.address, Fetch(titles=titles))
        assert process.wait() == 0
    assert killed.files() == whole
    assert len(server.asked) <= 2 * needed + 5  # at most the answer on its way is lost


def start(corpus: Corpus, address: str, fetch: Fetch) -> subprocess.Popen[bytes]:
    """The stage as the rule runs it."""
    options = corpus.options(address, fetch)
    options |= {
        "fetch": json.dumps(asdict(fetch)),
        "selection": "{}",
        "output": [str(path) for path in options["output"]],
    }
    command = [sys.executable, "-m", "minillm.corpus.download_articles"]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", *(value if isinstance(value, list) else [str(value)])]
    corpus.folder.mkdir(exist_ok=True)
    with (corpus.folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


# The rule


def test_the_rule_downloads_and_another_contact_changes_nothing(server: Proxy, tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    smoke = (project.folder / "config/smoke.yaml").read_text(encoding="utf-8")

    def fetch(**what: object) -> None:
        corpus = {"source": "api", "wiki": server.address, "licence": "CC0 1.0", "fetch": what}
        overlay = smoke.replace("  name: smoke\n", "  name: smoke\n  corpus: fetched\n")
        overlay += f"corpora: {json.dumps({'fetched': corpus})}\n"
        (project.folder / "config/smoke.yaml").write_text(overlay, encoding="utf-8")

    fetch(lock="no.csv")
    assert "corpora.fetched.fetch.lock: there is no no.csv" in project.snakemake("corpus").stdout
    fetch(category="Patrimonio", depth=1)
    result = project.snakemake("corpus", "--config", "contact=ana@example.org")
    assert result.returncode == 0, result.stdout
    assert "6 articles instead of 1000" in result.stdout
    assert len(pq.read_table(project.folder / "data/fetched/articles.parquet")) == 6
    assert all("(ana@example.org)" in agent for agent in server.agents)
    assert project.planned("corpus", "--config", "contact=eva@example.org") == {}
    fetch(lock="data/fetched/corpus.lock.csv")
    assert "the download itself writes data/fetched/corpus.lock.csv" in project.snakemake("corpus").stdout


# A thousand articles


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.skipif(not ESWIKI.exists(), reason="the export of the Spanish Wikipedia is not here")
def test_a_thousand_articles_in_few_requests(corpus: Corpus, tmp_path: Path) -> None:
    wiki = new_wiki(tmp_path / "wiki")
    (tmp_path / "export.xml").write_bytes(bz2.decompress(ESWIKI.read_bytes()))
    wiki.maintenance("importDump", "--no-updates", tmp_path / "export.xml")
    with wiki.served() as address, proxy(address) as server:
        start = time.monotonic()
        corpus.download(server.address)
        seconds = time.monotonic() - start
        of_texts = sum(query.get("prop") == "revisions" for query in server.asked)
        print(f"{len(corpus.rows())} pages, {of_texts} requests for texts, {len(server.asked)} in all, {seconds:.0f} s")
        assert of_texts <= 25
        asked = len(server.asked)
        before = corpus.files()
        assert corpus.download(server.address).files() == before
        assert len(server.asked) == asked
    corpus.selected()
    assert json.loads((corpus.folder / "selection.json").read_text(encoding="utf-8"))["kept"] == 1000
