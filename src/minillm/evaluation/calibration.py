"""Calibration: of the tokens that a model was 70 % sure of, is it right in 70 %?

The expected calibration error (Naeini et al. 2015, AAAI) is the mean distance between confidence and accuracy over
bins of confidence, either of equal width or with equally many predictions; before and after dividing the logits by the
temperature that was fitted on the validation split. It has no interval: noise raises it, and so does the noise that
resampling adds. Of a calibrated model it is of the order of the root of bins over positions, not 0.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from minillm.evaluation.record import Record, write_records
from minillm.files import write_columns
from minillm.stage import run_stage

BINS = 15
COLUMNS = {"": "confidence", "_tempered": "tempered"}


def evaluate_calibration(
    confidences: Path, corpus: str, model: str, seed: str, records: Path, reliability: Path
) -> None:
    """Compute calibration errors on the test split, and what a reliability diagram shows.

    `confidences` has one row for each position: correct, confidence and tempered. `reliability` gets the mean
    confidence, accuracy and number of positions of each bin of equally many.
    """
    table = pd.read_parquet(confidences)
    correct = table["correct"].to_numpy(dtype=float)
    found, diagram = [], []
    for suffix, column in COLUMNS.items():
        sure = table[column].to_numpy(dtype=float)
        for kind, chosen in (("width", equal_width(sure)), ("mass", equal_mass(sure))):
            bins = pd.DataFrame({"bin": chosen, "confidence": sure, "accuracy": correct}).groupby("bin").mean()
            bins["positions"] = np.bincount(chosen)[bins.index]
            distance = (bins["confidence"] - bins["accuracy"]).abs()
            found.append(
                Record(
                    metric=f"calibration_error_{kind}{suffix}",
                    value=float((distance * bins["positions"]).sum() / len(table)),
                    unit="",
                    n=len(table),
                    split="test",
                    corpus=corpus,
                    model=model,
                    seed=seed,
                    better="lower",
                )
            )
            if kind == "mass":
                diagram.append(bins.reset_index().assign(confidences=column))
    write_records(records, found)
    frame = pd.concat(diagram)
    write_columns(reliability, {str(name): frame[name] for name in frame})


def equal_width(sure: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The bin of each confidence, of bins (0, 1/15], (1/15, 2/15], …"""
    return np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)


def equal_mass(sure: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The bin of each confidence, with as nearly as possible equally many in each; equal ones share a bin."""
    edges = np.quantile(sure, np.arange(1, BINS) / BINS)
    return np.searchsorted(edges, sure, side="left")


if __name__ == "__main__":
    run_stage(evaluate_calibration)
