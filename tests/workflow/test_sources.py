"""Where a corpus comes from: a multistream dump read in parts, and a data set that is fetched."""

import bz2
import csv
import functools
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from minillm.corpus.write_export import write_export

from .conftest import ROOT, Project

DUMP = "config/dump.yaml"


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A third of the bundled sample as a MediaWiki export."""
    path = tmp_path_factory.mktemp("export") / "export.xml"
    write_export(sorted((ROOT / "data/sample/articles").glob("*.wiki"))[::3], path)
    return path.read_text(encoding="utf-8")


def write_multistream(folder: Path, export: str, pages_per_stream: int) -> Path:
    """The export as Wikimedia publishes dumps: bz2 streams of some pages each, and an index beside them."""
    head, *pages = re.split(r"(?=  <page>)", export.removesuffix("</mediawiki>\n"))
    dump = folder / "eswiki-20240101-pages-articles-multistream.xml.bz2"
    content, index = bz2.compress(head.encode()), ""
    for first in range(0, len(pages), pages_per_stream):
        stream = pages[first : first + pages_per_stream]
        for page in stream:
            title, number = re.findall(r"<title>(.*)</title>|<id>(\d+)</id>", page)[:2]
            index += f"{len(content)}:{number[1]}:{title[0]}\n"
        content += bz2.compress("".join(stream).encode())
    dump.write_bytes(content + bz2.compress(b"</mediawiki>\n"))
    dump.with_name("eswiki-20240101-pages-articles-multistream-index.txt.bz2").write_bytes(bz2.compress(index.encode()))
    return dump


def test_an_indexed_dump_is_read_in_parts_and_gives_the_same_articles(empty: Project, export: str) -> None:
    dump = write_multistream(empty.folder, export, pages_per_stream=9)
    single = empty.folder / "single.xml.bz2"
    single.write_bytes(bz2.compress(export.encode()))
    wanted = ["corpus", "data/eswiki/attribution.csv", "data/eswiki/siteinfo.json"]
    files = ["articles.parquet", "selection.json", "attribution.csv", "siteinfo.json"]
    made = []
    for path, rules in ((dump, {"read_multistream": 2}), (single, {"read_dump": 1})):
        config = ["--config", f"dump={path.name}", "corpora={eswiki: {shards: 2}}"]
        planned = empty.planned(*wanted, *config, overlay=DUMP)
        assert {rule: count for rule, count in planned.items() if rule in ("read_multistream", "read_dump")} == rules
        result = empty.snakemake(*wanted, *config, overlay=DUMP)
        assert result.returncode == 0, result.stdout
        rows = [len(pq.read_table(empty.folder / f"data/eswiki/raw/{shard}.parquet")) for shard in range(2)]
        assert max(rows) - min(rows) <= 9
        made.append([(empty.folder / "data/eswiki" / name).read_bytes() for name in files])
    assert made[0] == made[1]
    articles = pq.read_table(empty.folder / "data/eswiki/articles.parquet")
    with (empty.folder / "data/eswiki/attribution.csv").open(encoding="utf-8", newline="") as stream:
        attributed = [int(row["page_id"]) for row in csv.DictReader(stream)]
    assert attributed == articles.column("page_id").to_pylist()
    site = json.loads((empty.folder / "data/eswiki/siteinfo.json").read_text(encoding="utf-8"))
    assert (site["language"], site["namespaces"]["14"]) == ("es", ["Categoría"])


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A web server on loopback and its folder, tmp_path/served."""
    (tmp_path / "served").mkdir()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_data_set_is_fetched_and_read(empty: Project, tmp_path: Path, address: str, export: str) -> None:
    packed = bz2.compress(export.encode())
    (tmp_path / "served/pages.xml.bz2").write_bytes(packed)
    digest = hashlib.sha256(packed).hexdigest()
    overlay = empty.folder / "mine.yaml"
    overlay.write_text(
        "run: {name: mine, corpus: mine}\n"
        "corpora:\n  mine: {source: dump, dataset: pages, licence: CC0 1.0, shards: 1}\n"
        "datasets:\n"
        f"  pages: {{title: T, url: '{address}/pages.xml.bz2', version: '1', licence: CC0, sha256: '{digest}'}}\n",
        encoding="utf-8",
    )
    raw = "data/mine/raw/0.parquet"
    fetched = empty.folder / "data/downloads/pages/pages.xml.bz2"
    empty.edit("mine.yaml", digest, "0" * 64)
    result = empty.snakemake(raw, overlay="mine.yaml")
    assert result.returncode != 0
    told = [line for line in result.stdout.splitlines() if line.startswith("miniLLM, fetch_dataset: ")]
    assert len(told) == 4  # and three tries more
    assert f"pages.xml.bz2 is not the file of the registry: its SHA-256 is {digest}, not 0000" in told[0]
    assert not fetched.exists()
    empty.edit("mine.yaml", "0" * 64, digest)
    result = empty.snakemake(raw, overlay="mine.yaml")
    assert result.returncode == 0, result.stdout
    assert fetched.read_bytes() == packed
    assert len(pq.read_table(empty.folder / raw)) == export.count("<page>")
