"""Ask the action API of a MediaWiki as its operators wish: one request at a time, with a contact, and patiently.

mwclient opens the session and reads the JSON. Its own retries are off, because version 0.11 gives up on 429 and on a
body that is cut short, and ignores Retry-After. Every answer is kept in a file named by its request, so that an
interrupted download goes on where it was, and a second one asks nothing.
"""

import gzip
import hashlib
import json
import logging
import random
import re
import sys
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from time import sleep
from typing import Any

import mwclient
import requests
from mwclient.errors import APIError, InvalidResponse, MaximumRetriesExceeded, MwClientError
from tqdm import tqdm

from minillm.corpus.config import check_address, check_contact, is_loopback
from minillm.files import replacing

_log = logging.getLogger(__name__)

VALUES = 50  # titles or ids that a wiki takes in one request
ADDRESS_BYTES = 6_000  # of the titles in one address; servers refuse addresses that are longer than 8,000
TRIES = 8  # of one request
FIRST_WAIT, LONGEST_WAIT = 5.0, 120.0  # seconds between tries, where the server names no time
LONGEST_ORDER = 900.0  # seconds; who is told to wait for longer stops, and is called again later
TIMEOUT = 60  # seconds without a byte
# Errors of the API that pass; those that begin with internal_api_error_ do too.
PASSING = {"maxlag", "ratelimited", "readonly"}


@dataclass(frozen=True)
class Answer:
    """What the API said, as decoded JSON, and on which day (UTC, ISO 8601) it was asked."""

    data: dict[str, Any]
    date: str


@dataclass(frozen=True)
class Texts:
    """Revisions with their text, and what was asked for and has none.

    rows: the columns of `tables.RAW` that a wiki knows, and `retrieved`, a date. without: why, by title or id as it was
    asked for: missing, invalid, hidden, or altered (the text does not match its SHA-1).
    """

    rows: list[dict[str, Any]]
    without: dict[str, str]


class _PassingError(Exception):
    """A failure that a later try may not meet."""


def say(message: str) -> None:
    """Tell it on the screen, above the progress bar, and in the log."""
    _log.warning(message)
    tqdm.write(message, file=sys.stdout)
    sys.stdout.flush()


class WikiApi:
    """The API of the wiki whose api.php lies in the folder `address`; answers are kept in the folder `cache`.

    `requests` counts what was really sent.
    """

    def __init__(self, address: str, contact: str, cache: Path) -> None:
        check_address(address)
        self.address = address
        self.contact = contact
        self.cache = cache
        self.requests = 0
        self._site: mwclient.Site | None = None
        self._retry_after: float | None = None

    def ask(self, parameters: dict[str, str], draw: int | None = None) -> Answer:
        """The answer to one query, from the cache if it is there and whole.

        `draw` is the number of a query that is answered differently each time: draws are kept apart and repeated from
        the cache. Raises ValueError if the wiki refuses the query, or cannot answer it after all tries.
        """
        request = {"wiki": self.address, "draw": draw, "parameters": parameters}
        name = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:32]
        path = self.cache / f"{name}.json.gz"
        answer = _read(path, request)
        if answer is None:
            date = datetime.now(UTC).date().isoformat()
            answer = Answer(self._request(parameters), date)
            for slot in _altered(answer.data):
                # The body is whole, so the wiki has changed it on the way out; asking again would not help.
                del slot["content"]
                slot["altered"] = True
            with replacing(path) as temporary:
                content = json.dumps({"request": request, "date": date, "data": answer.data}, ensure_ascii=False)
                temporary.write_bytes(gzip.compress(content.encode(), mtime=0))
        return answer

    def rounds(self, parameters: dict[str, str]) -> Iterator[Answer]:
        """The answers to a query and to its continuations, until the wiki says that there is no more."""
        more: dict[str, str] = {}
        while True:
            answer = self.ask({**parameters, **more})
            yield answer
            following = answer.data.get("continue")
            if not following:
                return
            if following == more:
                raise ValueError(
                    f"{self.address} continues at {more} for ever: a page is larger than its answers may be"
                )
            more = following

    def texts(self, kind: str, values: list[str]) -> Texts:
        """Texts by `titles`, `pageids` or `revids`, at most `VALUES` of them; an answer that is cut short is completed.

        Titles are followed through normalisation and redirects; two that lead to one page give one row.
        """
        parameters = {
            "prop": "revisions",
            kind: "|".join(values),
            "rvprop": "ids|timestamp|content|slotsha1",
            "rvslots": "main",
        }
        if kind == "titles":
            parameters["redirects"] = "1"
        leads: dict[str, str] = {}  # from a title to the one that the wiki went on with
        rows: dict[str, dict[str, Any]] = {}  # these two by title or id
        reasons: dict[str, str] = {}
        for answer in self.rounds(parameters):
            query = answer.data.get("query", {})
            for step in ("normalized", "converted", "redirects"):
                leads |= {entry["from"]: entry["to"] for entry in query.get(step, [])}
            for page in query.get("pages", []):
                if "invalid" in page:
                    reasons[page["title"]] = "invalid"
                for revision in page.get("revisions", []):
                    name = str({"titles": page["title"], "pageids": page["pageid"], "revids": revision["revid"]}[kind])
                    slot = revision.get("slots", {}).get("main", {})
                    if "content" in slot:
                        rows[name] = _row(page, revision, slot) | {"retrieved": answer.date}
                    else:
                        reasons[name] = "altered" if "altered" in slot else "hidden"
        names = {value: _end(value, leads) for value in values}
        return Texts(
            rows=[rows[name] for name in dict.fromkeys(names.values()) if name in rows],
            without={value: reasons.get(name, "missing") for value, name in names.items() if name not in rows},
        )

    def _request(self, parameters: dict[str, str]) -> dict[str, Any]:
        """Send one query until it is answered."""
        site = self._site or self._connect()
        reason = ""
        for attempt in range(TRIES):
            if attempt:
                self._wait(attempt, reason)
            self.requests += 1
            self._retry_after = None
            try:
                answer = site.get("query", formatversion="2", maxlag="5", retry_on_error=False, **parameters)
                if "query" in answer:
                    return answer
                reason = "the answer is empty"
            except APIError as error:
                if error.code not in PASSING and not error.code.startswith("internal_api_error_"):
                    raise ValueError(f"{self.address} refuses a query: {error.info} ({error.code})") from error
                reason = f"{error.code}: {error.info}"
            except MaximumRetriesExceeded:  # what mwclient makes of two errors when it must not retry
                reason = "internal_api_error: the wiki's database failed"
            except InvalidResponse as error:
                reason = f"the answer is no JSON: {_plain(error.response_text)}"
            except (_PassingError, requests.RequestException) as error:
                reason = _cause(error)
            except MwClientError as error:
                raise ValueError(f"{self.address}: {error or type(error).__name__}") from error
        raise ValueError(
            f"{self.address} has not answered in {TRIES} tries (the last: {reason}); call again later: what has been "
            "downloaded is kept"
        )

    def _connect(self) -> mwclient.Site:
        parts = urllib.parse.urlsplit(self.address)
        if self.contact:
            check_contact(self.contact)
        elif not is_loopback(self.address):
            raise ValueError(
                f"{parts.hostname} wants to know whom to write to if this program disturbs it: say it with "
                "--config contact=you@example.org, or make wikipedia CONTACT=you@example.org"
            )
        self._site = mwclient.Site(
            parts.netloc,
            path=parts.path,
            scheme=parts.scheme,
            clients_useragent=f"miniLLM/{version('minillm')} ({self.contact or 'on this machine'})",
            max_retries=0,
            do_init=False,
            connection_options={"timeout": TIMEOUT},
        )
        self._site.connection.hooks["response"].append(self._check)
        return self._site

    def _check(self, response: requests.Response, **_: Any) -> None:
        """See status and headers before mwclient does; ValueError if another try would not help."""
        self._retry_after = _seconds(response.headers.get("Retry-After"))
        response.headers.pop("X-Database-Lag", None)  # mwclient would wait by itself; the body says «maxlag» as well
        status = f"{response.status_code} {response.reason}"
        if response.status_code == 429 or response.status_code >= 500:
            raise _PassingError(status)
        if response.status_code >= 400:
            raise ValueError(f"{self.address} answers {status}: {_plain(response.text)}")
        if response.status_code >= 300:
            raise ValueError(f"{self.address} has moved to {response.headers.get('Location')}: change `wiki` to it")

    def _wait(self, attempt: int, reason: str) -> None:
        """Wait as long as the server says, else longer each time, with a chance so that not all come back at once."""
        seconds = self._retry_after
        if seconds is None:
            seconds = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)) * random.uniform(0.5, 1)
        elif seconds > LONGEST_ORDER:
            raise ValueError(
                f"{self.address} asks to wait for {seconds / 60:.0f} minutes ({reason}); call again then: "
                "what has been downloaded is kept"
            )
        say(f"{self.address}: {reason}; next try in {seconds:.0f} s ({attempt + 1} of {TRIES})")
        sleep(seconds)


def batches(values: Iterable[str]) -> Iterator[list[str]]:
    """Values in groups that fit in one request."""
    batch: list[str] = []
    size = 0
    for value in values:
        length = len(urllib.parse.quote(value)) + len("%7C")
        if batch and (len(batch) == VALUES or size + length > ADDRESS_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(value)
        size += length
    if batch:
        yield batch


def _read(path: Path, request: dict[str, Any]) -> Answer | None:
    """What is in the cache, or None if it is not there or damaged."""
    try:
        kept = json.loads(gzip.decompress(path.read_bytes()))
        answer = Answer(kept["data"], kept["date"])
        if kept["request"] == request and not any(_altered(answer.data)):
            return answer
    except FileNotFoundError:
        return None
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        _log.info("%s: %s", path, error)
    _log.warning("%s is damaged; it is asked for again", path)
    return None


def _altered(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The slots whose text does not match its SHA-1."""
    for page in data.get("query", {}).get("pages", []):
        for revision in page.get("revisions", []):
            for slot in revision.get("slots", {}).values():
                if "content" in slot and _sha1(slot["content"]) != slot.get("sha1"):
                    yield slot


def _row(page: dict[str, Any], revision: dict[str, Any], slot: dict[str, Any]) -> dict[str, Any]:
    return {
        "page_id": page["pageid"],
        "rev_id": revision["revid"],
        "title": page["title"],
        "timestamp": revision["timestamp"],
        "sha1": slot["sha1"],
        "namespace": page["ns"],
        "content_model": slot["contentmodel"],
        "wikitext": slot["content"],
    }


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def _end(title: str, leads: dict[str, str]) -> str:
    """Where a title leads; redirects that go round in a circle end somewhere on it."""
    seen = set()
    while title in leads and title not in seen:
        seen.add(title)
        title = leads[title]
    return title


def _seconds(header: str | None) -> float | None:
    """What Retry-After says, which is seconds or a date; a second at least."""
    if header is None:
        return None
    if re.fullmatch(r"\s*\d+(\.\d+)?\s*", header):
        return max(1.0, float(header))
    try:
        return max(1.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _plain(text: str | None) -> str:
    """The first words of an answer, without its tags."""
    return " ".join(re.sub(r"<style.*?</style>|<[^>]*>", " ", (text or "")[:5_000], flags=re.DOTALL).split())[:300]


def _cause(error: BaseException) -> str:
    """A network error in a few words: its kind, and what lies beneath."""
    root = error
    while root.__context__ is not None:
        root = root.__context__
    return f"{type(error).__name__}: {root}" if root is not error else str(error)
