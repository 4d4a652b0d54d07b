"""How well messages are classified: the fine-tuned models beside the same networks without pretraining and two marks.

The marks are the most frequent label and logistic regression on TF-IDF, whose features and strength are chosen by
cross-validation; both see the train and validation parts, as fine-tuning does. Differences in accuracy are paired by
message. Seeds stand apart.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline

from minillm.evaluation.record import Record, Sums, estimate, write_records
from minillm.files import write_csv, write_json
from minillm.stage import run_stage
from minillm.studies.messages import LABELS, read_messages

Numbers = npt.NDArray[Any]
FOLDS = 5
FEATURES: dict[str, dict[str, Any]] = {
    "words": {"analyzer": "word", "ngram_range": (1, 2)},
    "characters": {"analyzer": "char_wb", "ngram_range": (2, 4)},
}
STRENGTHS = [0.1, 1.0, 10.0, 100.0]  # inverse of the penalty
# What the system that this study repeats said of GPT-2 on tweets in English (mteb/tweet_sentiment_extraction).
REPORTED = {"accuracy": 0.758, "train": 3000, "test": 2000}


def evaluate_sentiment(
    messages: Path,
    predictions: list[Path],
    title: str,
    data: list[str],
    synthetic: bool,
    lora: bool,
    records: Path,
    study: Path,
    confusion: Path,
) -> None:
    """Measure what was predicted of the test part, in `…/<start>/seed-<seed>/predictions.csv`.

    `title` is how the article calls what was fine-tuned, `lora` whether by low-rank adaptation. `study` gets what the
    article says besides numbers, `confusion` how often each label was taken for each.
    """
    texts, labels = read_messages(messages, "train", "validation")
    test_texts, true = read_messages(messages, "test")
    shares = np.bincount(labels, minlength=len(LABELS)) / len(labels)
    features, strength, tfidf = _tfidf(texts, labels, test_texts)
    found = {("majority", ""): np.tile(shares, (len(true), 1)), ("tfidf", ""): tfidf}
    for path in predictions:
        key = path.parent.parent.name, path.parent.name.removeprefix("seed-")
        found[key] = pd.read_csv(path)[LABELS].to_numpy()
    measured, tables = [], []
    for (name, seed), probabilities in found.items():
        details: dict[str, Any] = {"corpus": "sentiment", "model": f"sentiment-{name}", "seed": seed, "split": "test"}
        said = probabilities.argmax(1)
        measured += _scores(probabilities, true, details)
        if name == "pretrained":
            for other, other_seed in (("untrained", seed), ("tfidf", ""), ("majority", "")):
                right = said == true, found[other, other_seed].argmax(1) == true
                measured.append(_difference(other, *right, details))
        tables += [
            {
                "model": f"sentiment-{name}",
                "seed": seed,
                "true": LABELS[row],
                "said": LABELS[column],
                "messages": number,
            }
            for (row, column), number in np.ndenumerate(_confusion(true, said))
        ]
    write_records(records, measured)
    write_csv(confusion, ["model", "seed", "true", "said", "messages"], tables)
    write_json(
        study,
        {
            "title": title,
            "data": data,
            "synthetic": synthetic,
            "lora": lora,
            "messages": {split: len(read_messages(messages, split)[0]) for split in ("train", "validation", "test")},
            "seeds": len({seed for name, seed in found if name == "pretrained"}),
            "tfidf": {"features": features, "strength": strength},
            "reported": REPORTED,
        },
    )


def _tfidf(texts: list[str], labels: Numbers, test_texts: list[str]) -> tuple[str, float, Numbers]:
    """Features and strength that do best in cross-validation, and the probabilities (messages, labels) of the test."""
    search = GridSearchCV(
        Pipeline([("tfidf", TfidfVectorizer(sublinear_tf=True)), ("regression", LogisticRegression(max_iter=1000))]),
        [
            {f"tfidf__{key}": [value] for key, value in options.items()} | {"regression__C": STRENGTHS}
            for options in FEATURES.values()
        ],
        scoring="accuracy",
        cv=StratifiedKFold(FOLDS, shuffle=True, random_state=0),
    ).fit(texts, labels)
    chosen = search.best_params_
    features = next(name for name, options in FEATURES.items() if options["analyzer"] == chosen["tfidf__analyzer"])
    probabilities = np.zeros((len(test_texts), len(LABELS)))
    probabilities[:, search.classes_] = search.predict_proba(test_texts)
    return features, chosen["regression__C"], probabilities


def _scores(probabilities: Numbers, true: Numbers, details: dict[str, Any]) -> list[Record]:
    """Accuracy, macro-F1 over the labels that occur, and loss, with intervals over messages."""
    said, occurring = probabilities.argmax(1), np.unique(true)
    counts: Sums = {
        "messages": np.ones(len(true)),
        "right": (said == true).astype(float),
        "nll": -np.log(probabilities[np.arange(len(true)), true]),
    }
    for label in occurring:
        counts[f"true {label}"], counts[f"said {label}"] = (true == label).astype(float), (said == label).astype(float)
        counts[f"right {label}"] = counts[f"true {label}"] * counts[f"said {label}"]

    def macro_f1(totals: Sums) -> Numbers:
        return np.mean(
            [2 * totals[f"right {n}"] / (totals[f"true {n}"] + totals[f"said {n}"]) for n in occurring], axis=0
        )

    return [
        estimate(metric, counts, of, units="messages", unit=unit, better=better, **details)
        for metric, of, unit, better in (
            ("accuracy", lambda totals: totals["right"] / totals["messages"], "", "higher"),
            ("macro_f1", macro_f1, "", "higher"),
            ("loss", lambda totals: totals["nll"] / totals["messages"], "nat/message", "lower"),
        )
    ]


def _difference(other: str, right: Numbers, right_other: Numbers, details: dict[str, Any]) -> Record:
    """How much more accurate than another."""
    sums = {"more": right.astype(float) - right_other, "messages": np.ones(len(right))}
    return estimate(
        f"accuracy_difference_{other}",
        sums,
        lambda totals: totals["more"] / totals["messages"],
        units="messages",
        paired=True,
        unit="",
        better="higher",
        **details,
    )


def _confusion(true: Numbers, said: Numbers) -> npt.NDArray[np.int64]:
    """How many messages of each label (rows) were taken for each (columns)."""
    return np.bincount(len(LABELS) * true + said, minlength=len(LABELS) ** 2).reshape(len(LABELS), len(LABELS))


if __name__ == "__main__":
    run_stage(evaluate_sentiment)
