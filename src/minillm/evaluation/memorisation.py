"""How much of what a model writes was written before, in the articles it was trained on.

Novelty is the share of n-grams of the continuations of test articles that are nowhere in the train split, and means
something beside that of the human continuations (McCoy et al. 2023, arXiv:2111.09509). The longest copied run of words
is looked for in every text; where it is long, the article it is in is named. Extraction (Carlini et al. 2021,
arXiv:2012.07805) asks whether the beginning of a train article makes the model write its true continuation; the test
articles, which it cannot know, are the control. Words are what white space separates, as written: a copy is a copy to
the letter.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from minillm.evaluation.copying import Runs, longest_runs
from minillm.evaluation.record import Record, estimate, write_records
from minillm.files import read_json, write_json
from minillm.stage import run_stage

Numbers = npt.NDArray[Any]
ORDERS = [4, 8, 13]  # words of an n-gram: a phrase, half a sentence, and what counts as contamination elsewhere
# Words from which a copy names its article: people share so long a run with other articles in few of their sentences.
LONG_COPY = 8


@dataclass(frozen=True)
class Copy:
    """The most words in a row of a continuation that are also in a train article; which one, if they are many."""

    words: int
    title: str | None = None
    page_id: int | None = None


def evaluate_memorisation(
    continuations: Path,
    generations: Path,
    articles: Path,
    corpus: str,
    model: str,
    seed: str,
    records: Path,
    copies: Path,
) -> None:
    """Measure novelty, copies and extraction; `copies` gets the longest copy in every text, the printed ones too.

    What cannot be measured, because the texts are too short for a single n-gram, has no record.
    """
    train = pq.read_table(articles, columns=["page_id", "title", "text"], filters=[("split", "=", "train")]).to_pylist()
    texts, printed = read_json(continuations), read_json(generations)["texts"]
    test = [text for text in texts if text["split"] == "test"]
    asked = {
        "": [(text["prompt"], " " + text["greedy"]) for text in test],
        "_sampled": [(text["prompt"], " " + text["sampled"]) for text in test],
        "_human": [(text["prompt"], " " + text["reference"]) for text in test],
        "printed greedy": [(text["prompt"], text["greedy"]) for text in printed],
        "printed sampled": [(text["prompt"], text["sampled"]) for text in printed],
    }
    whole = [(prompt + continuation).split() for pairs in asked.values() for prompt, continuation in pairs]
    runs = iter(longest_runs(whole, [article["text"].split() for article in train], max(map(len, whole))))
    # Of each text the place of its first generated word, and the runs from every word on.
    read = {way: [(len(prompt.split()), next(runs)) for prompt, _ in pairs] for way, pairs in asked.items()}
    found: list[Record] = []

    shared: dict[str, Any] = {"corpus": corpus, "model": model, "seed": seed}

    def add_share(metric: str, some: Numbers, of: Numbers, split: str = "test", unit: str = "") -> None:
        """The share over all texts, from a number for each; texts with nothing to have a share of do not count."""
        sums = {"some": some[of > 0].astype(float), "of": of[of > 0].astype(float)}
        if len(sums["of"]):
            found.append(
                estimate(metric, sums, lambda totals: totals["some"] / totals["of"], split=split, unit=unit, **shared)
            )

    longest = {way: [_longest_copy(first, own, train) for first, own in pairs] for way, pairs in read.items()}
    for suffix in ("", "_sampled", "_human"):
        for order in ORDERS:
            starts = [own.lengths[first : max(first, len(own.lengths) - order + 1)] for first, own in read[suffix]]
            new = np.array([(lengths < order).sum() for lengths in starts])
            add_share(f"novelty{suffix}{order}", new, np.array([len(lengths) for lengths in starts]))
        words = np.array([copy.words for copy in longest[suffix]])
        add_share(f"copied_words{suffix}", words, np.ones(len(words)), unit="words")
        most = float(words.max())
        found.append(
            Record(metric=f"most_copied_words{suffix}", value=most, unit="words", n=len(words), split="test", **shared)
        )
    for split in ("train", "test"):
        right = np.array([_leading_words_right(text) for text in texts if text["split"] == split])
        add_share("extraction", right == 1, np.ones(len(right)), split)
        add_share("extraction_words", right, np.ones(len(right)), split)
    write_records(records, found)
    write_json(
        copies,
        {
            "continuations": [
                {"page_id": text["page_id"], "greedy": asdict(greedy), "sampled": asdict(sampled)}
                for text, greedy, sampled in zip(test, longest[""], longest["_sampled"], strict=True)
            ],
            "printed": [
                {"greedy": asdict(greedy), "sampled": asdict(sampled)}
                for greedy, sampled in zip(longest["printed greedy"], longest["printed sampled"], strict=True)
            ],
        },
    )


def _longest_copy(first: int, runs: Runs, sources: Sequence[dict[str, Any]]) -> Copy:
    """The longest copy that a text has from its word `first` on; a run that begins before counts from there."""
    places = np.arange(len(runs.lengths))
    counted = places + runs.lengths - np.maximum(places, first)
    words = int(counted.max(initial=0))
    if words < LONG_COPY:
        return Copy(words)
    source = sources[runs.sources[counted.argmax()]]
    return Copy(words, source["title"], source["page_id"])


def _leading_words_right(text: dict[str, Any]) -> float:
    """The share of the words of the reference that the greedy continuation gives before its first error."""
    reference, greedy = text["reference"].split(), text["greedy"].split()
    right = [own == true for own, true in zip(greedy, reference, strict=False)]
    return (right.index(False) if False in right else len(right)) / len(reference)


if __name__ == "__main__":
    run_stage(evaluate_memorisation)
