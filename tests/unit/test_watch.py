"""`minillm watch`: on a terminal (one of the system's) it follows trainings to their end, piped it prints once."""

import csv
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path

import pytest

MINILLM = Path(sys.executable).with_name("minillm")
SECONDS = 30.0  # to wait for what comes at once on a quiet machine


def training(project: Path, model: str = "small", seed: int = 1, run: str = "one") -> Path:
    """The folder of a training that has begun."""
    folder = project / "results" / run / "models" / "corpus" / model / f"seed-{seed}"
    folder.mkdir(parents=True)
    return folder


def measured(folder: Path, validation: list[float], *, speed: float = 1000.0, steps: int = 400) -> None:
    """What the trainer has written after these measurements, one every hundred steps of fifty tokens."""
    history = [("step", "tokens", "train_loss", "validation_loss")]
    history += [(100 * n, 5000 * n, loss / 2, loss) for n, loss in enumerate(validation, start=1)]
    timing = [("step", "steps", "tokens_per_second")]
    timing += [(100 * n, steps, speed) for n in range(1, len(validation) + 1)]
    for name, rows in (("history.csv", history), ("timing.csv", timing)):
        with (folder / f".{name}").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(rows)
        (folder / f".{name}").replace(folder / name)


def ended(folder: Path, early: bool = False) -> None:
    (folder / "outcome.json").write_text(json.dumps({"stopped_early": early}), encoding="utf-8")


def piped(project: Path, *arguments: str, columns: int = 100) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": str(columns)}
    command = [MINILLM, "watch", *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def rows_of(screen: str) -> dict[str, list[str]]:
    """The cells of each training's line, by the name in it."""
    lines = [re.split(r" {2,}", line.strip()) for line in screen.splitlines()]
    return {line[1]: line for line in lines if len(line) == 7}


class Terminal:
    """A program in a terminal of a hundred columns and thirty lines, and what it has written there."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self.master, self.process, self.written = master, process, b""

    @property
    def screen(self) -> str:
        """What is seen: since the cursor was last sent home, without colours and other codes."""
        last = self.written.decode(errors="replace").rsplit("\x1b[H", 1)[-1]
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", last)

    def read_until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < end, self.screen
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.written += os.read(self.master, 65536)
                except OSError:  # Linux says so when the program has closed its end
                    self.process.wait(SECONDS)
                    assert holds(), self.screen
                    return

    def has_ended(self) -> bool:
        return self.process.poll() is not None


@contextmanager
def terminal(project: Path, *arguments: str, lines: int = 30) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, 100, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [MINILLM, "watch", *arguments],
        cwd=project,
        env={**environment, "TERM": "xterm"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)


# Piped


def test_piped_it_prints_once_what_is_known(tmp_path: Path) -> None:
    one, two, three = (training(tmp_path, name) for name in ("big", "small", "waiting"))
    measured(one, [5.5, 4.25])
    measured(two, [6.0, 5.0, 5.125])
    ended(two, early=True)
    found = piped(tmp_path, "one")
    assert (found.returncode, found.stderr) == (0, "")
    assert "\x1b" not in found.stdout
    rows = rows_of(found.stdout)
    assert rows["big, seed 1"][:6] == ["a", "big, seed 1", "200 of 400", "2.125", "4.250", "1,000"]
    # Two hundred steps of fifty tokens at a thousand a second are ten seconds, less what has passed since.
    assert re.fullmatch(r"0 min (10|0\d) s", rows["big, seed 1"][6])
    assert rows["small, seed 1"] == ["b", "small, seed 1", "300 of 400", "2.562", "5.125", "1,000", "stopped early"]
    assert rows["waiting, seed 1"] == ["c", "waiting, seed 1", "–", "–", "–", "–", "–"]
    assert list(rows)[-1] == "small, seed 1"  # what has ended stands below
    chart = found.stdout.partition("model  ")[0]
    assert three.exists()
    assert chart.count("a") > 40
    assert chart.count("b") > 40
    assert "c" not in re.sub("[a-z]{2,}", "", chart)
    assert max(map(len, found.stdout.splitlines())) <= 100


def test_the_charts_show_the_losses(tmp_path: Path) -> None:
    """On both sides the curve falls from the upper left to the lower right, between its own losses."""
    measured(training(tmp_path, "m"), [8.0, 6.0, 4.0])
    lines = piped(tmp_path).stdout.splitlines()
    top, bottom = (
        next(line for line in order if re.search("a", line) and "┤" in line) for order in (lines, lines[::-1])
    )
    assert re.findall(r"[0-9.]+(?=┤)", top) == ["8.00", "4.00"]
    assert re.findall(r"[0-9.]+(?=┤)", bottom) == ["4.00", "2.00"]
    for half in (slice(0, 50), slice(50, 100)):
        assert top[half].index("a") < bottom[half].index("a")
    ends = next(line for line in lines if line.count("100") == 2)
    assert ends.split() == ["100", "150", "200", "250", "300"] * 2


def test_seeds_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for seed in (10, 2, 1):
        measured(training(tmp_path, "m", seed), [5.0])
    assert list(rows_of(piped(tmp_path, "one").stdout)) == ["m, seed 1", "m, seed 2", "m, seed 10"]


def test_a_run_is_found_by_name_by_folder_and_by_its_age(tmp_path: Path) -> None:
    for name, age in (("new", 10), ("old", 1000), ("older", 2000)):
        folder = training(tmp_path, f"of_{name}", run=name)
        measured(folder, [5.0])
        os.utime(folder, (time.time() - age,) * 2)
    for arguments, model in (([], "of_new"), (["old"], "of_old"), ([str(tmp_path / "results/older/")], "of_older")):
        assert f"{model}, seed 1" in rows_of(piped(tmp_path, *arguments).stdout)


def test_what_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    def message(*arguments: str) -> str:
        found = piped(tmp_path, *arguments)
        assert (found.returncode, found.stdout) == (1, "")
        (line,) = found.stderr.splitlines()
        return line

    assert message() == "minillm watch: there are no runs under results/ yet: start one with snakemake"
    assert "'nix'" in message("nix")
    training(tmp_path, run="one")
    training(tmp_path, run="two")
    assert "(there are: one, two)" in message("nix")
    assert message("one").startswith("minillm watch: results/one: nothing has been measured yet")


def test_a_vanishing_file_is_waited_for(tmp_path: Path) -> None:
    """Snakemake removes the tables of a training before it runs again."""
    folder = training(tmp_path)
    measured(folder, [5.0])
    (folder / "timing.csv").unlink()
    assert rows_of(piped(tmp_path).stdout)["small, seed 1"][2:] == ["100", "2.500", "5.000", "–", "–"]


# On a terminal


def test_it_follows_a_training_to_its_end(tmp_path: Path) -> None:
    folder = training(tmp_path)
    with terminal(tmp_path, "one") as seen:
        seen.read_until(lambda: "small, seed 1" in rows_of(seen.screen))
        assert rows_of(seen.screen)["small, seed 1"][2] == "–"
        measured(folder, [5.5])
        seen.read_until(lambda: "100 of 400" in seen.screen and "tokens/s" in seen.screen)
        assert "validation loss by step" in seen.screen
        assert re.search(r"\x1b\[38;5;\d+ma", seen.written.decode())  # in colour
        measured(folder, [5.5, 5.0, 4.5, 4.0])
        ended(folder)
        seen.read_until(seen.has_ended)
        seen.read_until(lambda: "done" in seen.screen)
        assert rows_of(seen.screen)["small, seed 1"][2:] == ["400 of 400", "2.000", "4.000", "1,000", "done"]
        assert seen.process.returncode == 0


def test_while_snakemake_works_another_training_may_begin(tmp_path: Path) -> None:
    folder = training(tmp_path)
    measured(folder, [5.0])
    ended(folder)
    lock = tmp_path / ".snakemake" / "locks" / "0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with terminal(tmp_path) as seen:
        seen.read_until(lambda: "done" in seen.screen)
        time.sleep(2.5)
        assert not seen.has_ended()
        measured(training(tmp_path, "late"), [6.0])
        seen.read_until(lambda: "late, seed 1" in rows_of(seen.screen))
        ended(tmp_path / "results/one/models/corpus/late/seed-1")
        lock.unlink()
        seen.read_until(seen.has_ended)
        assert seen.process.returncode == 0


def test_control_c_ends_it_cleanly(tmp_path: Path) -> None:
    measured(training(tmp_path), [5.0])
    with terminal(tmp_path) as seen:
        seen.read_until(lambda: "small, seed 1" in rows_of(seen.screen))
        seen.process.send_signal(signal.SIGINT)
        seen.read_until(seen.has_ended)
        assert seen.process.returncode == 0
        assert "Traceback" not in seen.written.decode()


def test_many_trainings_fit_the_screen(tmp_path: Path) -> None:
    """Sixty trainings on thirty lines: what does not fit is said, and nothing scrolls."""
    for seed in range(60):
        measured(training(tmp_path, "m", seed), [5.0, 4.0])
    with terminal(tmp_path) as seen:
        seen.read_until(lambda: "more in a higher terminal" in seen.screen)
        assert len(seen.screen.splitlines()) <= 29
        assert "m, seed 0" in rows_of(seen.screen)


def test_its_start_is_quick_and_without_torch(tmp_path: Path) -> None:
    code = "import sys, minillm.cli; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("arguments", [[], ["watchh"], ["watch", "a", "b"]])
def test_a_wrong_command_line_is_explained(arguments: list[str]) -> None:
    found = subprocess.run([MINILLM, *arguments], capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert found.stderr.startswith("usage: minillm")
