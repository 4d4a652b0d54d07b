"""Generate text: one token at a time from the last `context` tokens, greedily or by sampling."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

from minillm.files import write_json
from minillm.model.language_model import LanguageModel
from minillm.stage import run_stage
from minillm.training.device import prepare
from minillm.training.saved import load_model
from minillm.vocabulary.tokenizer import decode, encode, load_tokenizer


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
    place = prepare(threads, device)
    network = load_model(weights, description, place)
    loaded = load_tokenizer(tokenizer)
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
    model: LanguageModel, prompts: Sequence[Sequence[int]], max_tokens: int, temperature: float = 0.0, seed: int = 0
) -> list[list[int]]:
    """Continuations of encoded prompts, each read after [BOS] and ended by [EOS] or after `max_tokens`.

    Temperature 0 takes the most probable token. Prompts of equal length run side by side, without padding; each has
    its own random numbers, drawn from (seed, its place), so that its text does not depend on the others.
    """
    device = next(model.parameters()).device
    specials = model.specials
    never = sorted(specials.ids - {specials.eos})  # they stand for no text
    continuations: list[list[int]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    for _, group in groupby(order, key=lambda index: len(prompts[index])):
        members = list(group)
        uniforms = np.stack([np.random.default_rng([seed, index]).random(max_tokens) for index in members])
        ids_BT = torch.tensor([[specials.bos, *prompts[index]] for index in members], device=device)
        cache = model.new_cache()
        for step in range(max_tokens):
            if cache is None or ids_BT.shape[1] > model.context:  # once the window moves, nothing read before holds
                logits_BTV = model(ids_BT[:, -model.context :], last_only=True)
            else:
                logits_BTV = model(ids_BT[:, cache.length :], last_only=True, cache=cache)
            logits_BV = logits_BTV[:, 0].float().cpu()
            logits_BV[:, never] = -torch.inf
            if temperature == 0:
                chosen_B = logits_BV.argmax(-1)
            else:
                cumulative_BV = (logits_BV.double() / temperature).softmax(-1).cumsum(-1)
                draw_B1 = torch.from_numpy(uniforms[:, step : step + 1].copy())
                chosen_B = (
                    torch.searchsorted(cumulative_BV, draw_B1, right=True).squeeze(1).clamp(max=logits_BV.shape[1] - 1)
                )
            ids_BT = torch.cat((ids_BT, chosen_B[:, None].to(device)), dim=1)
        for index, row in zip(members, ids_BT.tolist(), strict=True):
            new = row[1 + len(prompts[index]) :]
            continuations[index] = new[: new.index(specials.eos)] if specials.eos in new else new
    return continuations


if __name__ == "__main__":
    run_stage(generate_texts)
