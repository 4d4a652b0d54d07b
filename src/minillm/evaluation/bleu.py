"""BLEU-1 to BLEU-4 of generated continuations of test articles, between a floor and a ceiling.

BLEU against the one true continuation says little about open-ended text. So it stands beside the score of the true
continuations of other articles (floor) and of the text that follows later in the same article (ceiling). Computed by
sacreBLEU (Post 2018, W18-6319) without smoothing, so that a text with no matching 4-gram has BLEU-4 = 0.
"""

import math
from pathlib import Path

from sacrebleu.metrics.bleu import BLEU

from minillm.corpus.tables import read_split
from minillm.evaluation.generation import generate
from minillm.evaluation.record import Record, write_records
from minillm.files import write_json
from minillm.stage import run_stage
from minillm.training.device import prepare
from minillm.training.saved import load_model
from minillm.vocabulary.tokenizer import decode, encode, load_tokenizer


def evaluate_bleu(
    weights: Path,
    description: Path,
    tokenizer: Path,
    articles: Path,
    corpus: str,
    model: str,
    seed: str,
    threads: int,
    device: str,
    prompts: int,
    prompt_words: int,
    continuation_words: int,
    records: Path,
    texts: Path,
) -> None:
    """Continue the beginnings of up to `prompts` test articles greedily and score the continuations.

    Raises ValueError if fewer than two test articles are long enough for prompt, continuation and ceiling.
    """
    place = prepare(threads, device)
    network = load_model(weights, description, place)
    loaded = load_tokenizer(tokenizer)
    needed = prompt_words + 2 * continuation_words
    words = [row for text in read_split(articles, "test") if len(row := text.split()) >= needed][:prompts]
    if len(words) < 2:
        raise ValueError(
            f"BLEU needs two test articles of at least {needed} words and found {len(words)}: lower "
            "evaluation.bleu.prompt_words or continuation_words in the config, or give more articles"
        )
    beginnings = [" ".join(row[:prompt_words]) for row in words]
    references = [" ".join(row[prompt_words : prompt_words + continuation_words]) for row in words]
    later = [" ".join(row[prompt_words + continuation_words : needed]) for row in words]
    # Twice the tokens that the references take on average: enough for as many words as they have.
    mean_length = sum(len(encode(loaded, text)) for text in references) / len(references)
    generated = generate(network, [encode(loaded, text) for text in beginnings], math.ceil(2 * mean_length))
    hypotheses = [" ".join(decode(loaded, ids).split()[:continuation_words]) for ids in generated]
    shifted = references[1:] + references[:1]
    found = [
        Record(
            metric=f"{name}{order}",
            value=score,
            unit="",
            n=len(references),
            split="test",
            corpus=corpus,
            model=model,
            seed=seed,
            better=better,  # type: ignore[arg-type]
        )
        for name, candidates, better in (
            ("bleu", hypotheses, "higher"),
            ("bleu_floor", shifted, "neither"),
            ("bleu_ceiling", later, "neither"),
        )
        for order, score in enumerate(bleu_scores(candidates, references), start=1)
    ]
    write_records(records, found)
    write_json(
        texts,
        {
            "signature": str(_metric(4, candidates=hypotheses, references=references)[1]),
            "texts": [
                {"prompt": prompt, "generated": hypothesis, "reference": reference}
                for prompt, hypothesis, reference in zip(beginnings, hypotheses, references, strict=True)
            ],
        },
    )


def bleu_scores(candidates: list[str], references: list[str]) -> list[float]:
    """Corpus BLEU-1 to BLEU-4 (cumulative), each from 0 to 1."""
    return [_metric(order, candidates, references)[0] for order in range(1, 5)]


def _metric(order: int, candidates: list[str], references: list[str]) -> tuple[float, object]:
    metric = BLEU(max_ngram_order=order, smooth_method="none", tokenize="13a")
    score = metric.corpus_score(candidates, [references]).score / 100
    return score, metric.get_signature()


if __name__ == "__main__":
    run_stage(evaluate_bleu)
