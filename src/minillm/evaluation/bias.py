"""Token-count bias: how often each token is predicted against how often it is right, over the same positions.

The difference of counts is the «bias» of the reports this project grew from. Over the whole vocabulary its mean is 0
by construction (both histograms count the same positions), so a mean far from 0 shows that the positions differed or
that only some tokens were averaged. The total variation distance is comparable between test sets; it can be at most
1 − accuracy, since every wrong prediction moves at most one token from one count to another.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from minillm.evaluation.record import Record, write_records
from minillm.stage import run_stage

# Frequency bands by rank of the true counts; the last one is open.
BANDS = {"1-10": (0, 10), "11-100": (10, 100), "101-1000": (100, 1000), "1001-": (1000, None)}


def evaluate_bias(token_counts: Path, corpus: str, model: str, seed: str, records: Path) -> None:
    """Compute the bias metrics of one model on the test split from its token counts."""
    counts = pd.read_csv(token_counts)
    true, predicted = counts["true"].to_numpy(), counts["predicted"].to_numpy()
    shared: dict[str, Any] = {"corpus": corpus, "model": model, "seed": seed, "split": "test"}
    found = []
    for support, chosen in (("vocabulary", np.full(len(true), True)), ("predicted", predicted > 0)):
        difference = (predicted - true)[chosen]
        values = {"mean": difference.mean(), "mean_absolute": np.abs(difference).mean(), "variance": difference.var()}
        found += [
            Record(metric=f"bias_{name}_{support}", value=float(value), unit="tokens", n=int(chosen.sum()), **shared)
            for name, value in values.items()
        ]
    positions = int(true.sum())
    distance = np.abs(predicted - true).sum() / (2 * positions)
    found.append(
        Record(metric="total_variation", value=float(distance), unit="", n=positions, better="lower", **shared)
    )
    coverage = ((predicted > 0) & (true > 0)).sum() / (true > 0).sum()
    found.append(
        Record(metric="coverage", value=float(coverage), unit="", n=int((true > 0).sum()), better="higher", **shared)
    )
    ranking = np.argsort(-true, kind="stable")
    for band, (start, end) in BANDS.items():
        inside = ranking[start:end]
        gold, said = true[inside].sum(), predicted[inside].sum()
        if gold and said:
            found.append(
                Record(metric=f"band_{band}", value=float(np.log2(said / gold)), unit="bit", n=int(gold), **shared)
            )
    write_records(records, found)


if __name__ == "__main__":
    run_stage(evaluate_bias)
