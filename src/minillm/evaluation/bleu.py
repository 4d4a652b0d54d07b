"""BLEU-1 to BLEU-4 and chrF++ of continuations of test articles, between a floor and a ceiling.

A score against the one true continuation says little about open-ended text. So it stands beside the score of the true
continuations of other articles (floor) and of the text that follows later in the same article (ceiling). Computed by
sacreBLEU (Post 2018, W18-6319), with its own bootstrap: BLEU (Papineni et al. 2002, P02-1040) without smoothing, so
that a text with no matching 4-gram has BLEU-4 = 0, and chrF++ (Popović 2017, W17-4770).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from minillm.evaluation.record import FEWEST_ARTICLES, Record, write_records
from minillm.files import read_json, write_json
from minillm.stage import run_stage

ORDERS = [1, 2, 3, 4]
RESAMPLES = 1000  # sacreBLEU's own choice


@dataclass(frozen=True)
class Scored:
    """A score from 0 to 1, the bounds of its interval (None where there is none) and sacreBLEU's signature of it."""

    value: float
    low: float | None
    high: float | None
    signature: str


def evaluate_bleu(continuations: Path, corpus: str, model: str, seed: str, records: Path, signatures: Path) -> None:
    """Score greedy and sampled continuations of test articles, and human text in their place."""
    texts = [text for text in read_json(continuations) if text["split"] == "test"]
    references = [text["reference"] for text in texts]
    candidates: list[tuple[str, list[str], Literal["higher", "neither"]]] = [
        ("", [text["greedy"] for text in texts], "higher"),
        ("_sampled", [text["sampled"] for text in texts], "higher"),
        ("_floor", references[1:] + references[:1], "neither"),
        ("_ceiling", [text["later"] for text in texts], "neither"),
    ]
    found: list[Record] = []
    said: dict[str, str] = {}
    for suffix, hypotheses, better in candidates:
        scores = {f"bleu{suffix}{order}": bleu(hypotheses, references, order) for order in ORDERS}
        scores[f"chrf{suffix}"] = chrf(hypotheses, references)
        found += [
            Record(
                metric=metric,
                value=score.value,
                unit="",
                low=score.low,
                high=score.high,
                interval="" if score.low is None else "95 %, sacreBLEU's bootstrap over articles",
                n=len(references),
                split="test",
                corpus=corpus,
                model=model,
                seed=seed,
                better=better,
            )
            for metric, score in scores.items()
        ]
        said |= {metric: score.signature for metric, score in scores.items()}
    write_records(records, found)
    write_json(signatures, said)


def bleu(candidates: list[str], references: list[str], order: int) -> Scored:
    """Corpus BLEU with n-grams up to `order`, which sacreBLEU's signature does not tell and ours adds."""
    metric = BLEU(max_ngram_order=order, smooth_method="none", tokenize="13a")
    return _score(metric, candidates, references, f"|order:{order}")


def chrf(candidates: list[str], references: list[str]) -> Scored:
    """Corpus chrF++: characters up to six in a row and words up to two, recall counting twice."""
    return _score(CHRF(word_order=2), candidates, references)


def _score(metric: Any, candidates: list[str], references: list[str], order: str = "") -> Scored:
    resamples = RESAMPLES if len(references) >= FEWEST_ARTICLES else 1
    score = metric.corpus_score(candidates, [references], n_bootstrap=resamples)
    signature = str(metric.get_signature())
    told = json.loads(score.format(width=12, signature=signature, is_json=True))
    mean, half = told.get("confidence_mean"), told.get("confidence_var")
    low, high = (None, None) if mean is None else (max(0.0, mean - half) / 100, (mean + half) / 100)
    return Scored(score.score / 100, low, high, signature + order)


if __name__ == "__main__":
    run_stage(evaluate_bleu)
