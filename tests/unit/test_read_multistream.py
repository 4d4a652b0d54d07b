"""Reading a multistream dump by its index: every page once, whatever the parts; an index of another dump is refused."""

import bz2
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from minillm.corpus import unpack
from minillm.corpus.read_dump import read_dump, read_pages
from minillm.corpus.read_multistream import index_beside, read_multistream, read_offsets, read_part
from minillm.corpus.tables import RAW

HEAD = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" xml:lang="es">'
    "<siteinfo><base>https://es.wikipedia.org/wiki/Portada</base></siteinfo>\n"
)
PAGE = (
    "<page><title>P: {0}</title><ns>0</ns><id>{0}</id><revision><id>{0}</id><timestamp>2020-01-01T00:00:00Z</timestamp>"
    "<text>Texto {0}</text></revision></page>\n"
)
END = "</mediawiki>"


def multistream(folder: Path, pages: int, per_stream: int, name: str = "a-multistream") -> tuple[Path, Path]:
    """A dump as Wikimedia makes it, and its index."""
    streams = [HEAD]
    lines = []
    for number in range(1, pages + 1):
        if (number - 1) % per_stream == 0:
            streams.append("")
        lines.append((len(streams) - 1, f"{number}:P: {number}"))
        streams[-1] += PAGE.format(number)
    packed = [bz2.compress(stream.encode()) for stream in [*streams, END]]
    offsets = [sum(map(len, packed[:number])) for number in range(len(packed))]
    dump, index = folder / f"{name}.xml.bz2", folder / f"{name}-index.txt.bz2"
    dump.write_bytes(b"".join(packed))
    index.write_bytes(bz2.compress("".join(f"{offsets[stream]}:{line}\n" for stream, line in lines).encode()))
    return dump, index


@pytest.mark.parametrize("shards", [1, 2, 3, 4, 9])
def test_the_parts_hold_every_page_once(tmp_path: Path, shards: int) -> None:
    dump, index = multistream(tmp_path, pages=17, per_stream=3)
    whole = list(read_pages(dump, True))
    assert [page["page_id"] for page in whole] == list(range(1, 18))
    parts = [list(read_part(dump, index, shard, shards, True)) for shard in range(shards)]
    assert [page for part in parts for page in part] == whole
    # Six streams of three pages, the last of two, shared out evenly.
    sizes = {1: [17], 2: [9, 8], 3: [6, 6, 5], 4: [3, 6, 3, 5], 9: [0, 3, 3, 0, 3, 3, 0, 3, 2]}
    assert [len(part) for part in parts] == sizes[shards]
    assert parts[-1][-1]["url"] == "https://es.wikipedia.org/w/index.php?oldid=17"  # the address is in the head


def test_a_part_reads_nothing_of_the_others(tmp_path: Path) -> None:
    dump, index = multistream(tmp_path, pages=12, per_stream=3)
    offsets = read_offsets(index)
    damaged = bytearray(dump.read_bytes())
    damaged[offsets[1] + 20] ^= 0xFF
    dump.write_bytes(damaged)
    assert [page["page_id"] for page in read_part(dump, index, 1, 2, False)] == [7, 8, 9, 10, 11, 12]
    with pytest.raises(ValueError, match="is damaged, or"):
        list(read_part(dump, index, 0, 2, False))


def test_the_stage_writes_what_read_dump_writes(tmp_path: Path) -> None:
    dump, index = multistream(tmp_path, pages=7, per_stream=2)
    read_dump(dump, "CC0", False, [tmp_path / "whole.parquet"])
    for shard in range(2):
        read_multistream(dump, index, shard, 2, "CC0", False, tmp_path / f"{shard}.parquet")
    parts = [pq.read_table(tmp_path / f"{shard}.parquet") for shard in range(2)]
    assert all(part.schema.equals(RAW) for part in parts)
    rows = [row for part in parts for row in part.to_pylist()]
    assert rows == pq.read_table(tmp_path / "whole.parquet").to_pylist()
    assert len(rows) == 7


@pytest.mark.parametrize("chunk", [1, 7])
def test_an_index_is_read_wherever_it_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    _, index = multistream(tmp_path, pages=7, per_stream=2)
    offsets = read_offsets(index)
    assert len(offsets) == 4
    monkeypatch.setattr(unpack, "CHUNK", chunk)
    assert read_offsets(index) == offsets
    plain = tmp_path / "index.txt"
    plain.write_bytes(bz2.decompress(index.read_bytes()))
    assert read_offsets(plain) == offsets


@pytest.mark.parametrize(
    ("dump", "index"),
    [
        (
            "eswiki-20240101-pages-articles-multistream.xml.bz2",
            "eswiki-20240101-pages-articles-multistream-index.txt.bz2",
        ),
        ("e-multistream1.xml-p1p143637.bz2", "e-multistream-index1.txt-p1p143637.bz2"),
        ("e-pages-articles.xml.bz2", None),
        ("e-multistream.xml", None),
    ],
)
def test_an_index_is_found_under_wikimedias_name(tmp_path: Path, dump: str, index: str | None) -> None:
    assert index_beside(tmp_path / dump) is None
    if index is not None:
        (tmp_path / index).touch()
        assert index_beside(tmp_path / dump) == tmp_path / index


def refusal(dump: Path, index: Path) -> str:
    """The one line that one of two parts is refused with."""
    with pytest.raises(ValueError, match="index") as error:
        [list(read_part(dump, index, shard, 2, False)) for shard in range(2)]
    assert "\n" not in str(error.value)
    return str(error.value)


def test_an_index_of_another_dump(tmp_path: Path) -> None:
    dump, index = multistream(tmp_path, pages=12, per_stream=3)
    offsets = read_offsets(index)

    def said_of(*wrong: int) -> str:
        index.write_bytes(bz2.compress("".join(f"{offset}:1:P\n" for offset in wrong).encode()))
        return refusal(dump, index)

    assert "is the index of another dump" in said_of(*offsets, dump.stat().st_size)
    assert "is the index of another dump" in said_of(0, *offsets)
    assert "is the index of another dump" in said_of(-3, *offsets)
    middle = offsets[2] + 1  # of a stream
    said = said_of(*offsets[:2], middle, offsets[3])
    assert f"no whole bz2 streams from offset {offsets[0]} to {middle} (the last stream has no end)" in said
    with pytest.raises(ValueError, match=f"no whole bz2 streams from offset {middle} to .*Invalid data"):
        list(read_part(dump, index, 1, 2, False))
    assert "pages before the first offset" in said_of(*offsets[1:])


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "ends in the middle"), (b"600:1:P\n6", "ends in the middle"), (b"<html>\n", "is no index of a dump")],
)
def test_what_is_no_index(tmp_path: Path, content: bytes, message: str) -> None:
    dump, _ = multistream(tmp_path, pages=3, per_stream=3)
    index = tmp_path / "index.txt"
    index.write_bytes(content)
    assert message in refusal(dump, index)
    packed = tmp_path / "index.txt.bz2"
    packed.write_bytes(bz2.compress(b"600:1:P\n" * 9)[:-5])
    assert "cannot be read" in refusal(dump, packed)


def test_a_truncated_dump(tmp_path: Path) -> None:
    dump, index = multistream(tmp_path, pages=12, per_stream=3)
    whole = dump.read_bytes()
    dump.write_bytes(whole[:-10])
    assert "damaged" in refusal(dump, index)
    dump.write_bytes(whole[: -len(bz2.compress(END.encode()))])
    with pytest.raises(ValueError, match="ends in the middle"):
        list(read_part(dump, index, 1, 2, False))
