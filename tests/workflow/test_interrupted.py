"""A run that is interrupted goes on when it is called again, without any further option."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from .conftest import Project

MODEL = "results/smoke/models/encyclopedia/baseline/seed-1"
LONG = "models={baseline: {training: {steps: 400, evaluate_every: 100}}}"


def test_control_c(copy_of_finished: Project) -> None:
    """As a terminal sends it: to Snakemake and to the training at once."""
    folder = copy_of_finished.folder / MODEL
    weights = str(Path(MODEL) / "model.safetensors")
    command = [sys.executable, "-m", "snakemake", weights, "--configfile", "config/smoke.yaml", "--config", LONG]
    process = subprocess.Popen(
        command,
        cwd=copy_of_finished.folder,
        env={**os.environ, "PYTHONPATH": str(copy_of_finished.folder / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while not (folder / "checkpoint.pt").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    screen, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "baseline, seed 1: stopped at step" in screen
    assert "Traceback" not in screen
    again = copy_of_finished.snakemake(weights, "--config", LONG)
    assert again.returncode == 0, again.stdout
    assert "baseline, seed 1: going on from step" in again.stdout
    assert "baseline, seed 1: done at step 400" in again.stdout
    assert not (folder / "checkpoint.pt").exists()
