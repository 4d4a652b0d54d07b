"""Messages with a sentiment: its three labels, and the table that the stages of the study share."""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

LABELS = ["negative", "neutral", "positive"]
COLUMNS = ["text", "label", "split"]
_SPANISH = {"negativo": 0, "negativa": 0, "neutro": 1, "neutra": 1, "positivo": 2, "positiva": 2}
_NUMBERS = {**{str(number): number for number in range(3)}, **{name: n for n, name in enumerate(LABELS)}, **_SPANISH}


def label_number(label: str) -> int:
    """0, 1 or 2 for a label in figures or words, English or Spanish. Raises ValueError for any other."""
    number = _NUMBERS.get(label.strip().lower())
    if number is None:
        raise ValueError(f"{label!r} is no label: use 0, 1, 2 or {', '.join(LABELS)} (or negativo, neutro, positivo)")
    return number


def read_messages(path: Path, *splits: str) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Texts and labels of the messages of these splits, in the order of the table of `prepare_messages`."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] in splits]
    return [row["text"] for row in rows], np.array([LABELS.index(row["label"]) for row in rows])
