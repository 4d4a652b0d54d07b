"""Checkpoints: everything that is needed to go on with a training run as if it had not stopped.

A checkpoint carries a fingerprint of data, code and settings. One with another fingerprint belongs to another
experiment: it is set aside and training starts anew. Files are read with `weights_only`, so that none can run code.
"""

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from minillm.files import replacing, sha256

_log = logging.getLogger(__name__)


def fingerprint(files: Iterable[Path], settings: Iterable[object]) -> str:
    """A digest of the contents of files and of the settings' representations, in their order."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(sha256(path).encode())
    for setting in settings:
        digest.update(repr(setting).encode())
    return digest.hexdigest()


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, atomically."""
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load(path: Path, expected: str) -> dict[str, Any] | None:
    """The checkpoint at `path`, or None if there is none of this experiment (a foreign one is set aside)."""
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if state["fingerprint"] == expected:
            return state
        reason = "it belongs to other data, code or settings"
    except Exception as error:  # a damaged file makes torch raise almost anything
        reason = f"it cannot be read ({' '.join(str(error).split())[:120]})"
    aside = path.with_suffix(".set-aside.pt")
    path.replace(aside)
    _log.warning("%s: %s; set aside as %s, training starts anew", path, reason, aside.name)
    return None
