"""Files are always whole, and always the same bytes for the same content."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.files import read_json, replacing, sha256, write_csv, write_json, write_text


class UnexpectedError(Exception):
    """Not an exception that any code catches."""


def test_replacing_writes_beside_and_renames(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file.txt"
    with replacing(path) as temporary:
        assert temporary.parent == path.parent  # a rename over a mount point would not be atomic
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@given(old=st.none() | st.binary(max_size=20), half=st.binary(max_size=20))
def test_replacing_never_leaves_half_a_file(
    old: bytes | None, half: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("replacing", numbered=True) / "file"
    if old is not None:
        path.write_bytes(old)

    def fails_halfway() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(half)
            raise UnexpectedError

    with pytest.raises(UnexpectedError):
        fails_halfway()
    assert [file.read_bytes() for file in path.parent.iterdir()] == ([] if old is None else [old])


def test_replacing_fails_where_nothing_was_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), replacing(path):
        pass
    assert path.read_text() == "old"


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    program = (
        "import os, sys, pathlib\nfrom minillm.files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('ha'); os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, path], check=False).returncode == 9
    assert path.read_text() == "old"
    assert all(file == path or file.name.startswith(".") for file in tmp_path.iterdir())


def test_write_text_is_utf8_with_unix_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "ñ\nb\n")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xb1\nb\n"


def test_write_json_bytes(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"b": [1, 0.1], "a": "ñ"})
    assert (tmp_path / "a").read_bytes() == '{\n "a": "ñ",\n "b": [\n  1,\n  0.1\n ]\n}\n'.encode()
    write_json(tmp_path / "b", {"a": "ñ", "b": [1, 0.1]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_write_json_refuses_what_is_not_json(tmp_path: Path, value: float) -> None:
    write_json(tmp_path / "a", "old")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a", {"loss": value})
    assert read_json(tmp_path / "a") == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


@pytest.mark.parametrize("content", [b'{"a": ', b"", b'"\xff"'])
def test_read_json_names_the_file_and_the_mend(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scores.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"scores\.json is not valid JSON .* delete it and run snakemake again"):
        read_json(path)


def test_write_csv_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [{"b": 0.1 + 0.2, "a": "x"}, {"a": 'ñ, "y"', "b": None}]
    write_csv(path, ["a", "b"], rows)
    assert path.read_bytes() == 'a,b\nx,0.30000000000000004\n"ñ, ""y""",\n'.encode()


def test_write_csv_is_all_or_nothing(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"a": 1}
        raise UnexpectedError

    with pytest.raises(UnexpectedError):
        write_csv(tmp_path / "a.csv", ["a"], rows())
    with pytest.raises(ValueError, match="'b'"):
        write_csv(tmp_path / "a.csv", ["a"], [{"a": 1, "b": 2}])
    assert list(tmp_path.iterdir()) == []


def test_sha256(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")  # the example of FIPS 180-2
    assert sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    path.write_bytes(bytes(300_000))
    assert sha256(path) == hashlib.sha256(bytes(300_000)).hexdigest()
