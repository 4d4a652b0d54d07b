"""Fetch a file of the registry of data sets (config/sources.yaml) from its address, and verify it.

What has come is kept beside the output under a temporary name until it is whole, so that an interrupted download goes
on where it stopped, in this run or the next. Only a file with the SHA-256 of the registry gets its name.
"""

import logging
import time
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path

import requests

from minillm.files import sha256 as sha256_of
from minillm.stage import run_stage

_log = logging.getLogger(__name__)

TRIES = 5  # interruptions in a row in which nothing came
TIMEOUT = 60  # seconds without a byte
LONGEST_WAIT = 120  # seconds
CHUNK = 1 << 16  # bytes; what is short of one is lost in an interruption
BUSY = (408, 429, 500, 502, 503, 504)  # HTTP answers that pass


def fetch_dataset(url: str, sha256: str, contact: str, output: Path) -> None:
    """Fetch `url` to `output`; `contact` is told to the server as the operator's address, unless it is empty.

    Raises ValueError if the server refuses, the download stays interrupted or the SHA-256 is another.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(f".{output.name}.part")
    agent = f"miniLLM/{version('minillm')}" + (f" ({contact})" if contact else "")
    failures = 0
    while True:
        before = _size(part)
        try:
            _go_on(url, agent, part)
            break
        except requests.RequestException as error:
            failures = 1 if _size(part) > before else failures + 1
            refused = error.response is not None and error.response.status_code not in BUSY
            if refused or failures == TRIES:
                raise ValueError(f"{url} could not be fetched ({error}); call snakemake again to go on") from error
            wait = _wait(error.response, failures)
            _log.warning("%s after %d bytes; next try in %.0f s", error, _size(part), wait)
            time.sleep(wait)
    found = sha256_of(part)
    if found != sha256:
        part.unlink()
        raise ValueError(
            f"{url} is not the file of the registry: its SHA-256 is {found}, not {sha256}; it was deleted. "
            "Correct datasets in config/sources.yaml if the file has changed and you trust it"
        )
    part.replace(output)


def _go_on(url: str, agent: str, part: Path) -> None:
    """Append what is missing to `part`, or begin anew where the server cannot send a part."""
    # Compressed on the way, a file could not be continued.
    headers = {"User-Agent": agent, "Accept-Encoding": "identity"}
    if size := _size(part):
        headers["Range"] = f"bytes={size}-"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # nothing is missing; the sum says whether it is right
        response.raise_for_status()
        mode = "ab" if response.status_code == requests.codes.partial_content else "wb"
        with part.open(mode) as file:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _wait(response: requests.Response | None, failures: int) -> float:
    """Seconds until the next try: what the server asks for, or twice as long each time."""
    asked = "" if response is None else response.headers.get("Retry-After", "")
    if asked.isdecimal():
        return min(float(asked), LONGEST_WAIT)
    try:
        return min(max(parsedate_to_datetime(asked).timestamp() - time.time(), 0.0), LONGEST_WAIT)
    except ValueError:
        return float(2**failures)


if __name__ == "__main__":
    run_stage(fetch_dataset)
