"""Generate text: one token at a time from the last `context` tokens, greedily or by sampling.

There is one loop. `generate` takes whole texts from it, many side by side, and `steps` one text as it grows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from minillm.evaluation.loading import load_network
from minillm.files import write_json
from minillm.model.language_model import LanguageModel
from minillm.stage import run_stage
from minillm.vocabulary.tokenizer import decode, encode

ROWS_AT_ONCE = 64  # texts that are continued side by side: bounds the memory of keys, values and logits


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a token is chosen. Raises ValueError if a value is out of range."""

    temperature: float = 0.0
    """What logits are divided by; 0 takes the most probable token."""
    top_k: int | None = None
    """The most probable tokens that are drawn from; None: all."""
    top_p: float = 1.0
    """Then the fewest most probable ones whose share is at least this (the nucleus of Holtzman et al. 2020,
    arXiv:1904.09751)."""

    def __post_init__(self) -> None:
        if not (self.temperature == 0 or 1e-6 <= self.temperature <= 1e6):
            raise ValueError(
                f"temperature {self.temperature:g}: give 0, which takes the most probable token, or from 1e-6 to 1e6"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top-k {self.top_k}: give how many tokens to draw from, 1 or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top-p {self.top_p:g}: give a share of the probability above 0 and up to 1, such as 0.9")


@dataclass(frozen=True)
class Step:
    """One token of a text that is being written."""

    text: int
    """Which of the texts."""
    token: int
    """What was chosen; [EOS] ends the text."""
    ids: list[int]
    """The text up to here, without [EOS]; it goes on growing."""
    logits_V: Tensor
    """What it was chosen by: of ids that stand for no text -inf."""


def generate_texts(
    weights: Path,
    description: Path,
    tokenizer: Path,
    prompts: list[str],
    max_tokens: int,
    temperature: float,
    seed: int,
    threads: int,
    device: str,
    output: Path,
) -> None:
    """Continue each prompt greedily and by sampling at `temperature`, and write prompts and continuations."""
    network, loaded = load_network(weights, description, tokenizer, threads, device)
    encoded = [encode(loaded, prompt) for prompt in prompts]
    ways = {
        way: [decode(loaded, ids) for ids in generate(network, encoded, max_tokens, heat, seed)]
        for way, heat in (("greedy", 0.0), ("sampled", temperature))
    }
    write_json(
        output,
        {
            "temperature": temperature,
            "seed": seed,
            "texts": [
                {"prompt": prompt, **{way: texts[index] for way, texts in ways.items()}}
                for index, prompt in enumerate(prompts)
            ],
        },
    )


@torch.no_grad()
def generate(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    enough: Callable[[list[int]], bool] | None = None,
) -> list[list[int]]:
    """Continuations of encoded prompts, each read after [BOS] and ended by [EOS] or after `max_tokens`.

    `enough`, if given, is asked after each token whether a continuation may end there. Temperature 0 takes the most
    probable token. Each text has its own random numbers, drawn from (seed, its place), and its own length: it does not
    depend on the others.
    """
    continuations: list[list[int]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    for start in range(0, len(order) if max_tokens else 0, ROWS_AT_ONCE):
        members = order[start : start + ROWS_AT_ONCE]
        uniforms_BN = np.stack([_uniforms(seed, index, max_tokens) for index in members])
        sampling = Sampling(temperature=temperature)
        for step in _side_by_side(model, [prompts[index] for index in members], uniforms_BN, sampling, enough):
            continuations[members[step.text]] = step.ids
    return continuations


@torch.no_grad()
def steps(
    model: LanguageModel, prompt: Sequence[int], max_tokens: int, sampling: Sampling, seed: int
) -> Iterator[Step]:
    """The same for one prompt, token by token; the text is the one that `generate` gives for it alone."""
    yield from _side_by_side(model, [prompt], _uniforms(seed, 0, max_tokens)[None], sampling, None)


def _uniforms(seed: int, index: int, max_tokens: int) -> np.ndarray:
    """The random numbers of a text; those of a token do not depend on how many follow."""
    return np.random.default_rng([seed, index]).random(max_tokens)


def _side_by_side(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    uniforms_BN: np.ndarray,
    sampling: Sampling,
    enough: Callable[[list[int]], bool] | None,
) -> Iterator[Step]:
    """The steps of continuations of prompts, shortest first, of at most N tokens each.

    There is no padding: all texts are read together up to the end of the shortest prompt and then grow by one token at
    a time, which is the next one of the prompt as long as that lasts.
    """
    device = next(model.parameters()).device
    never = sorted(model.specials.ids - {model.specials.eos})  # they stand for no text
    lengths_B, last = np.array([len(prompt) for prompt in prompts]), uniforms_BN.shape[1] - 1
    ids_BT = torch.tensor([[model.specials.bos, *prompt[: len(prompts[0])]] for prompt in prompts], device=device)
    cache = model.new_cache()
    texts: list[list[int]] = [[] for _ in prompts]
    growing = list(range(len(prompts)))  # which texts the rows are
    while growing:
        if cache is None or ids_BT.shape[1] > model.context:  # once the window moves, nothing read before holds
            logits_BTV = model(ids_BT[:, -model.context :], last_only=True)
        else:
            logits_BTV = model(ids_BT[:, cache.length :], last_only=True, cache=cache)
        logits_BV = logits_BTV[:, 0].float().cpu()
        logits_BV[:, never] = -torch.inf
        read = ids_BT.shape[1] - 1
        draws_B = uniforms_BN[growing, np.clip(read - lengths_B[growing], 0, last)]
        following, kept = _choose(logits_BV, sampling, draws_B).tolist(), []
        for row, index in enumerate(growing):
            if read < len(prompts[index]):
                following[row] = prompts[index][read]
            else:
                text, ended = texts[index], following[row] == model.specials.eos
                if not ended:
                    text.append(following[row])
                yield Step(index, following[row], text, logits_BV[row])
                if ended or len(text) > last or (enough and enough(text)):
                    continue
            kept.append(row)
        ids_BT = torch.cat((ids_BT, torch.tensor(following, device=device)[:, None]), dim=1)
        if len(kept) < len(growing):
            growing, ids_BT = [growing[row] for row in kept], ids_BT[kept]
            if cache is not None:
                cache.keep(kept)


def _choose(logits_BV: Tensor, sampling: Sampling, draws_B: np.ndarray) -> Tensor:
    """The most probable token of each row, or the one at which the cumulated probability passes the row's draw."""
    if sampling.temperature == 0:
        return logits_BV.argmax(-1)
    cumulative_BV = distribution(logits_BV, sampling).cumsum(-1)
    # A sum that rounding leaves below 1 is no reason to take a token of no probability.
    draws_B1 = torch.from_numpy(draws_B)[:, None] * cumulative_BV[:, -1:]
    return torch.searchsorted(cumulative_BV, draws_B1, right=True).squeeze(1)


def distribution(logits_BV: Tensor, sampling: Sampling) -> Tensor:
    """The probabilities (batch, vocab) that tokens are drawn with, in float64, at a temperature above 0."""
    probability_BV = (logits_BV.double() / sampling.temperature).softmax(-1)
    if sampling.top_k is None and sampling.top_p == 1:
        return probability_BV
    # Of equally probable tokens the one with the lower id comes first.
    falling_BV, order_BV = probability_BV.sort(dim=-1, descending=True, stable=True)
    if sampling.top_k is not None:
        falling_BV[:, sampling.top_k :] = 0
        falling_BV /= falling_BV.sum(-1, keepdim=True)
    before_BV = falling_BV.cumsum(-1).roll(1, -1)
    before_BV[:, 0] = 0
    falling_BV[before_BV >= sampling.top_p] = 0
    falling_BV /= falling_BV.sum(-1, keepdim=True)
    return torch.zeros_like(falling_BV).scatter(-1, order_BV, falling_BV)


if __name__ == "__main__":
    run_stage(generate_texts)
