"""A headless Chromium, driven through the pipe of its DevTools protocol: no other package is needed."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ["chromium-headless-shell", "chromium", "google-chrome"])), None)
PATIENCE = 30.0  # seconds


class Page:
    """One page. What it complains of, what it asks the network for and what it alerts are kept in `events`."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests, self._answers, self._buffer = requests, answers, b""
        self._sent = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, path: Path, width: int = 1280, height: int = 800) -> None:
        """Show a file in a window of this size in pixels, and forget what happened before."""
        self.events.clear()
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self._call("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("document.readyState === 'complete'")

    def evaluate(self, expression: str, in_frame: bool = False) -> Any:
        """The value of an expression of JavaScript in the page, or in the newest frame inside it."""
        where = {"contextId": self._newest_frame()} if in_frame else {}
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, **where)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str, in_frame: bool = False) -> Any:
        """The value of an expression once it is true."""
        end = time.monotonic() + PATIENCE
        while not (value := self.evaluate(expression, in_frame)):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.05)
        return value

    def press(self, key: str) -> None:
        """Type one character, or Enter."""
        text = "\r" if key == "Enter" else key
        self._call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self._call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def screenshot(self, path: Path) -> None:
        """Save what is to be seen as PNG."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def complaints(self) -> list[Any]:
        """Errors of scripts, errors and warnings of the console, dialogs, and requests that leave the machine."""
        found = []
        for event in self.events:
            method, told = event["method"], event["params"]
            if method in ("Runtime.exceptionThrown", "Page.javascriptDialogOpening"):
                found.append(told)
            elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "assert"):
                found.append(told["args"])
            elif method == "Log.entryAdded" and told["entry"]["level"] == "error":
                found.append(told["entry"])
            elif method == "Network.requestWillBeSent" and not told["request"]["url"].startswith(("file:", "data:")):
                found.append(told["request"]["url"])
        return found

    def close(self) -> None:
        """End the browser."""
        self._session = None
        self._call("Browser.close")

    def _newest_frame(self) -> int:
        """The context of the frame that was made last."""
        self.evaluate("0")  # what has happened meanwhile comes before the answer
        made = [event["params"]["context"] for event in self.events if event["method"].endswith("ContextCreated")]
        return int(made[-1]["id"])

    def _call(self, method: str, **parameters: Any) -> Any:
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._requests, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._sent:
            if "method" in answer:  # an event; what is left is the answer to the closing of a dialog
                self.events.append(answer)
            if answer.get("method") == "Page.javascriptDialogOpening":  # or else the page waits for ever
                closing = {"id": 0, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
                os.write(self._requests, json.dumps({**closing, "sessionId": self._session}).encode() + b"\0")
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def _read(self) -> Any:
        while b"\0" not in self._buffer:
            assert select.select([self._answers], [], [], PATIENCE)[0], "Chromium does not answer"
            read = os.read(self._answers, 1 << 20)
            assert read, "Chromium has ended"
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A browser with an empty profile in this folder."""
    assert PROGRAM is not None
    to_browser, from_browser = os.pipe(), os.pipe()
    # Chromium reads file descriptor 3 and writes 4; ours are moved out of their way first.
    theirs = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (to_browser[0], from_browser[1])]

    def in_their_places() -> None:
        os.dup2(theirs[0], 3)
        os.dup2(theirs[1], 4)

    options = ["--headless", "--remote-debugging-pipe", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # root has none, and the page is our own
    browser = subprocess.Popen(
        [PROGRAM, *options, *sandbox, f"--user-data-dir={profile}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(profile.parent / f"{profile.name}.log").open("wb"),
        pass_fds=(3, 4),
        preexec_fn=in_their_places,  # noqa: PLW1509 - there are no threads
    )
    for end in (to_browser[0], from_browser[1], *theirs):
        os.close(end)
    try:
        page = Page(to_browser[1], from_browser[0])
        yield page
        page.close()
        browser.wait(PATIENCE)
    finally:
        browser.kill()
        browser.wait()
        os.close(to_browser[1])
        os.close(from_browser[0])
