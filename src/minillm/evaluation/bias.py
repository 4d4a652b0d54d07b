"""Frequency bias: how often each token is predicted against how often it occurs.

The mean, the mean absolute value and the variance of the difference of counts are the «bias» of the report this project
grew from, which does not say which tokens they were taken over; here they are given on four supports, and with and
without what is predicted on padding, where nothing is right. Over the whole vocabulary and the same positions the mean
is 0 by construction, so a mean far from 0 shows that the positions differed or that only some tokens were averaged.

Distances between the distributions are comparable between test sets. The total variation of the most probable tokens
can be at most 1 − accuracy, since every wrong prediction moves at most one token from one count to another. It is
large in any honest model, whose most probable token is a frequent one; what the model expects (the sum of its
probabilities) should be close to the truth.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from minillm.evaluation.distances import Counts, jensen_shannon, total_variation
from minillm.evaluation.record import Record, write_records
from minillm.stage import run_stage

# Frequency bands by rank of the true counts; the last one is open. [UNK] is a band of its own.
BANDS = {
    "1-10": (0, 10),
    "11-100": (10, 100),
    "101-1000": (100, 1000),
    "1001-10000": (1000, 10_000),
    "10001-": (10_000, None),
}


def evaluate_bias(token_counts: Path, corpus: str, model: str, seed: str, records: Path) -> None:
    """Compute the bias metrics of one model on the test split from its token counts."""
    counts = pd.read_csv(token_counts)
    true, predicted, expected, on_padding = (
        counts[name].to_numpy(dtype=float) for name in ("true", "predicted", "expected", "predicted_on_padding")
    )
    shared: dict[str, Any] = {"corpus": corpus, "model": model, "seed": seed, "split": "test"}
    found = []
    for padding, said in (("", predicted), ("_padding", predicted + on_padding)):
        for support, chosen in supports(true, said).items():
            difference = (said - true)[chosen]
            values = {
                "mean": difference.mean(),
                "mean_absolute": np.abs(difference).mean(),
                "variance": difference.var(),
            }
            found += [
                Record(
                    metric=f"bias_{name}_{support}{padding}",
                    value=float(value),
                    unit="tokens²" if name == "variance" else "tokens",
                    n=int(chosen.sum()),
                    **shared,
                )
                for name, value in values.items()
            ]
    positions = int(true.sum())
    for name, said in (("", predicted), ("_expected", expected)):
        for distance in (total_variation, jensen_shannon):
            metric, between = f"{distance.__name__}{name}", distance(said, true)
            found.append(Record(metric=metric, value=between, unit="", n=positions, better="lower", **shared))
    coverage = ((predicted > 0) & (true > 0)).sum() / (true > 0).sum()
    found.append(
        Record(metric="coverage", value=float(coverage), unit="", n=int((true > 0).sum()), better="higher", **shared)
    )
    for band, inside in bands(true, counts["unknown"].to_numpy(dtype=bool)).items():
        gold, said_there = true[inside].sum(), predicted[inside].sum()
        if gold and said_there:
            value = float(np.log2(said_there / gold))
            found.append(Record(metric=f"band_{band}", value=value, unit="bit", n=int(gold), **shared))
    write_records(records, found)


def supports(true: Counts, predicted: Counts) -> dict[str, npt.NDArray[np.bool_]]:
    """The sets of tokens that a mean over «the vocabulary» may have been taken over, as masks."""
    return {
        "vocabulary": np.full(len(true), True),
        "union": (true > 0) | (predicted > 0),
        "predicted": predicted > 0,
        "true": true > 0,
    }


def bands(true: Counts, unknown: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[np.int64]]:
    """The tokens of each frequency band, most frequent first, and [UNK]."""
    ranking = np.argsort(-true, kind="stable")
    ranking = ranking[~unknown[ranking]]
    ranked = {band: ranking[start:end] for band, (start, end) in BANDS.items()}
    return {**ranked, "unknown": np.flatnonzero(unknown)}


if __name__ == "__main__":
    run_stage(evaluate_bias)
