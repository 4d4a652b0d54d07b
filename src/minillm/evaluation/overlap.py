"""How much of the test split is in the train split word for word: were it much, every score would flatter.

The share of runs of 13 words of the test articles that occur in a train article, the length by which others look for
contamination (Brown et al. 2020, arXiv:2005.14165). Set phrases of an encyclopedia occur in both; articles that are
alike as a whole were put into the same split before.
"""

from pathlib import Path

import numpy as np

from minillm.corpus.tables import read_split
from minillm.evaluation.copying import longest_runs
from minillm.evaluation.record import estimate, write_records
from minillm.stage import run_stage

WORDS = 13


def measure_overlap(articles: Path, corpus: str, records: Path) -> None:
    """Write the share, a number of the corpus and of no model.

    Raises ValueError if no test article has 13 words.
    """
    train, test = ([text.split() for text in read_split(articles, split)] for split in ("train", "test"))
    runs = [own.lengths[: 1 - WORDS] for own in longest_runs(test, train, WORDS) if len(own.lengths) >= WORDS]
    if not runs:
        raise ValueError(f"{articles} has no test article of {WORDS} words: give more or longer articles")
    sums = {
        "shared": np.array([(lengths == WORDS).sum() for lengths in runs], dtype=float),
        "all": np.array([len(lengths) for lengths in runs], dtype=float),
    }
    record = estimate(
        f"overlap_{WORDS}",
        sums,
        lambda totals: totals["shared"] / totals["all"],
        unit="",
        split="test",
        corpus=corpus,
        model="",
        better="lower",
    )
    write_records(records, [record])


if __name__ == "__main__":
    run_stage(measure_overlap)
