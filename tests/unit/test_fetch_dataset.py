"""Fetching a file of the registry from a server on loopback: whole, interrupted and continued, wrong, refused."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from minillm.corpus import fetch_dataset as module
from minillm.corpus.fetch_dataset import fetch_dataset

CONTENT = bytes(range(256)) * 2_000
SUM = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT; `faults` are played first, one a request, and the requests' headers are kept."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults: list[Callable[[Handler], None]] = []
        self.requests: list[dict[str, str]] = []
        self.ranges = True
        self.url = f"http://127.0.0.1:{self.server_address[1]}/folder/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(dict(self.headers))
        if self.server.faults:
            self.server.faults.pop(0)(self)
        else:
            self.content(len(CONTENT))

    def content(self, end: int) -> None:
        """The bytes from where the client asks for them to `end`, which may be too early."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and self.server.ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if asked and self.server.ranges else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:end])

    def log_message(self, *_: object) -> None:
        """Not on the screen of the tests."""


def cut_at(end: int) -> Callable[[Handler], None]:
    return lambda handler: handler.content(end)


def answer(status: int, **headers: str) -> Callable[[Handler], None]:
    def play(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return play


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited."""
    monkeypatch.setattr(module, "CHUNK", 500)
    seconds: list[float] = []
    monkeypatch.setattr(module.time, "sleep", seconds.append)
    return seconds


def test_a_whole_file(server: Server, tmp_path: Path) -> None:
    output = tmp_path / "downloads" / "file.bin"
    fetch_dataset(server.url, SUM, "me@example.org", output)
    assert output.read_bytes() == CONTENT
    assert [path.name for path in output.parent.iterdir()] == ["file.bin"]
    (request,) = server.requests
    assert re.fullmatch(r"miniLLM/[\d.]+ \(me@example\.org\)", request["User-Agent"])
    assert "Range" not in request


def test_without_a_contact_none_is_told(server: Server, tmp_path: Path) -> None:
    fetch_dataset(server.url, SUM, "", tmp_path / "file.bin")
    assert re.fullmatch(r"miniLLM/[\d.]+", server.requests[0]["User-Agent"])


def test_interruptions_are_continued(server: Server, tmp_path: Path, waits: list[float]) -> None:
    server.faults = [cut_at(100_000), answer(503), cut_at(100_000), cut_at(300_000)]
    fetch_dataset(server.url, SUM, "", tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    ranges = ["", "bytes=100000-", "bytes=100000-", "bytes=100000-", "bytes=300000-"]
    assert [request.get("Range", "") for request in server.requests] == ranges
    assert waits == [2, 4, 8, 2]  # a failure after which something has come is the first one again


def test_a_server_that_sends_no_parts_sends_it_all_again(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.faults = [cut_at(100_000)]
    fetch_dataset(server.url, SUM, "", tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_run_goes_on_where_another_was_killed(server: Server, tmp_path: Path) -> None:
    for kept in (CONTENT[:1_000], CONTENT):
        (tmp_path / ".file.bin.part").write_bytes(kept)
        fetch_dataset(server.url, SUM, "", tmp_path / "file.bin")
        assert (tmp_path / "file.bin").read_bytes() == CONTENT
        assert server.requests[-1]["Range"] == f"bytes={len(kept)}-"


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("100000", 120), ("Sat, 01 Jan 2000 00:00:00 GMT", 0)])
def test_the_server_says_how_long_to_wait(
    server: Server, tmp_path: Path, waits: list[float], header: str, seconds: float
) -> None:
    server.faults = [answer(429, Retry_After=header)]
    fetch_dataset(server.url, SUM, "", tmp_path / "file.bin")
    assert waits == [seconds]


@pytest.mark.parametrize("damage", ["another file", "a bad start"])
def test_a_wrong_sum(server: Server, tmp_path: Path, damage: str) -> None:
    wrong = SUM
    if damage == "another file":
        wrong = "0" * 64
    else:
        (tmp_path / ".file.bin.part").write_bytes(b"not its start")
    with pytest.raises(ValueError, match=rf"is not the file of the registry: its SHA-256 is \w+, not {wrong}") as error:
        fetch_dataset(server.url, wrong, "", tmp_path / "file.bin")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_stays_away(server: Server, tmp_path: Path, waits: list[float]) -> None:
    server.faults = [cut_at(1_000)] + [answer(503)] * 9
    with pytest.raises(ValueError, match=r"could not be fetched \(503 .*call snakemake again to go on"):
        fetch_dataset(server.url, SUM, "", tmp_path / "file.bin")
    assert len(server.requests) == module.TRIES
    assert (tmp_path / ".file.bin.part").read_bytes() == CONTENT[:1_000]


def test_a_file_that_is_not_there(server: Server, tmp_path: Path, waits: list[float]) -> None:
    server.faults = [answer(404)]
    with pytest.raises(ValueError, match=r"could not be fetched \(404"):
        fetch_dataset(server.url, SUM, "", tmp_path / "file.bin")
    assert (len(server.requests), waits) == (1, [])
