"""Which articles are fetched and which are kept: plain values, with what must be true of them.

The Snakefile checks the config with these, so nothing heavy is imported here.
"""

import ipaddress
import re
import urllib.parse
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge, Interval

Share = Annotated[float, Interval(gt=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Which articles are downloaded: random ones, or those that one of `category`, `titles` and `lock` names."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "use_attribute_docstrings": True}

    articles: Annotated[int, Ge(1)] = 1000
    """Random articles, or articles of the category, that pass the filters."""
    category: str | None = None
    """Name of a category, with or without its prefix."""
    depth: Annotated[int, Ge(0)] = 0
    """Levels of subcategories that belong to the category."""
    titles: str | None = None
    """Path of a text file with one title a line."""
    lock: str | None = None
    """Path of a `corpus.lock.csv`, whose revisions are fetched."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What an article must be to stay, and how the articles are split.

    Similarities are Jaccard indices of the sets of five-word shingles.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "use_attribute_docstrings": True}

    min_characters: Annotated[int, Ge(0)] = 500
    """Characters of clean text that an article needs at least."""
    max_list_share: Annotated[float, Interval(ge=0, le=1)] = 0.6
    """Share of lines from lists or tables above which a page counts as a list."""
    copy_similarity: Share = 0.8
    """From this similarity on, the article with the larger page id is dropped as a copy."""
    skeleton_cap: Annotated[int, Ge(1)] = 20
    """Articles that may share their first three sentences but for numbers and names; which ones, the seed decides."""
    cluster_similarity: Share = 0.4
    """From this similarity on, two articles go to the same split."""
    shares: dict[str, Share] = field(default_factory=lambda: {"train": 0.70, "validation": 0.15, "test": 0.15})
    """Shares of the articles in the three splits; they sum to 1."""
    seed: int = 1
    """Chooses which clusters go to which split."""


def check_address(address: str) -> None:
    """Raise ValueError unless `address` is that of a folder that can hold api.php."""
    parts = urllib.parse.urlsplit(address)
    problem = ""
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.port == 0:
        problem = "is no address of a wiki"
    elif parts.query or parts.fragment or not parts.path.endswith("/"):
        problem = "is no address of a folder"
    elif parts.scheme == "http" and not is_loopback(address):
        problem = "is not encrypted: only a wiki on this machine may be asked without https"
    if problem:
        raise ValueError(f"{address!r} {problem}; give the folder of api.php, such as https://es.wikipedia.org/w/")


def check_contact(contact: str) -> None:
    """Raise ValueError unless `contact` can stand in a User-Agent and lead to a person."""
    if not re.fullmatch(r"[!-'*-z~]+", contact) or not ("@" in contact or "://" in contact):
        raise ValueError(f"{contact!r} is no contact: give an e-mail address or the address of a web page")


def is_loopback(address: str) -> bool:
    """Whether an address is on this machine."""
    host = urllib.parse.urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
