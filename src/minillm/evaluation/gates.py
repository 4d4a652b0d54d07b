"""Hold the results against what must be true of honest ones.

A check of kind `block` stops the workflow: its failure means that the numbers are wrong. One of kind `print` marks the
article as a draft, and the numbers of the model it concerns are printed struck out.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow.parquet as pq

from minillm.files import write_json
from minillm.results import ALL_SEEDS
from minillm.stage import run_stage

LOWEST_CREDIBLE = 0.5  # bits per byte: far below what models of this size reach on prose they have not seen


@dataclass(frozen=True, kw_only=True)
class Check:
    """The outcome of one check; `model` is empty where it concerns the whole run."""

    name: str
    kind: Literal["print", "block"]
    passed: bool
    detail: str
    model: str = ""
    seed: str = ""


def check_results(
    metrics: Path, articles: Path, causal: dict[str, bool], vocabularies: dict[str, str], output: Path
) -> None:
    """Write the outcome of every check, and which models leak.

    `causal` says of each model whether it is meant to be causal: the audit must find the others leaking. Raises
    ValueError if a check of kind `block` fails.
    """
    table = pd.read_csv(metrics, keep_default_na=False, dtype={"seed": str})
    seeds = sorted(set(table[(table["metric"] == "leaks") & (table["seed"] != ALL_SEEDS)]["seed"]))
    checks = [splits_disjoint(articles)]
    leaking = []
    for model, is_causal in causal.items():
        for seed in seeds:
            rows = table[(table["model"] == model) & (table["seed"] == seed)]
            test = {row.metric: row.value for row in rows[rows["split"] == "test"].itertuples()}
            unigram = table[(table["model"] == f"unigram-{vocabularies[model]}")]["value"].item()
            leaks = bool(test["leaks"])
            if leaks and model not in leaking:
                leaking.append(model)
            found = [
                causality(leaks, is_causal),
                *([] if leaks else [credible(test["bits_per_byte"], unigram)]),
                exponential(test["loss"], test["perplexity"]),
                bound(test["total_variation"], test["accuracy"]),
            ]
            checks += [Check(**{**asdict(check), "model": model, "seed": seed}) for check in found]
    write_json(output, {"checks": [asdict(check) for check in checks], "leaking": leaking})
    wrong = [check for check in checks if check.kind == "block" and not check.passed]
    if wrong:
        first = wrong[0]
        raise ValueError(f"check {first.name} failed{f' for {first.model}' if first.model else ''}: {first.detail}")


def splits_disjoint(articles: Path) -> Check:
    """No article and no cluster of similar articles is in two splits."""
    frame = pq.read_table(articles, columns=["page_id", "cluster", "split"]).to_pandas()
    shared = int((frame.groupby("cluster")["split"].nunique() > 1).sum())
    twice = int(frame["page_id"].duplicated().sum())
    detail = f"{shared} clusters in two splits, {twice} articles twice"
    return Check(name="splits_disjoint", kind="block", passed=shared + twice == 0, detail=detail)


def causality(leaks: bool, is_causal: bool) -> Check:
    """The audit finds a leak exactly where the causal mask was left out on purpose."""
    detail = f"the audit says that the model {'sees' if leaks else 'does not see'} the future"
    return Check(name="causality", kind="print", passed=leaks != is_causal, detail=detail)


def credible(bits_per_byte: float, unigram: float) -> Check:
    """Bits per byte lie between what no such model reaches and what counting words reaches."""
    detail = f"{bits_per_byte:.3f} bit/byte, between {LOWEST_CREDIBLE} and the unigram model's {unigram:.3f}"
    passed = LOWEST_CREDIBLE < bits_per_byte < unigram
    return Check(name="credible_bits_per_byte", kind="print", passed=passed, detail=detail)


def exponential(loss: float, perplexity: float) -> Check:
    """Perplexity is the exponential of the loss."""
    passed = math.isclose(perplexity, math.exp(loss), rel_tol=1e-9)
    return Check(name="perplexity_is_exp_loss", kind="block", passed=passed, detail=f"exp({loss}) and {perplexity}")


def bound(total_variation: float, accuracy: float) -> Check:
    """The total variation of token counts is at most the share of wrong predictions."""
    passed = total_variation <= 1 - accuracy + 1e-12
    detail = f"{total_variation} against 1 - {accuracy}"
    return Check(name="variation_below_errors", kind="block", passed=passed, detail=detail)


if __name__ == "__main__":
    run_stage(check_results)
