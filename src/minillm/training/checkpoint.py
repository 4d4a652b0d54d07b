"""Checkpoints: everything that is needed to go on with a training run as if it had not stopped.

A checkpoint carries a fingerprint of data, code and settings. One with another fingerprint belongs to another
experiment and is set aside. The checkpoint before the last is kept, in case the last is damaged. Files are read with
`weights_only`, so that none can run code.
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
    """Write a checkpoint, atomically; the one before is kept beside it. Raises OSError if it cannot be written."""
    with replacing(path) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # what torch makes of it, without the system's reason
            raise OSError(f"{path} cannot be written whole: is the disk full?") from error
        if path.exists():
            path.replace(_previous(path))


def load(path: Path, expected: str) -> dict[str, Any] | None:
    """The checkpoint at `path`, or the one before if that is damaged or missing, or None if there is none of this
    experiment. What is damaged or foreign is set aside.
    """
    for file in (path, _previous(path)):
        if not file.exists():
            continue
        try:
            state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
            if state["fingerprint"] == expected:
                return state
            reason = "it belongs to other data, code or settings"
        except Exception as error:  # a damaged file makes torch raise almost anything
            reason = f"it cannot be read ({' '.join(str(error).split())[:120]})"
        aside = file.with_suffix(".set-aside.pt")
        file.replace(aside)
        _log.warning("%s: %s; set aside as %s", file, reason, aside.name)
    return None


def remove(path: Path) -> None:
    """Delete a checkpoint and the one before it."""
    path.unlink(missing_ok=True)
    _previous(path).unlink(missing_ok=True)


def _previous(path: Path) -> Path:
    return path.with_suffix(".previous.pt")
