"""The learning curves of a run in the terminal, from the files that its trainings write as they go.

Each training has a folder `models/<corpus>/<model>/seed-<n>` in the run's: `history.csv` and `timing.csv` grow with
every measurement, and `outcome.json` appears at the end. A letter names a training in the charts and in the table, so
that nothing hangs on colours.
"""

import csv
import itertools
import shutil
import string
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import plotext

from minillm.files import read_json

RESULTS = Path("results")
SECONDS_BETWEEN_DRAWINGS = 2.0
SIZE = 100, 24  # columns and lines where there is no terminal
LOWEST_CHART, HIGHEST_CHART = 10, 24  # lines
COLOURS = [4, 1, 2, 5, 6, 3]  # of a terminal's own palette, readable on light and dark


@dataclass(frozen=True)
class Training:
    """What is known of one training; a step is an optimizer step, a loss is in nats a token."""

    name: str
    steps: list[int]
    """Those at which it was measured."""
    train_loss: list[float]
    validation_loss: list[float]
    all_steps: int | None
    tokens_per_second: float | None
    seconds_left: float | None
    """Until the last step, as of now; early stopping may end sooner."""
    end: str
    """How it ended, or nothing while it goes on."""


def find_run(name: str | None) -> Path:
    """The folder of a run: under `results/`, anywhere else, or without a name the run that trained last.

    Raises ValueError, naming the runs there are, if it is not there.
    """
    runs = sorted(path.parent for path in RESULTS.glob("*/models"))
    if name is None:
        if not runs:
            raise ValueError(f"there are no runs under {RESULTS}/ yet: start one with snakemake")
        return max(runs, key=_last_change)
    for folder in (RESULTS / name, Path(name)):
        if (folder / "models").is_dir():
            return folder
    known = ", ".join(run.name for run in runs) or "none yet"
    raise ValueError(f"there is no run {name!r} under {RESULTS}/ (there are: {known}), nor a folder with its models/")


def watch(run: Path, screen: TextIO) -> None:
    """Draw a run's trainings: on a terminal again and again until none goes on or Ctrl-C, elsewhere once.

    As long as Snakemake works in the project, another training may begin. Raises ValueError if nothing was measured
    and nothing is to be waited for.
    """
    drawings = itertools.count() if screen.isatty() else range(1)
    try:
        for number in drawings:
            trainings = read_trainings(run)
            goes_on = any(not training.end for training in trainings) or _snakemake_works(run)
            if not any(training.steps for training in trainings) and not (screen.isatty() and goes_on):
                raise ValueError(
                    f"{run}: nothing has been measured yet; call again after the first `evaluate_every` steps"
                )
            width, height = shutil.get_terminal_size(SIZE)
            if screen.isatty():
                lines = draw(run, trainings, width, height - 1)
                clear = "\x1b[2J" if number == 0 else ""
                screen.write(f"{clear}\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
            else:
                screen.write(plotext.uncolorize("\n".join(draw(run, trainings, width, None))) + "\n")
            screen.flush()
            if not goes_on:
                break
            time.sleep(SECONDS_BETWEEN_DRAWINGS)
    except KeyboardInterrupt:
        screen.write("\n")


def read_trainings(run: Path) -> list[Training]:
    """The trainings of a run that have begun, in order of corpus, model and seed."""
    folders = run.glob("models/*/*/seed-*")
    return [_read(folder) for folder in sorted(folders, key=lambda folder: (folder.parts[:-1], int(folder.name[5:])))]


def _read(folder: Path) -> Training:
    history, timing = _rows(folder / "history.csv"), _rows(folder / "timing.csv")
    outcome = read_json(folder / "outcome.json") if (folder / "outcome.json").exists() else None
    all_steps = speed = left = None
    if timing:
        speed = float(timing[-1]["tokens_per_second"])
        all_steps = int(timing[-1]["steps"]) if "steps" in timing[-1] else None
    if history and all_steps and speed and not outcome:
        step = int(history[-1]["step"])
        seconds_per_step = int(history[-1]["tokens"]) / step / speed
        since = time.time() - (folder / "history.csv").stat().st_mtime
        left = max(0.0, (all_steps - step) * seconds_per_step - since)
    end = ""
    if outcome:
        end = "stopped early" if outcome["stopped_early"] else "done"
    return Training(
        name=f"{folder.parent.name}, {folder.name.replace('-', ' ')}",
        steps=[int(row["step"]) for row in history],
        train_loss=[float(row["train_loss"]) for row in history],
        validation_loss=[float(row["validation_loss"]) for row in history],
        all_steps=all_steps,
        tokens_per_second=speed,
        seconds_left=left,
        end=end,
    )


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table that may not be there yet, or no longer."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except FileNotFoundError:
        return []


def _last_change(run: Path) -> float:
    return max((path.stat().st_mtime for path in run.glob("models/*/*/seed-*")), default=0.0)


def _snakemake_works(run: Path) -> bool:
    """Whether a Snakemake holds its lock on the project that the run belongs to."""
    return any((run.resolve().parents[1] / ".snakemake" / "locks").glob("*.lock"))


def draw(run: Path, trainings: list[Training], width: int, height: int | None) -> list[str]:
    """Lines, with colours: a chart of each loss and a line for each training; `height` cuts them off at the end."""
    named = list(zip(itertools.cycle(string.ascii_letters), itertools.cycle(COLOURS), trainings, strict=False))
    table = _table(named)
    room = HIGHEST_CHART if height is None else height - len(table) - 1
    lines = [f"{run}: loss in nats a token, to be compared between models of the same vocabulary only"[:width]]
    if any(training.steps for training in trainings):
        lines += _charts(named, width, min(max(room, LOWEST_CHART), HIGHEST_CHART))
    lines += [line[:width] for line in table]
    if height is not None and len(lines) > height:
        lines = [*lines[: height - 1], "… more in a higher terminal"[:width]]
    return lines


def _charts(named: list[tuple[str, int, Training]], width: int, height: int) -> list[str]:
    """Side by side: the loss on the validation split and on the batches."""
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(width, height)
    plotext.subplots(1, 2)
    for column, title in enumerate(("validation loss", "train loss"), start=1):
        chart = plotext.subplot(1, column)
        chart.theme("clear")
        chart.title(f"{title} by step")
        for letter, colour, training in named:
            if training.steps:
                losses = training.validation_loss if column == 1 else training.train_loss
                chart.plot(training.steps, losses, marker=letter, color=colour)
    return plotext.build().rstrip("\n").split("\n")


def _table(named: list[tuple[str, int, Training]]) -> list[str]:
    """A header and a line for each training, those that go on first."""
    rows = [("", "model", "step", "train", "validation", "tokens/s", "left")]
    for letter, _, training in sorted(named, key=lambda item: bool(item[2].end)):
        step = f"{training.steps[-1]:,}" if training.steps else "–"
        if training.all_steps:
            step += f" of {training.all_steps:,}"
        rows.append(
            (
                letter,
                training.name,
                step,
                f"{training.train_loss[-1]:.3f}" if training.steps else "–",
                f"{training.validation_loss[-1]:.3f}" if training.steps else "–",
                f"{training.tokens_per_second:,.0f}" if training.tokens_per_second else "–",
                training.end or _duration(training.seconds_left),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = "<<>>>><"  # letters and words to the left, numbers to the right
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)).rstrip()
        for row in rows
    ]


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
