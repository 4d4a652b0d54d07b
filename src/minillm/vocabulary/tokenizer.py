"""The three kinds of vocabulary, as tokenizers of the `tokenizers` library.

`words` has whole words with the space before them (« casa»), so that joining the tokens gives the text back; what is
not among its most frequent words is [UNK]. `characters` is the same with single characters. `bpe` is byte-level
byte-pair encoding (Sennrich et al. 2016, P16-1162; on bytes as in GPT-2) and has no unknown text. All begin with the
same four special tokens. What is asked of a tokenizer here can also be asked of one that came with a pretrained model.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from minillm.text import normalise

SPECIALS = ["[PAD]", "[UNK]", "[BOS]", "[EOS]"]
PAD, UNK, BOS, EOS = range(4)


@dataclass(frozen=True, kw_only=True)
class Specials:
    """The ids of a vocabulary that stand for no text; None where it has no such token, and some may be the same."""

    pad: int | None = PAD
    unk: int | None = UNK
    bos: int = BOS
    """What a text is read after."""
    eos: int | None = EOS

    @property
    def padding(self) -> int:
        """What fills a row up: [PAD], or else what a text is read after."""
        return self.bos if self.pad is None else self.pad

    @property
    def ids(self) -> set[int]:
        """All of them."""
        return {id_ for id_ in (self.pad, self.unk, self.bos, self.eos) if id_ is not None}


# A word, a number or one mark, each with the space before it; or the end of a line or paragraph. Together these cover
# every character of normalised text.
_PIECE = {
    "words": Regex(r"\n+| ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]|\s"),
    "characters": Regex(r"(?m:.)"),
}
# Long numbers are split in pairs of digits, so that no year or population needs a token of its own.
_DIGITS = Regex(r"\p{N}{1,2}")


def train_tokenizer(texts: Iterable[str], kind: str, size: int) -> Tokenizer:
    """Build a vocabulary of at most `size` tokens, specials included, from normalised texts.

    `kind` is `words` or `characters` (most frequent first, ties by the alphabet) or `bpe`.
    """
    if kind in _PIECE:
        tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Split(_PIECE[kind], behavior="isolated")
        tokenizer.decoder = decoders.Fuse()
        trainer: trainers.Trainer = trainers.WordLevelTrainer(
            vocab_size=size, special_tokens=SPECIALS, show_progress=False
        )
    elif kind == "bpe":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(_DIGITS, behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=SPECIALS,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
    else:
        raise ValueError(f"unknown kind of vocabulary {kind!r}: words, characters or bpe")
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.encode_special_tokens = True  # «[UNK]» in a text is text, not a special token
    return tokenizer


def load_tokenizer(path: Path) -> Tokenizer:
    """Load a tokenizer that `build_vocabulary` wrote."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.encode_special_tokens = True
    return tokenizer


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """Token ids of a text, normalised first, without special tokens."""
    ids: list[int] = tokenizer.encode(normalise(text), add_special_tokens=False).ids
    return ids


def decode(tokenizer: Tokenizer, ids: Iterable[int]) -> str:
    """The text of token ids without special tokens; [UNK] of words and characters stays visible as « [UNK]»."""
    if isinstance(tokenizer.model, models.WordLevel) and isinstance(tokenizer.decoder, decoders.Fuse):
        pieces = {PAD: "", UNK: " [UNK]", BOS: "", EOS: ""}
        return "".join(pieces.get(id_, tokenizer.id_to_token(id_) or "") for id_ in ids)
    text: str = tokenizer.decode(list(ids), skip_special_tokens=True)
    return text


def vocabulary_size(tokenizer: Tokenizer) -> int:
    """One more than the largest id: not every vocabulary uses all ids below it."""
    return max(tokenizer.get_vocab().values()) + 1


def unknown_id(tokenizer: Tokenizer) -> int | None:
    """The id of what the vocabulary cannot write, or None if it can write everything."""
    model = json.loads(tokenizer.to_str())["model"]
    if "unk_id" in model:  # of a Unigram model
        return model["unk_id"]
    return None if model.get("unk_token") is None else tokenizer.token_to_id(model["unk_token"])
