"""Mutation tests: with a mistake that flatters a model put into the code, the test that guards against it goes red.

Each mistake is one line of a copy of the package; the same test is green in the suite. That the article's gates find
articles of the train split in the test split is tested in `test_gates.py`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MISTAKES = {
    "no causal mask": (
        "model/attention.py",
        "causal = causal and query_BHTK.shape[2] > 1",
        "causal = False",
        "test_causality.py::test_with_the_mask_none_does",
    ),
    "labels that are not shifted": (
        "evaluation/score.py",
        "full[w.document][w.end - w.counted + 1 : w.end + 1]",
        "full[w.document][w.end - w.counted : w.end]",
        "test_score.py::test_a_model_that_knows_the_next_token_pays_nothing",
    ),
    "padding counted in the loss of training": (
        "training/objective.py",
        "real_N = targets_N != PAD",
        "real_N = targets_N >= 0",
        "test_objective.py::test_loss_and_counts_know_no_smoothing",
    ),
    "predictions on padding counted in evaluation": (
        "evaluation/perplexity.py",
        '"predicted": np.bincount(scores.predicted, minlength=size)',
        '"predicted": np.bincount(scores.predicted, minlength=size) + predictions_on_padding(network, ids, size)',
        "test_perplexity.py::test_a_real_model_token_by_token",
    ),
    "unknown words for nothing": (
        "evaluation/sums.py",
        '"bits_per_byte": Definition("bit/byte", "lower", lambda s: (s["nll"] + s["spelling"])',
        '"bits_per_byte": Definition("bit/byte", "lower", lambda s: (s["nll"])',
        "test_perplexity.py::test_a_uniform_model_by_closed_form",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_that_flatters_is_found(tmp_path: Path, mistake: str) -> None:
    file, right, wrong, guard = MISTAKES[mistake]
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "src/minillm" / file
    text = path.read_text(encoding="utf-8")
    assert text.count(right) == 1, f"{file} has changed: put the mistake in again"
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/unit/{guard}"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stdout  # 1: tests failed; others: pytest could not run them
    assert "FAILED" in result.stdout
