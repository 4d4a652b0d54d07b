"""The same prompt at several temperatures: nearer to 0 the model repeats what is most probable, above 1 it rambles."""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from minillm.evaluation.generation import generate
from minillm.evaluation.repetition import distinct
from minillm.model.language_model import LanguageModel
from minillm.vocabulary.tokenizer import decode, encode


@dataclass(frozen=True)
class Written:
    """A continuation of the prompt; at temperature 0 no seed matters, and there is none."""

    temperature: float
    seed: int | None
    text: str


def at_each_temperature(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompt: str,
    temperatures: Sequence[float],
    seeds: Sequence[int],
    max_tokens: int,
) -> list[Written]:
    """Continuations of at most `max_tokens` at each temperature with each seed, at temperature 0 one."""
    ids = encode(tokenizer, prompt)
    return [
        Written(heat, seed, decode(tokenizer, written))
        for heat in temperatures
        for seed in (seeds if heat else [None])
        for written in generate(model, [ids], max_tokens, heat, seed or 0)
    ]


def distinct_words(texts: Sequence[Written], temperature: float) -> tuple[float, int] | None:
    """The share of the words of a text that are the first of their kind: the mean at a temperature, and of how many.

    None if nothing was written there.
    """
    shares = [distinct([one.text.split()], 1) for one in texts if one.temperature == temperature]
    known = [share for share in shares if share is not None]
    return (sum(known) / len(known), len(known)) if known else None
