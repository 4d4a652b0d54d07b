"""Read a compressed file piece by piece, in bounded memory, and refuse one that is a bomb.

What is unpacked may be at most `RATIO` times the compressed bytes read so far: the text of wikis shrinks to a tenth,
pages written by bots to a thirtieth, and a bomb to less than a thousandth (gzip allows no more; bz2 and xz do).
"""

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

CHUNK = 1 << 21  # bytes in a piece, at most: more than a block of bz2, which stays in the cache while it is unpacked
BLOCK = 1 << 16  # compressed bytes read at once
RATIO = 100
FREE = 16 << 20  # bytes that are always allowed: the head of a file may well be all alike
XZ_MEMORY = 128 << 20  # bytes; `xz -9` needs 65 MiB


def unpacked(path: Path) -> Iterator[bytes]:
    """The content of a .bz2, .gz or .xz file, or of any other file as it is.

    Raises ValueError for a bomb, EOFError if the file is cut short, and zlib.error, lzma.LZMAError or OSError if it is
    damaged or missing.
    """
    with path.open("rb") as file:
        if path.suffix == ".bz2":
            yield from bz2_streams(file, path.stat().st_size)
        elif path.suffix == ".xz":
            decompressor = partial(lzma.LZMADecompressor, memlimit=XZ_MEMORY)
            yield from _harmless(file, _streams(file, path.stat().st_size, decompressor))
        elif path.suffix == ".gz":
            with gzip.open(file) as stream:
                yield from _harmless(file, iter(partial(stream.read, CHUNK), b""))
        else:
            yield from iter(partial(file.read, CHUNK), b"")


def bz2_streams(file: BinaryIO, end: int) -> Iterator[bytes]:
    """The content of whole bz2 streams, from where the file stands to the offset `end`."""
    return _harmless(file, _streams(file, end, bz2.BZ2Decompressor))


def _streams(
    file: BinaryIO, end: int, new: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]
) -> Iterator[bytes]:
    """Unlike bz2.open and lzma.open, which end without a word at a damaged stream that is not the first."""
    data = b""
    while data := data or file.read(min(BLOCK, end - file.tell())):
        decompressor = new()
        while not decompressor.eof:
            if decompressor.needs_input and not data:
                data = file.read(min(BLOCK, end - file.tell()))
                if not data:
                    raise EOFError("the last stream has no end")
            yield decompressor.decompress(data, CHUNK)
            data = b""
        data = decompressor.unused_data


def _harmless(file: BinaryIO, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, as long as they are not too many for what was read of the file."""
    start, size = file.tell(), 0
    for piece in pieces:
        size += len(piece)
        if size > FREE + RATIO * (file.tell() - start):
            raise ValueError(
                f"{file.name} unpacks to more than {RATIO} times its size, as no dump does: a bomb, refused"
            )
        yield piece
