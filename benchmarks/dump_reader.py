"""How fast a dump is read and verified, against bare decompression of the same file.

    .venv/bin/python benchmarks/dump_reader.py PATH.xml.bz2 [--repeats 9]

CPU time of one process, start of the interpreter excluded; the ways are measured in turn, so that whatever else the
machine does falls on all of them. Prints a table in Markdown with medians.
"""

import argparse
import bz2
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from minillm.corpus.read_dump import read_dump, read_pages

CHUNK = 1 << 18  # bytes; of bare decompression


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump", type=Path)
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    dump: Path = arguments.dump
    size = decompress(dump)
    with tempfile.TemporaryDirectory() as folder:
        shards = [Path(folder, f"{number}.parquet") for number in range(4)]
        ways: dict[str, Callable[[], object]] = {
            "`bz2.open(…).read` in chunks": lambda: decompress(dump),
            "`read_pages`: parsed, SHA-1 verified": lambda: sum(1 for _ in read_pages(dump)),
            "`read_dump`: the same, and four shards written": lambda: read_dump(dump, "CC BY-SA 4.0", False, shards),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(arguments.repeats):
            for name, way in ways.items():
                start = time.process_time()
                way()
                seconds[name].append(time.process_time() - start)
    bare = seconds[next(iter(ways))]
    print(f"{dump.name}: {size / 1e6:.1f} MB of XML, {arguments.repeats} repeats\n")
    print("| way | CPU seconds, median | least | MB/s of XML | times bare decompression, median |")
    print("| --- | --- | --- | --- | --- |")
    for name, values in seconds.items():
        ratio = statistics.median(value / base for value, base in zip(values, bare, strict=True))
        median = statistics.median(values)
        print(f"| {name} | {median:.3f} | {min(values):.3f} | {size / 1e6 / median:.1f} | {ratio:.2f} |")


def decompress(dump: Path) -> int:
    """Bytes of the decompressed dump."""
    size = 0
    with bz2.open(dump) as stream:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
    return size


if __name__ == "__main__":
    main()
