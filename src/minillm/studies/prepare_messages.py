"""Read messages with a sentiment and say which are for training, for validation and for the test.

They come from a CSV file, of which a part is kept for the test, from two (train, test), or from a data set in the form
of Hugging Face's. A text that occurs twice is kept once, in the test if it is there, so that none is trained on and
tested. The validation part, by which weights are chosen, is cut from what is trained on. Every part has the labels in
the shares of what it is cut from.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minillm.files import read_utf8, write_csv
from minillm.stage import run_stage
from minillm.studies.messages import COLUMNS, LABELS, label_number
from minillm.text import normalise
from minillm.training.progress import say

TEST_SHARE = 0.25  # of a single table
VALIDATION_SHARE = 0.2  # of the messages to train on
FEWEST = 3  # messages of each label in each part


class Row(NamedTuple):
    """What a table says, and where."""

    place: str
    text: str
    label: str


class Message(NamedTuple):
    """A normalised text and its label, 0 to 2."""

    text: str
    label: int


def prepare_messages(
    data: list[str], text_column: str, label_column: str, train: int, test: int, seed: int, output: Path
) -> None:
    """Write at most so many messages to train on, validation included, and to test on, with their split.

    `data` are one or two CSV files, or a data set: a name on the hub or a folder. `seed` decides which messages are
    taken. Rows without text are left out. Raises ValueError, with file and row, for what cannot be used.
    """
    columns = text_column, label_column
    is_csv = data[0].endswith(".csv")
    tables = [_read_csv(Path(name), *columns) for name in data] if is_csv else _read_data_set(data[0], *columns)
    *first, last = (_messages(table) for table in tables)
    seen: set[str] = set()
    tested = _unique(last, seen)
    if first:
        trained = _unique(first[0], seen)
    else:
        tested, trained = _cut(tested, round(TEST_SHARE * len(tested)), seed)
    twice = sum(map(len, [*first, last])) - len(trained) - len(tested)
    if twice:
        say(f"sentiment: {twice} messages left out that occur twice")
    tested, trained = _cut(tested, test, seed)[0], _cut(trained, train, seed)[0]
    validation, trained = _cut(trained, round(VALIDATION_SHARE * len(trained)), seed)
    parts = {"train": trained, "validation": validation, "test": tested}
    _check(parts, " and ".join(data))
    write_csv(
        output,
        COLUMNS,
        (
            {"text": message.text, "label": LABELS[message.label], "split": split}
            for split, messages in parts.items()
            for message in messages
        ),
    )


def _read_csv(path: Path, text_column: str, label_column: str) -> Iterator[Row]:
    table = csv.DictReader(io.StringIO(read_utf8(path), newline=""))
    try:
        _need_columns(str(path), table.fieldnames or [], text_column, label_column)
        for row in table:
            yield Row(f"{path}, line {table.line_num}", row[text_column] or "", row[label_column] or "")
    except csv.Error as error:
        raise ValueError(f"{path}, line {table.line_num}: {error}; is a quotation mark not closed?") from error


def _read_data_set(name: str, text_column: str, label_column: str) -> list[Iterator[Row]]:
    """The splits train and test of a data set, or the only one it has."""
    try:
        import datasets  # noqa: PLC0415 (optional)
    except ImportError as error:
        raise ValueError(
            f"{name}: to read a data set of Hugging Face install the package datasets (pip install '.[hub]'), or give "
            "CSV files"
        ) from error
    datasets.disable_progress_bars()
    try:
        splits = datasets.load_dataset(name)
    except Exception as error:  # whatever is wrong with the network, the name or the files
        reason = str(error).strip().partition("\n")[0].rstrip(" .")
        raise ValueError(
            f"{name}: no data set can be read from there ({reason}); give its name on the hub, a folder of CSV, JSON "
            "lines or Parquet files, or CSV files themselves"
        ) from error
    named = [split for split in ("train", "test") if split in splits] or list(splits)[:1]
    for split in named:
        _need_columns(f"{name}, {split}", splits[split].column_names, text_column, label_column)
    return [_rows(f"{name}, {split}", splits[split], text_column, label_column) for split in named]


def _rows(place: str, split: Any, text_column: str, label_column: str) -> Iterator[Row]:
    names = getattr(split.features[label_column], "names", None)  # of numbers that stand for classes
    for number, row in enumerate(split, start=1):
        label = row[label_column]
        label = names[label] if names and label is not None else label
        yield Row(f"{place}, row {number}", str(row[text_column] or ""), "" if label is None else str(label))


def _need_columns(place: str, found: Iterable[str], *columns: str) -> None:
    for column in columns:
        if column not in found:
            raise ValueError(
                f"{place}: there is no column {column!r} (there are: {', '.join(found) or 'none'}); set text_column "
                "and label_column of studies.sentiment"
            )


def _messages(rows: Iterable[Row]) -> list[Message]:
    """The messages of a table, but for those without text."""
    messages, empty = [], []
    for place, text, label in rows:
        if text := normalise(text):
            try:
                messages.append(Message(text, label_number(label)))
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from error
        else:
            empty.append(place)
    if empty:
        say(f"sentiment: {len(empty)} messages left out that have no text; the first is {empty[0]}")
    return messages


def _unique(messages: list[Message], seen: set[str]) -> list[Message]:
    """The messages whose text, capitals or not, is not in `seen` yet, to which it is added."""
    kept = []
    for message in messages:
        if (key := message.text.casefold()) not in seen:
            seen.add(key)
            kept.append(message)
    return kept


def _cut(messages: list[Message], wanted: int, seed: int) -> tuple[list[Message], list[Message]]:
    """So many messages, or all if there are fewer, with the shares of the labels kept; and the others."""
    if wanted >= len(messages):
        return messages, []
    labels = np.array([message.label for message in messages])
    shuffled = np.random.default_rng(seed).permutation(len(messages))
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    # At equal distances in a list that is sorted by label: of each label its share, give or take one.
    taken = set(by_label[((np.arange(wanted) + 0.5) * len(messages) / wanted).astype(int)].tolist())
    both: tuple[list[Message], list[Message]] = [], []
    for place, message in enumerate(messages):
        both[place not in taken].append(message)
    return both


def _check(parts: dict[str, list[Message]], source: str) -> None:
    """Raises ValueError unless there are two labels at least, and enough of each in each part."""
    labels = sorted({message.label for messages in parts.values() for message in messages})
    if len(labels) < 2:
        found = ", ".join(LABELS[label] for label in labels) or "none"
        raise ValueError(f"{source}: there is nothing to tell apart with these labels: {found}; give messages of two")
    for split, messages in parts.items():
        for label in labels:
            if (number := sum(message.label == label for message in messages)) < FEWEST:
                raise ValueError(
                    f"{source}: {number} {LABELS[label]} messages for the {split} part are too few, it takes {FEWEST}; "
                    "give more messages, or raise train and test of studies.sentiment"
                )


if __name__ == "__main__":
    run_stage(prepare_messages)
