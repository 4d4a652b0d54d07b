"""What a model chose from: at each step of a text the most probable tokens, with the chosen one marked.

Tokens are shown as they stand behind another one, spaces as ␣ and new lines as ⏎; one that is no text of its own, such
as a byte of a character or the end of a text, is shown as its vocabulary spells it.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tokenizers import Tokenizer

from minillm.evaluation.generation import Sampling, distribution, steps
from minillm.evaluation.loading import load_network
from minillm.files import write_text
from minillm.model.language_model import LanguageModel
from minillm.stage import run_stage
from minillm.studies.models import encode_prompt
from minillm.studies.talk import UNFINISHED, harmless
from minillm.vocabulary.tokenizer import decode

TOP = 5  # candidates of each step in the table of a file


def write_candidates(
    weights: Path,
    description: Path,
    tokenizer: Path,
    prompt: str,
    max_tokens: int,
    threads: int,
    device: str,
    output: Path,
) -> None:
    """Continue a prompt, always with the most probable token, and write the table of the candidates of each step.

    Raises ValueError if the prompt is empty or too long.
    """
    network, loaded = load_network(weights, description, tokenizer, threads, device)
    lines = table(network, loaded, prompt, max_tokens, TOP, Sampling(), seed=0)
    write_text(output, "".join(f"{line}\n" for line in lines))


def table(
    model: LanguageModel, tokenizer: Tokenizer, prompt: str, max_tokens: int, top: int, sampling: Sampling, seed: int
) -> Iterator[str]:
    """The lines of the table, those of a step as soon as it is taken.

    Probabilities are those that the token was drawn with; at temperature 0, where none is drawn, the model's own.
    """
    ids = encode_prompt(model, tokenizer, prompt)
    drawn = sampling if sampling.temperature else replace(sampling, temperature=1.0, top_k=None, top_p=1.0)
    yield "prompt: " + "|".join(spelling(tokenizer, id_) for id_ in ids)
    yield f"{'step':>4}  {'rank':>4}  {'probability':>11}    token"
    for number, step in enumerate(steps(model, ids, max_tokens, sampling, seed), start=1):
        probability_V = distribution(step.logits_V[None], drawn)[0]
        order_V = probability_V.argsort(descending=True, stable=True)
        rank_of_chosen = int((order_V == step.token).nonzero())
        ranks = [rank for rank in range(min(top, len(order_V))) if probability_V[order_V[rank]] > 0]
        for place, rank in enumerate(sorted({*ranks, rank_of_chosen})):
            id_ = int(order_V[rank])
            probability = f"{probability_V[id_]:.4f}" if probability_V[id_] >= 5e-5 else "<0.0001"
            yield (
                f"{'' if place else number:>4}  {rank + 1:>4}  {probability:>11}  "
                f"{'>' if id_ == step.token else ' '} {spelling(tokenizer, id_)}"
            )


def spelling(tokenizer: Tokenizer, id_: int) -> str:
    """A token on one line, as the table shows it."""
    # Behind itself, since some decoders drop the space of a first token.
    text = decode(tokenizer, [id_, id_])[len(decode(tokenizer, [id_])) :]
    if not text or UNFINISHED in text:
        text = tokenizer.id_to_token(id_) or f"[{id_}]"
    return harmless(text.replace(" ", "␣").replace("\n", "⏎"))


if __name__ == "__main__":
    run_stage(write_candidates)
