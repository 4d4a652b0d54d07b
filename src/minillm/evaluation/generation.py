"""Generate text: one token at a time from the last `context` tokens, greedily or by sampling."""

from collections.abc import Callable, Sequence
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
        uniforms_BN = np.stack([np.random.default_rng([seed, index]).random(max_tokens) for index in members])
        texts = _side_by_side(model, [prompts[index] for index in members], uniforms_BN, temperature, enough)
        for index, text in zip(members, texts, strict=True):
            continuations[index] = text
    return continuations


def _side_by_side(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    uniforms_BN: np.ndarray,
    temperature: float,
    enough: Callable[[list[int]], bool] | None,
) -> list[list[int]]:
    """Continuations of prompts, shortest first, of at most N tokens each.

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
        following, kept = _choose(logits_BV, temperature, draws_B).tolist(), []
        for row, index in enumerate(growing):
            if read < len(prompts[index]):
                following[row] = prompts[index][read]
            elif following[row] == model.specials.eos:
                continue
            else:
                texts[index].append(following[row])
                if len(texts[index]) > last or (enough and enough(texts[index])):
                    continue
            kept.append(row)
        ids_BT = torch.cat((ids_BT, torch.tensor(following, device=device)[:, None]), dim=1)
        if len(kept) < len(growing):
            growing, ids_BT = [growing[row] for row in kept], ids_BT[kept]
            if cache is not None:
                cache.keep(kept)
    return texts


def _choose(logits_BV: Tensor, temperature: float, draws_B: np.ndarray) -> Tensor:
    """The most probable token of each row, or the one at which the cumulated probability passes the row's draw."""
    if temperature == 0:
        return logits_BV.argmax(-1)
    cumulative_BV = (logits_BV.double() / temperature).softmax(-1).cumsum(-1)
    chosen_B1 = torch.searchsorted(cumulative_BV, torch.from_numpy(draws_B)[:, None], right=True)
    return chosen_B1.squeeze(1).clamp(max=logits_BV.shape[1] - 1)


if __name__ == "__main__":
    run_stage(generate_texts)
