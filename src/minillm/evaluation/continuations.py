"""Let a model continue the beginnings of articles; what is measured of the texts, other stages measure from the file.

Beginnings of test articles are continued greedily and by sampling; those of train articles, which show what was learnt
by heart, greedily. Lengths are in words, as white space separates them, so that models with different vocabularies
write equally much.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from minillm.evaluation.generation import generate
from minillm.evaluation.loading import load_network
from minillm.files import write_json
from minillm.stage import run_stage
from minillm.vocabulary.tokenizer import decode, encode


def generate_continuations(
    weights: Path,
    description: Path,
    tokenizer: Path,
    articles: Path,
    prompts: int,
    prompt_words: int,
    continuation_words: int,
    temperature: float,
    seed: int,
    threads: int,
    device: str,
    output: Path,
) -> None:
    """Continue up to `prompts` articles of the test split and as many of the train split.

    Of each article the file has page_id, title, split, prompt (its first words), reference (the words that follow),
    later (as many words after these), greedy and, for the test split, sampled (at `temperature`): what the model wrote,
    as many words or fewer if it ended the text. Raises ValueError if not two articles of a split are long enough.
    """
    network, loaded = load_network(weights, description, tokenizer, threads, device)
    texts = [
        text
        for split in ("test", "train")
        for text in beginnings(articles, split, prompts, prompt_words, continuation_words)
    ]
    # A text that has not got its words after twice the tokens of the longest reference will hardly get them.
    most_tokens = 2 * max(len(encode(loaded, text["reference"])) for text in texts)

    def written(chosen: list[dict[str, Any]], heat: float) -> list[str]:
        encoded = [encode(loaded, text["prompt"]) for text in chosen]
        # A word is complete when the next one has begun.
        found = generate(
            network, encoded, most_tokens, heat, seed, lambda ids: len(decode(loaded, ids).split()) > continuation_words
        )
        return [" ".join(decode(loaded, ids).split()[:continuation_words]) for ids in found]

    test = [text for text in texts if text["split"] == "test"]
    for way, chosen, heat in (("greedy", texts, 0.0), ("sampled", test, temperature)):
        for text, continuation in zip(chosen, written(chosen, heat), strict=True):
            text[way] = continuation
    write_json(output, texts)


def beginnings(
    articles: Path, split: str, prompts: int, prompt_words: int, continuation_words: int
) -> list[dict[str, Any]]:
    """Prompt, reference and later of articles evenly spaced over those of a split that are long enough.

    Raises ValueError if there are fewer than two.
    """
    table = pq.read_table(articles, columns=["page_id", "title", "text"], filters=[("split", "=", split)])
    needed = prompt_words + 2 * continuation_words
    rows = [(row, words) for row in table.to_pylist() if len(words := row["text"].split()) >= needed]
    if len(rows) < 2:
        raise ValueError(
            f"continuations need two {split} articles of at least {needed} words, and {articles} has {len(rows)}: "
            "lower prompt_words or continuation_words of its continuations in the config, or give more articles"
        )
    places = np.linspace(0, len(rows) - 1, min(prompts, len(rows))).round().astype(int)
    ends = prompt_words, prompt_words + continuation_words
    return [
        {
            "page_id": row["page_id"],
            "title": row["title"],
            "split": split,
            "prompt": " ".join(words[: ends[0]]),
            "reference": " ".join(words[ends[0] : ends[1]]),
            "later": " ".join(words[ends[1] : needed]),
        }
        for row, words in (rows[place] for place in places)
    ]


if __name__ == "__main__":
    run_stage(generate_continuations)
