"""Shakespeare: the loss on the whole of the text that nanoGPT validates on, and a sample.

nanoGPT (https://github.com/karpathy/nanoGPT) keeps the last tenth of Tiny Shakespeare for validation. Here its first
half chooses the best weights and the second is only measured; the loss over both is what compares.
"""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from minillm.evaluation.record import estimate, write_records
from minillm.evaluation.sums import METRICS
from minillm.files import read_json, write_json, write_text
from minillm.stage import run_stage

BOTH = "validation+test"
# What nanoGPT's README publishes for its command for a CPU and for the one for a GPU.
REPORTED = {"cpu": 1.88, "gpu": 1.4697}


def tabulate_shakespeare(
    documents: Path,
    articles: Path,
    generations: Path,
    corpus: str,
    model: str,
    seed: str,
    texts: Path,
    study: Path,
    records: Path,
) -> None:
    """Write the loss over the validation and the test split together, and the sample.

    Raises ValueError if not every piece of the validation split was measured.
    """
    sums = pd.read_csv(documents)
    sums = sums[sums["split"] != "train"]
    pieces = sum(split != "train" for split in pq.read_table(articles, columns=["split"])["split"].to_pylist())
    if len(sums) < pieces:
        raise ValueError(
            f"{documents} has {len(sums)} of the {pieces} pieces of validation and test: raise sample_articles of the "
            f"study in the config to {pieces}"
        )
    columns = {name: sums[name].to_numpy(dtype=float) for name in ("nll", "tokens")}
    loss = METRICS["loss"]
    write_records(
        records,
        [
            estimate(
                "loss",
                columns,
                loss.of,
                units="pieces",
                unit=loss.unit,
                better=loss.better,
                model=model,
                corpus=corpus,
                split=BOTH,
                seed=seed,
            )
        ],
    )
    written = read_json(generations)["texts"]
    write_text(texts, "\n\n".join(text["prompt"] + text["sampled"] for text in written) + "\n")
    write_json(study, {"model": model, "split": BOTH, "pieces": pieces, "reported": REPORTED, "texts": written})


if __name__ == "__main__":
    run_stage(tabulate_shakespeare)
