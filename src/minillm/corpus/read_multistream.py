"""Read one part of a multistream dump by its index, so that the parts of a large dump are read side by side.

Such a dump is many bz2 streams one after the other: the head with <siteinfo>, streams of 100 pages each, and a last one
that closes <mediawiki>. The index has a line `offset:page id:title` for each page, with the offset of its stream.
"""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minillm.corpus.read_dump import parse_pages
from minillm.corpus.tables import write_shards
from minillm.corpus.unpack import bz2_streams, unpacked
from minillm.stage import run_stage

_log = logging.getLogger(__name__)


def index_beside(dump: Path) -> Path | None:
    """The index that lies beside a multistream dump under the name that Wikimedia gives it, if there is one."""
    name = re.sub(r"-multistream(\d*)\.xml(.*\.bz2)$", r"-multistream-index\1.txt\2", dump.name)
    index = dump.with_name(name)
    return index if name != dump.name and index.exists() else None


def read_multistream(
    dump: Path, index: Path, shard: int, shards: int, licence: str, real_revision_ids: bool, output: Path
) -> None:
    """Write the pages of part `shard`, counted from 0, of `shards` parts of about as many streams each.

    The other parameters and errors are those of `read_dump`. Raises ValueError too if the index is not this dump's.
    """
    pages = ({**page, "licence": licence} for page in read_part(dump, index, shard, shards, real_revision_ids))
    _log.info("%s, part %d of %d: %d pages", dump, shard + 1, shards, write_shards([output], pages))


def read_part(dump: Path, index: Path, shard: int, shards: int, real_revision_ids: bool) -> Iterator[dict[str, Any]]:
    """The pages of one part: the head, a range of streams and the end are read as one export."""
    offsets, end = read_offsets(index), dump.stat().st_size
    if not 0 < offsets[0] <= offsets[-1] < end:
        raise ValueError(
            f"{index} is the index of another dump: its offsets go from {offsets[0]} to {offsets[-1]}, "
            f"and {dump} has {end} bytes"
        )
    cuts = [*offsets, end]  # what follows the last stream of the index belongs to the last part
    begin, stop = (cuts[len(offsets) * part // shards] for part in (shard, shard + 1))
    with dump.open("rb") as file:

        def streams(first: int, last: int) -> Iterator[bytes]:
            file.seek(first)
            try:
                yield from bz2_streams(file, last)
            except (OSError, EOFError) as error:
                raise ValueError(
                    f"{dump} has no whole bz2 streams from offset {first} to {last} ({error}): "
                    f"it is damaged, or {index} is the index of another dump"
                ) from error

        def pieces() -> Iterator[bytes]:
            for piece in streams(0, offsets[0]):
                if b"<page>" in piece:
                    raise ValueError(f"{index} is not whole: {dump} has pages before the first offset, {offsets[0]}")
                yield piece
            yield from streams(begin, stop)
            if stop < end:
                yield b"</mediawiki>"

        yield from parse_pages(dump, pieces(), real_revision_ids)


def read_offsets(index: Path) -> list[int]:
    """Where the streams of pages begin, in ascending order; the index is a text file, compressed or not."""
    offsets: set[int] = set()
    rest = b""
    try:
        for piece in unpacked(index):
            *lines, rest = (rest + piece).split(b"\n")
            offsets.update(int(line.partition(b":")[0]) for line in lines)
    except ValueError as error:
        raise ValueError(f"{index} is no index of a dump, whose lines are offset:page id:title ({error})") from error
    except (OSError, EOFError) as error:
        raise ValueError(f"{index} cannot be read ({error}); download it again") from error
    if not offsets or rest:
        raise ValueError(f"{index} ends in the middle; download it again")
    return sorted(offsets)


if __name__ == "__main__":
    run_stage(read_multistream)
