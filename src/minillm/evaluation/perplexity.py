"""Perplexity and its family, from sums that are stored for every article.

The whole test split is measured, and samples of the others. The metrics are defined in `minillm.evaluation.sums`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from minillm.corpus.tables import SPLITS, read_split
from minillm.evaluation.record import Record, Sums, bootstrap, write_records
from minillm.evaluation.score import score_documents
from minillm.evaluation.sums import COLUMNS, METRICS, Speller, text_sizes
from minillm.files import replacing
from minillm.stage import run_stage
from minillm.training.device import prepare
from minillm.training.saved import load_model
from minillm.vocabulary.tokenizer import load_tokenizer, vocabulary_size


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
) -> None:
    """Measure a model on the whole test split and on samples of the train and validation splits.

    `sample_articles` is the number of articles of such a sample, evenly spaced over the split. `documents` gets the
    sums of every article, `token_counts` how often each token occurs in the test split and how often it was predicted.
    """
    place = prepare(threads, device)
    network = load_model(weights, description, place)
    loaded = load_tokenizer(tokenizer)
    speller = Speller(loaded, read_split(articles, "train"))
    tables, results = [], []
    for split in SPLITS:
        page_ids, texts = _articles(articles, split, None if split == "test" else sample_articles)
        encodings = loaded.encode_batch(texts, add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        scores = score_documents(network, ids)
        flat = np.concatenate([np.asarray(row) for row in ids])
        columns = {
            "nll": scores.nll,
            "tokens": np.ones(len(flat)),
            "unknown": flat == speller.unknown,
            "correct": scores.predicted == flat,
            "in_top5": scores.in_top5,
        }
        starts = np.cumsum([0, *(len(row) for row in ids[:-1])])
        table = {name: np.add.reduceat(column.astype(float), starts) for name, column in columns.items()}
        table["spelling"] = np.array([speller.cost(text, e) for text, e in zip(texts, encodings, strict=True)])
        table |= {name: column.astype(float) for name, column in text_sizes(texts).items()}
        results += split_records(table, corpus=corpus, model=model, seed=seed, split=split)
        tables.append(pd.DataFrame({"page_id": page_ids, "split": split, **{name: table[name] for name in COLUMNS}}))
        if split == "test":
            size = vocabulary_size(loaded)
            counts = {
                "true": np.bincount(flat, minlength=size),
                "predicted": np.bincount(scores.predicted, minlength=size),
            }
            _write_frame(token_counts, pd.DataFrame({"token": range(size), **counts}))
    _write_frame(documents, pd.concat(tables))
    write_records(records, [*results, *generalisation(results)])


def _articles(articles: Path, split: str, sample: int | None) -> tuple[list[int], list[str]]:
    """Page ids and texts of a split, or of `sample` articles evenly spaced over it."""
    table = pq.read_table(articles, columns=["page_id", "text"], filters=[("split", "=", split)])
    if sample is not None and sample < len(table):
        table = table.take(np.linspace(0, len(table) - 1, sample).round().astype(int))
    return table.column("page_id").to_pylist(), table.column("text").to_pylist()


def _write_frame(path: Path, frame: pd.DataFrame) -> None:
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n")


def split_records(table: Sums, *, corpus: str, model: str, seed: str, split: str) -> list[Record]:
    """All metrics of one split from the sums of its articles."""
    totals = {name: column.sum(keepdims=True) for name, column in table.items()}
    found = []
    for metric, definition in METRICS.items():
        interval = bootstrap(table, definition.of)
        found.append(
            Record(
                metric=metric,
                value=float(definition.of(totals)[0]),
                unit=definition.unit,
                low=interval.low,
                high=interval.high,
                interval=interval.name,
                n=len(table["nll"]),
                split=split,
                corpus=corpus,
                model=model,
                seed=seed,
                better=definition.better,
            )
        )
    return found


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
