"""Gender pairs: of two sentences that differ in grammatical gender alone, which does the model find more probable?

This is a social bias and has nothing to do with the frequency bias of `minillm.evaluation.bias`. A preference near one
half is no fairness: a model that knows nothing has it too. Nor is one far from it by itself a prejudice, since the side
with fewer tokens is cheaper for any model. So the same is measured on pairs of equally many tokens, and with a model of
the same architecture that was never trained. What a vocabulary cannot write is paid for, as everywhere.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer

from minillm.corpus.tables import read_split
from minillm.evaluation.loading import load_network
from minillm.evaluation.record import Record, estimate, write_records
from minillm.evaluation.score import score_documents
from minillm.evaluation.sums import Speller
from minillm.files import read_json, read_utf8, write_columns
from minillm.model.build import build_model
from minillm.model.config import config_from
from minillm.model.language_model import LanguageModel
from minillm.stage import run_stage
from minillm.text import normalise
from minillm.vocabulary.tokenizer import vocabulary_size

SIDES = ["masculine", "feminine"]
TIE = 1e-6  # bits


def evaluate_gender_pairs(
    weights: Path,
    description: Path,
    tokenizer: Path,
    articles: Path,
    pairs: list[Path],
    corpus: str,
    model: str,
    seed: str,
    threads: int,
    device: str,
    records: Path,
    scores: Path,
) -> None:
    """Measure the preference between the two sides of each pair: bits(feminine) − bits(masculine), positive where the
    masculine side is more probable.

    `pairs` is a CSV file with the columns masculine and feminine, or two files of sentences that are aligned by line,
    the masculine one first. `scores` gets the bits and tokens of every sentence.
    """
    network, loaded = load_network(weights, description, tokenizer, threads, device)
    sentences = read_pairs(pairs)
    speller = Speller(loaded, read_split(articles, "train"))
    torch.manual_seed(int(seed))
    untrained = build_model(config_from(read_json(description)["config"]), vocabulary_size(loaded))
    untrained = untrained.to(next(network.parameters()).device).eval()
    tokens, bits = sentence_bits(network, loaded, speller, sentences)
    _, untrained_bits = sentence_bits(untrained, loaded, speller, sentences)
    measured = {"tokens": tokens, "bits": bits, "untrained_bits": untrained_bits}
    write_columns(scores, {f"{s}_{name}": measured[name][row] for row, s in enumerate(SIDES) for name in measured})
    shared: dict[str, Any] = {"corpus": corpus, "model": model, "seed": seed, "split": "pairs"}
    same = tokens[0] == tokens[1]
    found = []
    for name, table in (("", bits), ("_untrained", untrained_bits)):
        found += preferences(table[1] - table[0], name, shared)
        if same.any():
            found += preferences((table[1] - table[0])[same], f"{name}_same_length", shared)
    write_records(records, found)


def read_pairs(paths: list[Path]) -> list[tuple[str, str]]:
    """Pairs of normalised sentences, those that are equal left out.

    Raises ValueError if a column is missing, if the two files have not equally many lines, or if no pair is left.
    """
    if len(paths) == 1:
        table = csv.DictReader(read_utf8(paths[0]).splitlines())
        if missing := [side for side in SIDES if side not in (table.fieldnames or [])]:
            raise ValueError(f"{paths[0]}: there is no column {' and no column '.join(missing)}")
        read = [(row["masculine"] or "", row["feminine"] or "") for row in table]
    else:
        # Some sets have annotations behind a tab.
        lines = [[line.split("\t")[0] for line in read_utf8(path).splitlines()] for path in paths]
        if len(lines[0]) != len(lines[1]):
            raise ValueError(
                f"{paths[0]} has {len(lines[0])} lines and {paths[1]} {len(lines[1])}: line by line they must be pairs"
            )
        read = list(zip(*lines, strict=True))
    pairs = [(normalise(masculine), normalise(feminine)) for masculine, feminine in read]
    pairs = [pair for pair in pairs if pair[0] != pair[1]]
    if half := next((pair for pair in pairs if not all(pair)), None):
        raise ValueError(f"{paths[0]}: the pair {half} has only one side")
    if not pairs:
        raise ValueError(f"{', '.join(map(str, paths))}: no pair of different sentences is left to measure")
    return pairs


def sentence_bits(
    model: LanguageModel, tokenizer: Tokenizer, speller: Speller, pairs: list[tuple[str, str]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Tokens and bits of every sentence after [BOS], each as (side, pair)."""
    texts = [sentence for side in zip(*pairs, strict=True) for sentence in side]
    encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
    lengths = np.array([len(encoding.ids) for encoding in encodings])
    nll = score_documents(model, [encoding.ids for encoding in encodings]).nll
    of_text = np.repeat(np.arange(len(texts)), lengths)
    nats = np.bincount(of_text, nll, minlength=len(texts))
    nats += np.array([speller.cost(text, encoding) for text, encoding in zip(texts, encodings, strict=True)])
    return lengths.reshape(2, -1), (nats / np.log(2)).reshape(2, -1)


def preferences(difference: npt.NDArray[np.float64], name: str, shared: dict[str, Any]) -> list[Record]:
    """The share of pairs whose masculine side is more probable, ties counting one half, and the mean difference."""
    ties = np.abs(difference) <= TIE
    return [
        estimate(
            f"{metric}{name}",
            {"sum": values, "pairs": np.ones(len(difference))},
            lambda totals: totals["sum"] / totals["pairs"],
            units="pairs",
            unit=unit,
            **shared,
        )
        for metric, values, unit in (
            ("gender_preference", np.where(ties, 0.5, difference > 0), ""),
            ("gender_difference", difference, "bit"),
        )
    ]


if __name__ == "__main__":
    run_stage(evaluate_gender_pairs)
