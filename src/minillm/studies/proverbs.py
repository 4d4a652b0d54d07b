"""Proverbs: what a small model makes of them, each marked as copied, nearly copied, new or empty.

A model of a few hundred proverbs can write one that nobody knows, or give back one it has read. Each is compared with
the most similar of those it was trained on; the proverbs of the test split, which people made, are judged in the same
way and show how alike proverbs are anyhow. New does not mean that it makes sense.
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from minillm.corpus.tables import read_split
from minillm.evaluation.generation import generate
from minillm.evaluation.loading import load_network
from minillm.evaluation.record import Record, estimate, write_records
from minillm.files import write_json, write_text
from minillm.stage import run_stage
from minillm.vocabulary.tokenizer import decode

WRITTEN = 30  # proverbs that the model writes from nothing
NEAR = 0.8  # share of letters in common from which on a proverb is a variant of another
Kind = Literal["copied", "near", "new", "empty"]
MARKS: dict[Kind, str] = {"copied": "copied", "near": "nearly copied", "new": "new", "empty": "empty"}


@dataclass(frozen=True)
class Judged:
    """A proverb, what it is, and the most similar one of those that the model was trained on."""

    text: str
    kind: Kind
    nearest: str


def write_proverbs(
    weights: Path,
    description: Path,
    tokenizer: Path,
    articles: Path,
    corpus: str,
    model: str,
    training_seed: str,
    max_tokens: int,
    temperature: float,
    seed: int,
    threads: int,
    device: str,
    texts: Path,
    study: Path,
    records: Path,
) -> None:
    """Sample proverbs from nothing, judge them and the test split, and write both with the shares of each kind."""
    network, loaded = load_network(weights, description, tokenizer, threads, device)
    known = read_split(articles, "train")
    written = [decode(loaded, ids) for ids in generate(network, [[]] * WRITTEN, max_tokens, temperature, seed)]
    own, human = judge(written, known), judge(read_split(articles, "test"), known)
    write_records(
        records,
        [
            record
            for name, judged, of in ((model, own, training_seed), (f"{model}-human", human, ""))
            for record in _shares(judged, name, corpus, of)
        ],
    )
    lines = [f"{MARKS[one.kind]:>13}  {one.text}" + _nearest(one) for one in own]
    counts = Counter(one.kind for one in own)
    head = ", ".join(f"{counts[kind]} {mark}" for kind, mark in MARKS.items())
    write_text(texts, "\n".join([f"{len(own)} proverbs at temperature {temperature:g}: {head}.", "", *lines, ""]))
    write_json(
        study,
        {
            "model": model,
            "temperature": temperature,
            "written": [asdict(one) for one in own],
            "human": len(human),
        },
    )


def judge(proverbs: Iterable[str], known: Sequence[str]) -> list[Judged]:
    """Compare each with the most similar of the known ones: letters and numbers alone, without case.

    `copied` are the same letters; `near` means that at least `NEAR` of the letters of both together match in order
    (the ratio of Ratcliff and Obershelp, as difflib computes it), or that it is a half or more of the known one.
    """
    letters = {one: _letters(one) for one in known}
    judged = []
    for text in proverbs:
        own = _letters(text)
        matcher = difflib.SequenceMatcher(None, b=own, autojunk=False)
        best, nearest = -1.0, ""
        for one, its_letters in letters.items():
            matcher.set_seq1(its_letters)
            if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and (ratio := matcher.ratio()) > best:
                best, nearest = ratio, one
        part = own in letters[nearest] and len(own) >= len(letters[nearest]) / 2 > 0
        kind: Kind = "copied" if best == 1 else "near" if best >= NEAR or part else "new" if own else "empty"
        judged.append(Judged(text, kind, nearest))
    return judged


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def _nearest(one: Judged) -> str:
    return f"  ({one.nearest})" if one.kind == "near" else ""


def _shares(judged: Sequence[Judged], model: str, corpus: str, seed: str) -> list[Record]:
    """The share of each kind, with its interval over proverbs."""
    return [
        estimate(
            f"{kind}_share",
            {"some": np.array([float(one.kind == kind) for one in judged]), "all": np.ones(len(judged))},
            lambda sums: sums["some"] / sums["all"],
            units="proverbs",
            unit="",
            model=model,
            corpus=corpus,
            split="test",
            seed=seed,
        )
        for kind in MARKS
    ]


if __name__ == "__main__":
    run_stage(write_proverbs)
