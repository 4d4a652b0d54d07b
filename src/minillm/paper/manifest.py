"""The list of the files of a run with their SHA-256, last of all.

Two runs of the same inputs differ only in the files marked as measured: those that hold seconds or bytes of memory, or
print them.
"""

from pathlib import Path

from minillm.files import sha256, write_json
from minillm.stage import run_stage

MEASURED = {
    "timing.csv",
    "cost.json",
    "cost.csv",
    "machine.json",
    "latency.pdf",
    "latency.png",
    "article.tex",
    "article.zip",
    "article.pdf",
    "article-checks.json",
    "numbers.json",
    "values.md",
}


def write_manifest(files: list[Path], output: Path) -> None:
    """Write path, SHA-256 and whether it is measured of each file, sorted by path."""
    rows = [
        {"path": str(path), "sha256": sha256(path), "measured": path.name in MEASURED}
        for path in sorted(set(files), key=str)
    ]
    write_json(output, {"files": rows})


if __name__ == "__main__":
    run_stage(write_manifest)
