"""Perplexity and its family, from sums that are stored for every article.

Bits per byte and per-word perplexity are comparable between models, because both are measured on the same normalised
text and a model pays for the spelling of what it calls [UNK]. Token perplexity, loss and accuracy are comparable only
between models with the same vocabulary.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from minillm.corpus.tables import SPLITS, read_texts
from minillm.evaluation.record import INTERVAL, Record, Sums, bootstrap, write_records
from minillm.evaluation.score import score_documents
from minillm.evaluation.spelling import SpellingModel
from minillm.files import replacing
from minillm.stage import run_stage
from minillm.training.config import TrainingConfig
from minillm.training.device import prepare
from minillm.training.saved import load_model
from minillm.vocabulary.tokenizer import UNK, kind_of, load_tokenizer

Statistic = Callable[[Sums], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Definition:
    """A metric as a function of sums: `nll` and `spelling` in nats, and counts."""

    unit: str
    better: str
    of: Statistic


METRICS: dict[str, Definition] = {
    "bits_per_byte": Definition("bit/byte", "lower", lambda s: (s["nll"] + s["spelling"]) / (s["bytes"] * math.log(2))),
    "bits_per_character": Definition(
        "bit/character", "lower", lambda s: (s["nll"] + s["spelling"]) / (s["characters"] * math.log(2))
    ),
    "word_perplexity": Definition("", "lower", lambda s: np.exp((s["nll"] + s["spelling"]) / s["words"])),
    "loss": Definition("nat/token", "lower", lambda s: s["nll"] / s["tokens"]),
    "perplexity": Definition("", "lower", lambda s: np.exp(s["nll"] / s["tokens"])),
    "accuracy": Definition("", "higher", lambda s: s["correct"] / s["tokens"]),
    "top5_accuracy": Definition("", "higher", lambda s: s["in_top5"] / s["tokens"]),
    "unknown_rate": Definition("", "lower", lambda s: s["unknown"] / s["tokens"]),
    # As printed by tools that do not charge for [UNK]: not comparable, kept to show the difference.
    "bits_per_byte_uncharged": Definition("bit/byte", "lower", lambda s: s["nll"] / (s["bytes"] * math.log(2))),
}
COLUMNS = ["nll", "spelling", "tokens", "unknown", "correct", "in_top5", "bytes", "words", "characters"]


def evaluate_perplexity(
    weights: Path,
    description: Path,
    tokenizer: Path,
    articles: Path,
    corpus: str,
    model: str,
    seed: str,
    threads: int,
    sample_articles: int,
    records: Path,
    documents: Path,
    token_counts: Path,
) -> None:
    """Measure a model on the whole test split and on samples of the train and validation splits.

    `sample_articles` is the number of articles of such a sample, evenly spaced over the split. `documents` gets the
    sums of every article, `token_counts` how often each token occurs in the test split and how often it was predicted.
    """
    device, _ = prepare(TrainingConfig(steps=0, threads=threads))
    network = load_model(weights, description, device)
    loaded = load_tokenizer(tokenizer)
    spelling = fit_spelling(loaded, read_texts(articles, "train"))
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
            "unknown": flat == UNK,
            "correct": scores.predicted == flat,
            "in_top5": scores.in_top5,
        }
        starts = np.cumsum([0, *(len(row) for row in ids[:-1])])
        table = {name: np.add.reduceat(column.astype(float), starts) for name, column in columns.items()}
        table["spelling"] = np.array(
            [spelling_cost(spelling, text, e) for text, e in zip(texts, encodings, strict=True)]
        )
        table |= {name: column.astype(float) for name, column in text_sizes(texts).items()}
        results += split_records(table, corpus=corpus, model=model, seed=seed, split=split)
        tables.append(pd.DataFrame({"page_id": page_ids, "split": split, **{name: table[name] for name in COLUMNS}}))
        if split == "test":
            size = loaded.get_vocab_size()
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


def text_sizes(texts: list[str]) -> Sums:
    """Bytes (UTF-8), words (separated by white space) and characters of each text."""
    return {
        "bytes": np.array([len(text.encode()) for text in texts], dtype=float),
        "words": np.array([len(text.split()) for text in texts], dtype=float),
        "characters": np.array([len(text) for text in texts], dtype=float),
    }


def fit_spelling(tokenizer: Tokenizer, train_texts: list[str]) -> SpellingModel | None:
    """A model of the pieces of the train split that are [UNK], or None where nothing is unknown."""
    if kind_of(tokenizer) != "words":
        return None
    pieces: Counter[str] = Counter()
    for text, encoding in zip(train_texts, tokenizer.encode_batch(train_texts, add_special_tokens=False), strict=True):
        pieces.update(unknown_pieces(text, encoding))
    return SpellingModel(pieces)


def unknown_pieces(text: str, encoding: object) -> list[str]:
    """What stands in the text where the encoding has [UNK], with the space before it."""
    ids, offsets = encoding.ids, encoding.offsets  # type: ignore[attr-defined]
    return [text[start:end] for id_, (start, end) in zip(ids, offsets, strict=True) if id_ == UNK]


def spelling_cost(spelling: SpellingModel | None, text: str, encoding: object) -> float:
    """Nats to spell all that is unknown in a text."""
    return sum(map(spelling.nll, unknown_pieces(text, encoding))) if spelling else 0.0


def split_records(table: Sums, *, corpus: str, model: str, seed: str, split: str) -> list[Record]:
    """All metrics of one split from the sums of its articles."""
    totals = {name: np.array([column.sum()]) for name, column in table.items()}
    found = []
    for metric, definition in METRICS.items():
        low, high = bootstrap(table, definition.of)
        found.append(
            Record(
                metric=metric,
                value=float(definition.of(totals)[0]),
                unit=definition.unit,
                low=low,
                high=high,
                interval=INTERVAL,
                n=len(table["nll"]),
                split=split,
                corpus=corpus,
                model=model,
                seed=seed,
                better=definition.better,  # type: ignore[arg-type]
            )
        )
    return found


def generalisation(records: list[Record]) -> list[Record]:
    """Gap (nats a token) and ratio of the validation and train losses, dropout off in both."""
    by_split = {record.split: record for record in records if record.metric == "loss"}
    train, validation = by_split["train"], by_split["validation"]
    shared: dict[str, Any] = {"corpus": train.corpus, "model": train.model, "seed": train.seed, "split": "validation"}
    return [
        Record(metric="generalisation_gap", value=validation.value - train.value, unit="nat/token", **shared),
        Record(metric="generalisation_ratio", value=validation.value / train.value, unit="", **shared),
    ]


if __name__ == "__main__":
    run_stage(evaluate_perplexity)
