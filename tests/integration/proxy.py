"""A server in front of a real one that counts what is asked, and sometimes misbehaves as real servers do."""

import struct
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SO_LINGER, SOL_SOCKET
from typing import Any


class Proxy(ThreadingHTTPServer):
    """Passes GET requests on to `target`; the next request meets the first of `faults`, which is then gone."""

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.faults: list[Fault] = []
        self.asked: list[dict[str, str]] = []  # the parameters of each request
        self.agents: list[str] = []
        self.delay = 0.0  # seconds before each answer

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed are no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        self.server.asked.append(dict(urllib.parse.parse_qsl(self.path.partition("?")[2])))
        self.server.agents.append(self.headers["User-Agent"])
        time.sleep(self.server.delay)
        if self.server.faults:
            self.server.faults.pop(0)(self)
        else:
            self.answer(*self.real())

    def real(self, path: str = "") -> tuple[int, dict[str, str], bytes]:
        """What the real server answers to this request, or to another one."""
        request = urllib.request.Request(self.server.target + (path or self.path)[1:], headers=dict(self.headers))
        with urllib.request.urlopen(request) as response:
            kept = {"Content-Type", "Content-Encoding", "Retry-After", "X-Database-Lag"}
            headers = {name: value for name, value in response.headers.items() if name in kept}
            return response.status, headers, response.read()

    def answer(self, status: int, headers: Mapping[str, str], body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length or len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 (its name in the base class)
        """Nothing on the screen."""


Fault = Callable[[_Handler], None]


def answer(status: int, body: str = "", **headers: str) -> Fault:
    """An answer of this status; underscores in the names of headers are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.answer(status, named, body.encode())


def api_error(code: str, **headers: str) -> Fault:
    """An error as the API reports it, with status 200."""
    body = f'{{"error": {{"code": "{code}", "info": "what happened"}}}}'
    return answer(200, body, Content_Type="application/json", **headers)


def real_lag(handler: _Handler) -> None:
    """The real server's own answer to a client that accepts less lag than it has, which is none."""
    handler.answer(*handler.real(handler.path.replace("maxlag=5", "maxlag=-9")))


def cut_short(handler: _Handler) -> None:
    """Half of the real answer."""
    status, headers, body = handler.real()
    handler.answer(status, headers, body[: len(body) // 2], length=len(body))


def bad_gzip(handler: _Handler) -> None:
    """What says that it is compressed, and is not."""
    handler.answer(200, {"Content-Encoding": "gzip", "Content-Type": "application/json"}, b"no gzip at all")


def reset(handler: _Handler) -> None:
    """The connection breaks off."""
    handler.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def silence(handler: _Handler) -> None:
    """Nothing for longer than a client of the tests waits."""
    time.sleep(1)


@contextmanager
def proxy(target: str) -> Iterator[Proxy]:
    """A proxy that runs in a thread."""
    with Proxy(target) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
