"""Hello world: a model that learns a repetitive text by heart, with a causal mask and without one.

The loss at every tenth epoch stands beside what the original of this study reported; its model had a mask of zeros,
which is added to the scores and hides nothing. A loss says little here, low or high: the text says the same again and
again, and without a mask the answer stands in the input, if the model learns to look there.
"""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from minillm.evaluation.record import Record, write_records
from minillm.files import read_json, write_json, write_text
from minillm.stage import run_stage

# What the original reported: the loss by epoch. Its perplexity of 1.05 is the exponential of the last one.
REPORTED = {10: 1.20, 20: 0.80, 30: 0.40, 40: 0.10, 50: 0.05}


def tabulate_hello_world(
    histories: list[Path],
    verdicts: list[Path],
    generations: list[Path],
    titles: dict[str, str],
    corpus: str,
    seed: str,
    losses: Path,
    texts: Path,
    study: Path,
    records: Path,
) -> None:
    """Write the losses by epoch, the generated texts and what the article says of both.

    Of `histories`, `verdicts` of the audit and `generations` there is one for each model of `titles`, in that order.
    """
    by_epoch = {model: _by_epoch(path) for model, path in zip(titles, histories, strict=True)}
    epochs = [epoch for epoch in REPORTED if all(epoch in table.index for table in by_epoch.values())]
    write_text(losses, _losses(by_epoch, titles))
    found = [
        Record(
            metric=f"{split}_loss_epoch{epoch}",
            value=table[f"{split}_loss"].to_dict()[epoch],
            unit="nat/token",
            model=model,
            corpus=corpus,
            split=split,
            seed=seed,
            better="lower",
        )
        for model, table in by_epoch.items()
        for epoch in epochs
        for split in ("train", "validation")
    ]
    write_records(records, found)
    written = {model: read_json(path)["texts"] for model, path in zip(titles, generations, strict=True)}
    lines = [
        f"{titles[model]}, {way}: {text['prompt']}|{text[way]}"
        for model, several in written.items()
        for text in several
        for way in ("greedy", "sampled")
    ]
    write_text(texts, "\n".join(["What the models write after the prompt, which ends at |.", "", *lines, ""]))
    leaking = [model for model, path in zip(titles, verdicts, strict=True) if read_json(path)["leaks"]]
    write_json(
        study,
        {
            "models": list(titles),
            "titles": titles,
            "leaking": leaking,
            "epochs": epochs,
            "reported": {"loss": REPORTED, "perplexity": math.exp(REPORTED[max(REPORTED)])},
            "texts": written,
        },
    )


def _by_epoch(history: Path) -> pd.DataFrame:
    """The rows of a learning curve, by the epoch that they are nearest to the end of."""
    table = pd.read_csv(history)
    return table.set_index(table["epoch"].round().astype(int))


def _losses(by_epoch: dict[str, Any], titles: dict[str, str]) -> str:
    lines = ["Loss by epoch, in nats a character: of training (mean over the epoch, dropout on), of validation."]
    for model, table in by_epoch.items():
        lines += ["", titles[model], f"{'epoch':>5} {'train':>8} {'validation':>10} {'reported':>8}"]
        for epoch, row in table.iterrows():
            reported = f"{REPORTED[epoch]:8.2f}" if epoch in REPORTED else ""
            lines.append(f"{epoch:>5} {row['train_loss']:8.4f} {row['validation_loss']:10.4f} {reported}".rstrip())
    lines += ["", "Reported: what the original of this study said of its model, whose mask hid nothing.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    run_stage(tabulate_hello_world)
