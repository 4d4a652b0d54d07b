"""The perplexity family: metrics as functions of sums over articles, and what goes into the sums besides the model's.

Bits per byte and per-word perplexity are comparable between models, because both are measured on the same normalised
text and a model pays for the spelling of what it calls [UNK]. Token perplexity, loss and accuracy are comparable only
between models with the same vocabulary.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from minillm.evaluation.record import Sums
from minillm.evaluation.spelling import SpellingModel
from minillm.vocabulary.tokenizer import unknown_id

Statistic = Callable[[Sums], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Definition:
    """A metric as a function of sums: `nll` and `spelling` in nats, and counts."""

    unit: str
    better: Literal["higher", "lower", "neither"]
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
    "brier": Definition("", "lower", lambda s: s["brier"] / s["tokens"]),
    "unknown_rate": Definition("", "lower", lambda s: s["unknown"] / s["tokens"]),
    # Not comparable between vocabularies, kept to show the difference: as printed by tools that do not charge for
    # [UNK], and of the tokens that the vocabulary knows alone.
    "bits_per_byte_uncharged": Definition("bit/byte", "lower", lambda s: s["nll"] / (s["bytes"] * math.log(2))),
    "perplexity_known": Definition(
        "", "lower", lambda s: np.exp((s["nll"] - s["nll_unknown"]) / (s["tokens"] - s["unknown"]))
    ),
}
COLUMNS = ["nll", "nll_unknown", "spelling", "brier", "tokens", "unknown", "correct", "in_top5"]
COLUMNS += ["bytes", "words", "characters"]


def text_sizes(texts: list[str]) -> Sums:
    """Bytes (UTF-8), words (separated by white space) and characters of each text."""
    return {
        "bytes": np.array([len(text.encode()) for text in texts], dtype=float),
        "words": np.array([len(text.split()) for text in texts], dtype=float),
        "characters": np.array([len(text) for text in texts], dtype=float),
    }


class Speller:
    """The price of what a vocabulary cannot write: nothing where it can write everything."""

    def __init__(self, tokenizer: Tokenizer, train_texts: list[str]) -> None:
        self.unknown = unknown_id(tokenizer)
        pieces: Counter[str] = Counter()
        if self.unknown is not None:
            encodings = tokenizer.encode_batch(train_texts, add_special_tokens=False)
            for text, encoding in zip(train_texts, encodings, strict=True):
                pieces.update(self.pieces(text, encoding))
        self.model = SpellingModel(pieces)

    def pieces(self, text: str, encoding: Encoding) -> list[str]:
        """What stands in a text where its encoding is unknown; in a word vocabulary, with the space before it."""
        ids, offsets = encoding.ids, encoding.offsets
        return [text[start:end] for id_, (start, end) in zip(ids, offsets, strict=True) if id_ == self.unknown]

    def cost(self, text: str, encoding: Encoding) -> float:
        """Nats to spell all that is unknown in a text."""
        return sum(map(self.model.nll, self.pieces(text, encoding)))
