"""Perplexity and its family, from sums that are stored for every article.

The whole test split is measured, and samples of the others. The metrics are defined in `minillm.evaluation.sums`. What
else is measured of the predictions on the test split (frequency bias, calibration) is computed by other stages from
what this one writes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from minillm.corpus.tables import SPLITS, read_split
from minillm.evaluation.loading import load_network
from minillm.evaluation.record import Record, Sums, estimate, write_records
from minillm.evaluation.score import TOKENS_AT_ONCE, score_documents
from minillm.evaluation.sums import COLUMNS, METRICS, Speller, text_sizes
from minillm.evaluation.temperature import fit_temperature
from minillm.files import replacing, write_columns
from minillm.model.language_model import LanguageModel
from minillm.stage import run_stage
from minillm.vocabulary.tokenizer import vocabulary_size


def evaluate_perplexity(
    weights: Path,
    description: Path,
    tokenizer: Path,
    articles: Path,
    corpus: str,
    model: str,
    seed: str,
    threads: int,
    device: str,
    sample_articles: int,
    records: Path,
    documents: Path,
    token_counts: Path,
    confidences: Path,
) -> None:
    """Measure a model on the whole test split and on samples of the train and validation splits.

    `sample_articles` is the number of articles of such a sample, evenly spaced over the split. Of every article
    `documents` gets the sums; of every token of the vocabulary `token_counts` gets how often it occurs in the test
    split, how often it was the most probable one there and on padding, and how often it was expected; of every position
    of the test split `confidences` gets how sure the model was, before and after a temperature, and whether rightly.
    Raises ValueError if a split has no articles.
    """
    network, loaded = load_network(weights, description, tokenizer, threads, device)
    speller = Speller(loaded, read_split(articles, "train"))
    unknown_token = -1 if speller.unknown is None else speller.unknown  # -1 is no token
    read = {split: _articles(articles, split, None if split == "test" else sample_articles) for split in SPLITS}
    encoded = {split: loaded.encode_batch(texts, add_special_tokens=False) for split, (_, texts) in read.items()}
    temperature = fit_temperature(network, [encoding.ids for encoding in encoded["validation"]])
    tables, results = [], []
    for split, (page_ids, texts) in read.items():
        ids = [encoding.ids for encoding in encoded[split]]
        scores = score_documents(network, ids, temperature)
        flat = np.concatenate([np.asarray(row, dtype=np.int64) for row in ids])
        unknown = flat == unknown_token
        columns = {
            "nll": scores.nll,
            "nll_unknown": scores.nll * unknown,
            "brier": scores.brier,
            "tokens": np.ones(len(flat)),
            "unknown": unknown,
            "correct": scores.predicted == flat,
            "in_top5": scores.in_top5,
        }
        of_article = np.repeat(np.arange(len(ids)), [len(row) for row in ids])
        table: Sums = {
            name: np.bincount(of_article, column, minlength=len(ids)).astype(float) for name, column in columns.items()
        }
        table["spelling"] = np.array([speller.cost(text, e) for text, e in zip(texts, encoded[split], strict=True)])
        table |= text_sizes(texts)
        results += split_records(table, corpus=corpus, model=model, seed=seed, split=split)
        tables.append({"page_id": page_ids, "split": [split] * len(ids), **{name: table[name] for name in COLUMNS}})
        if split == "test":
            size = vocabulary_size(loaded)
            counts = {
                "true": np.bincount(flat, minlength=size),
                "predicted": np.bincount(scores.predicted, minlength=size),
                "predicted_on_padding": predictions_on_padding(network, ids, size),
                "expected": scores.expected,
                "unknown": np.arange(size) == unknown_token,
            }
            write_columns(token_counts, {"token": range(size), **counts})
            certain = {name: getattr(scores, name).astype(np.float32) for name in ("confidence", "tempered")}
            certain["correct"] = columns["correct"]
            with replacing(confidences) as temporary:
                pq.write_table(pa.table(certain), temporary)
    write_columns(documents, {name: np.concatenate([table[name] for table in tables]) for name in tables[0]})
    shared: dict[str, Any] = {"corpus": corpus, "model": model, "seed": seed}
    fitted = Record(metric="temperature", value=temperature, unit="", split="validation", **shared)
    write_records(records, [*results, *generalisation(results), fitted])


def _articles(articles: Path, split: str, sample: int | None) -> tuple[list[int], list[str]]:
    """Page ids and texts of a split, or of `sample` articles evenly spaced over it."""
    table = pq.read_table(articles, columns=["page_id", "text"], filters=[("split", "=", split)])
    if not len(table):
        raise ValueError(f"{articles}: the {split} split has no articles, and a model is measured on it: give more")
    if sample is not None and sample < len(table):
        table = table.take(np.linspace(0, len(table) - 1, sample).round().astype(int))
    return table.column("page_id").to_pylist(), table.column("text").to_pylist()


@torch.no_grad()
def predictions_on_padding(
    model: LanguageModel, documents: Sequence[Sequence[int]], size: int
) -> npt.NDArray[np.int64]:
    """How often each of `size` tokens is the most probable one on padding, where there is nothing to predict.

    Documents are cut in windows that do not overlap and the last one is filled up with [PAD], as careless evaluations
    do, which count what is predicted there.
    """
    specials, context = model.specials, model.context
    device = next(model.parameters()).device
    rows, last = [], []
    for ids in documents:
        if left := len(ids) % context:
            full = [specials.bos, *ids]
            rows.append(full[len(ids) - left : len(ids)] + [specials.padding] * (context - left))
            last.append(left)
    counts = np.zeros(size, dtype=np.int64)
    at_once = max(1, TOKENS_AT_ONCE // context)
    for start in range(0, len(rows), at_once):
        best_BT = model(torch.tensor(rows[start : start + at_once], device=device)).argmax(-1).cpu().numpy()
        for best_T, left in zip(best_BT, last[start : start + at_once], strict=True):
            counts += np.bincount(best_T[left:], minlength=size)
    return counts


def split_records(table: Sums, *, corpus: str, model: str, seed: str, split: str) -> list[Record]:
    """All metrics of one split from the sums of its articles."""
    shared: dict[str, Any] = {"corpus": corpus, "model": model, "seed": seed, "split": split}
    return [
        estimate(metric, table, definition.of, unit=definition.unit, better=definition.better, **shared)
        for metric, definition in METRICS.items()
    ]


def generalisation(records: list[Record]) -> list[Record]:
    """Gap and ratio between the validation and train splits, dropout off in both: of the loss and of bits per byte.

    The loss of a word model flatters the validation split, where more tokens are the cheap [UNK]; bits per byte do not.
    """
    by_split = {(record.metric, record.split): record for record in records}
    found = []
    for metric, name in (("loss", "loss"), ("bits_per_byte", "bits")):
        train, validation = by_split[metric, "train"], by_split[metric, "validation"]
        shared: dict[str, Any] = {
            "corpus": train.corpus,
            "model": train.model,
            "seed": train.seed,
            "split": "validation",
        }
        gap, ratio = validation.value - train.value, validation.value / train.value
        found += [
            Record(metric=f"generalisation_gap_{name}", value=gap, unit=train.unit, **shared),
            Record(metric=f"generalisation_ratio_{name}", value=ratio, unit="", **shared),
        ]
    return found


if __name__ == "__main__":
    run_stage(evaluate_perplexity)
