"""`minillm generate`: a model continues what a person types, and the answer appears as it comes."""

import os
import unicodedata
from collections.abc import Iterator
from typing import TextIO

from tokenizers import Tokenizer

from minillm.evaluation.generation import Sampling, steps
from minillm.model.language_model import LanguageModel
from minillm.studies.models import encode_prompt, load
from minillm.text import normalise
from minillm.vocabulary.tokenizer import decode

PROMPT, ANSWER, PLAIN = "\x1b[34m", "\x1b[35m", "\x1b[39m"  # of a terminal's own palette, readable on light and dark
UNFINISHED = "\ufffd"  # what the decoder gives for the first bytes of a character


def talk(what: str, prompt: str, max_tokens: int, sampling: Sampling, seed: int, screen: TextIO) -> None:
    """Write a prompt and its continuation by a model: on a terminal in two colours, unless NO_COLOR is set.

    Raises ValueError if there is no such model or the prompt is empty or too long.
    """
    model, tokenizer = load(what)
    ids = encode_prompt(model, tokenizer, prompt)
    coloured = screen.isatty() and not os.environ.get("NO_COLOR")
    before, between, after = (PROMPT, ANSWER, PLAIN) if coloured else ("", "", "")
    try:
        screen.write(f"{before}{normalise(prompt)}{between}")
        screen.flush()
        for piece in pieces(model, tokenizer, ids, max_tokens, sampling, seed):
            screen.write(harmless(piece))
            screen.flush()
    finally:
        screen.write(f"{after}\n")
        screen.flush()


def pieces(
    model: LanguageModel, tokenizer: Tokenizer, prompt: list[int], max_tokens: int, sampling: Sampling, seed: int
) -> Iterator[str]:
    """The continuation of an encoded prompt, piece by piece; none ends within a character."""
    done = len(decode(tokenizer, prompt))  # decoded together, since some decoders drop the space of a first token
    for step in steps(model, prompt, max_tokens, sampling, seed):
        text = decode(tokenizer, [*prompt, *step.ids]).rstrip(UNFINISHED)
        if len(text) > done:
            yield text[done:]
            done = len(text)


def harmless(text: str) -> str:
    """The text with control characters spelt out, so that none of a model's reaches a terminal; new lines stay."""
    return "".join(
        char if char == "\n" or unicodedata.category(char) != "Cc" else f"\\x{ord(char):02x}" for char in text
    )
