"""Compressed files: what every form gives, and that bombs are refused before they fill the memory."""

import bz2
import gzip
import io
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from minillm.corpus import unpack
from minillm.corpus.read_dump import read_pages
from minillm.corpus.unpack import bz2_streams, unpacked

PACKERS = [(".bz2", bz2.compress), (".gz", gzip.compress), (".xz", lzma.compress)]
HEAD = b'<mediawiki xml:lang="es">'
SMALL_PAGE = b"<page><title>A</title><id>1</id><revision><id>1</id><text>x</text></revision></page>"
MEBIBYTE = 1 << 20


def content(number: int) -> bytes:
    return f"párrafo {number}\n".encode() * 9_000


@pytest.mark.parametrize(("suffix", "pack"), PACKERS)
def test_one_stream_or_several(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"a{suffix}"
    for count in (1, 3):
        path.write_bytes(b"".join(pack(content(number)) for number in range(count)))
        assert b"".join(unpacked(path)) == b"".join(content(number) for number in range(count))


def test_only_whole_streams_of_a_range(tmp_path: Path) -> None:
    streams = [bz2.compress(content(number)) for number in range(3)]
    file = io.BytesIO(b"".join(streams))
    file.seek(len(streams[0]))
    assert b"".join(bz2_streams(file, len(streams[0]) + len(streams[1]))) == content(1)
    file.seek(len(streams[0]))
    with pytest.raises(EOFError):
        list(bz2_streams(file, len(streams[0]) + len(streams[1]) - 1))


def test_a_damaged_stream_that_is_not_the_first_is_not_passed_over(tmp_path: Path) -> None:
    """Python's own bz2.open ends there without a word."""
    second = bytearray(bz2.compress(b"dos"))
    second[-12] ^= 0xFF
    path = tmp_path / "a.bz2"
    path.write_bytes(bz2.compress(b"uno") + second)
    with bz2.open(path) as stream:
        assert stream.read() == b"uno"
    with pytest.raises(OSError, match="nvalid data"):
        list(unpacked(path))


@pytest.mark.parametrize(("suffix", "pack"), PACKERS)
@pytest.mark.parametrize("filling", [SMALL_PAGE, b" ", b"<a/>"])
def test_a_bomb_is_refused(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes], filling: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "FREE", MEBIBYTE)
    path = tmp_path / f"bomb.xml{suffix}"
    path.write_bytes(pack(HEAD + filling * (16 * MEBIBYTE // len(filling))))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=rf"bomb\.xml\{suffix} unpacks to more than 100 times its size"):
            for _ in read_pages(path):
                pass
        assert tracemalloc.get_traced_memory()[1] < 14 * MEBIBYTE
    finally:
        tracemalloc.stop()


def test_text_that_bots_wrote_is_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "FREE", 0)
    stub = "El municipio {0} tiene {1} habitantes y una superficie de {2} km². Está a {3} metros de altitud.\n" * 6
    text = "".join(stub.format(n, n * n % 7919, n * 31 % 997, n * 17 % 2801) for n in range(4_000)).encode()
    path = tmp_path / "stubs.bz2"
    path.write_bytes(bz2.compress(text))
    assert len(text) > 30 * path.stat().st_size
    assert sum(map(len, unpacked(path))) == len(text)


def test_an_xz_file_cannot_ask_for_more_memory_than_is_given(tmp_path: Path) -> None:
    path = tmp_path / "a.xz"
    path.write_bytes(lzma.compress(b"uno", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 28}]))
    with pytest.raises(lzma.LZMAError, match=r"[Mm]emory"):
        list(unpacked(path))
    path.write_bytes(lzma.compress(b"uno", preset=9))
    assert b"".join(unpacked(path)) == b"uno"
