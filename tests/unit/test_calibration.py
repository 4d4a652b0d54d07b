"""Calibration errors of predictions whose chance of being right is known, and of a few by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from minillm.evaluation.calibration import BINS, equal_mass, equal_width, evaluate_calibration
from minillm.evaluation.record import read_records


def calibration_of(tmp_path: Path, sure: np.ndarray, correct: np.ndarray) -> dict[str, float]:
    frame = pd.DataFrame({"correct": correct})
    frame["confidence"], frame["tempered"] = sure.astype(np.float32), (sure / 2).astype(np.float32)
    frame.to_parquet(tmp_path / "confidences.parquet")
    evaluate_calibration(
        tmp_path / "confidences.parquet", "c", "m", "1", tmp_path / "calibration.json", tmp_path / "reliability.csv"
    )
    found = {one.metric: one for one in read_records(tmp_path / "calibration.json")}
    assert {one.n for one in found.values()} == {len(sure)}
    return {metric: one.value for metric, one in found.items()}


def test_four_positions_by_hand(tmp_path: Path) -> None:
    """Sure 0.9, 0.9, 0.3, 0.3 and right once in each pair: 0.4 too sure and 0.2 not sure enough, 0.3 on average."""
    sure, correct = np.repeat([0.9, 0.9, 0.3, 0.3], 10), np.repeat([True, False, True, False], 10)
    found = calibration_of(tmp_path, sure, correct)
    assert found["calibration_error_width"] == pytest.approx(0.3)
    assert found["calibration_error_mass"] == pytest.approx(0.3)
    assert found["calibration_error_width_tempered"] == pytest.approx((0.05 + 0.35) / 2)
    diagram = pd.read_csv(tmp_path / "reliability.csv").query("confidences == 'confidence'")
    assert diagram[["confidence", "accuracy", "positions"]].to_numpy() == pytest.approx(
        np.array([[0.3, 0.5, 20], [0.9, 0.5, 20]])
    )


def test_a_calibrated_model_errs_by_chance_alone(tmp_path: Path) -> None:
    """Right as often as it is sure: the error is of the order of sqrt(bins / positions)."""
    random = np.random.default_rng(0)
    sure = random.uniform(0.01, 1, size=30_000)
    found = calibration_of(tmp_path, sure, random.random(30_000) < sure)
    for kind in ("width", "mass"):
        assert found[f"calibration_error_{kind}"] < 1.5 * np.sqrt(BINS / 30_000)
        assert found[f"calibration_error_{kind}_tempered"] == pytest.approx(sure.mean() / 2, rel=0.05)


def test_a_model_that_says_nonsense_with_certainty(tmp_path: Path) -> None:
    """As the report this grew from: 98 % sure, and right once in five times."""
    random = np.random.default_rng(1)
    found = calibration_of(tmp_path, random.uniform(0.96, 1, size=5000), np.arange(5000) % 5 == 0)
    assert found["calibration_error_width"] == pytest.approx(0.98 - 0.2, abs=0.01)


def test_bins() -> None:
    assert equal_width(np.array([0.0, 1e-9, 1 / BINS, 0.999, 1.0])).tolist() == [0, 0, 0, BINS - 1, BINS - 1]
    assert equal_width(np.array([1 / BINS + 1e-9])).tolist() == [1]
    assert np.bincount(equal_mass(np.random.default_rng(0).random(1500))).tolist() == [100] * BINS
    assert len(set(equal_mass(np.full(40, 0.5)).tolist())) == 1, "equal confidences are not torn apart"
