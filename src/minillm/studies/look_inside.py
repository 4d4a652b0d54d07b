"""A look inside one model: its positions, what it attends to, where it places words, what it is made of, how it writes.

The figures are drawn from the files that are written here. All of it is computed on one thread of the CPU, whatever
measures the model: it is little, and comes out the same.
"""

import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from minillm.corpus.tables import read_split
from minillm.evaluation.loading import load_network
from minillm.evaluation.record import Record, estimate, write_records
from minillm.files import replacing, write_columns, write_json
from minillm.model.minigpt import MiniGPT
from minillm.model.qwen import Qwen
from minillm.stage import run_stage
from minillm.studies.architecture import describe
from minillm.studies.attention_maps import attention_to_first, attention_weights
from minillm.studies.candidates import spelling
from minillm.studies.projection import frequent_tokens, project
from minillm.studies.temperatures import at_each_temperature, distinct_words
from minillm.vocabulary.tokenizer import encode

MAP_TOKENS = 12  # of the prompt, [BOS] included, whose attention is written: more cannot be read in a figure
ARTICLES, ARTICLE_TOKENS = 100, 128  # of the test split, that attention to the first token is measured on


def look_inside(
    weights: Path,
    description: Path,
    tokenizer: Path,
    tokens: Path,
    articles: Path,
    model: str,
    seed: str,
    prompt: str,
    temperatures: list[float],
    seeds: list[int],
    max_tokens: int,
    words: int,
    positions: Path,
    attention: Path,
    embeddings: Path,
    architecture: Path,
    facts: Path,
    records: Path,
) -> None:
    """Write what is inside a model of the families minigpt and qwen; `tokens` is its encoded train split.

    `positions` (context, size) has the table that is added to the embeddings, or the cosines of the rotary angles, one
    column for each pair of dimensions. `attention` has the weights of every layer and head on the prompt, `embeddings`
    the `words` most frequent words in two dimensions, `facts` how the prompt goes on at each of `temperatures` with
    each of `seeds`, and the words that the article chooses by. `seed` is that of the training. Raises ValueError for a
    model of another family.
    """
    network, loaded = load_network(weights, description, tokenizer, 1, "cpu")
    if not isinstance(network, MiniGPT | Qwen):
        raise ValueError(f"{description}: only models of the families minigpt and qwen can be looked into")
    shared: dict[str, Any] = {"unit": "", "corpus": "inside", "model": f"inside-{model}", "seed": seed}
    tested = {**shared, "split": "test"}

    made_of = describe(network)
    write_json(architecture, made_of)
    with replacing(positions) as temporary, temporary.open("wb") as stream:
        np.save(stream, position_table(network), allow_pickle=False)

    bos = network.specials.bos
    read = [bos, *encode(loaded, prompt)][: min(MAP_TOKENS, network.context)]
    write_attention(attention, attention_weights(network, read), [spelling(loaded, id_) for id_ in read])
    documents = [[bos, *encode(loaded, text)] for text in read_split(articles, "test")[:ARTICLES]]
    sums = attention_to_first(network, [ids[: min(ARTICLE_TOKENS, network.context)] for ids in documents])
    to_first = estimate("attention_first", sums, lambda totals: totals["first"] / totals["positions"], **tested)
    evenly = float(sums["even"].sum() / sums["positions"].sum())

    shown = frequent_tokens(loaded, np.load(tokens), network.specials.ids, words)
    plane = project(network.token_embedding().weight.detach().double().numpy()[shown.ids])
    names = [spelling(loaded, id_) for id_ in shown.ids]
    write_columns(
        embeddings,
        {
            "token": [name.removeprefix("␣") for name in names] if shown.whole_words else names,
            "count": shown.counts,
            **{f"pca_{axis}": plane.pca[:, axis - 1].tolist() for axis in (1, 2)},
            **{f"tsne_{axis}": plane.tsne[:, axis - 1].tolist() for axis in (1, 2)},
        },
    )

    texts = at_each_temperature(network, loaded, prompt, temperatures, seeds, max_tokens)
    varied = {heat: found for heat in temperatures if (found := distinct_words(texts, heat)) is not None}
    write_json(
        facts,
        {
            "prompt": prompt,
            "texts": [dataclasses.asdict(text) for text in texts],
            "parameters": made_of["parameters"],
            "positions": made_of["positions"],
            "words": len(shown.ids),
            "whole_words": shown.whole_words,
            "varied": [f"{heat:g}" for heat in varied],
            "more_varied_when_hotter": _rises([varied[heat][0] for heat in sorted(varied)]),
        },
    )
    write_records(
        records,
        [
            to_first,
            Record(metric="attention_first_even", value=evenly, n=to_first.n, **tested),
            Record(metric="embedding_pca", value=plane.explained, n=len(shown.ids), **shared),
            *(Record(metric=f"distinct_words_{heat:g}", value=v, n=n, **shared) for heat, (v, n) in varied.items()),
        ],
    )


def position_table(model: MiniGPT | Qwen) -> npt.NDArray[np.float32]:
    """The positions that are added to embeddings (context, width), or the cosines of rotations (context, pairs)."""
    if isinstance(model, MiniGPT):
        return model.positions_TD.detach().numpy()
    half = model.cosine_TK.shape[1] // 2  # the two halves of a head turn by the same angles
    return model.cosine_TK[:, :half].numpy()


def write_attention(path: Path, weights_LHTT: npt.NDArray[np.float32], names: list[str]) -> None:
    """Write a row for each layer and head (from 1), each position and each one that it may attend to (from 0)."""
    layer, head, position, attended = np.indices(weights_LHTT.shape).reshape(4, -1)
    write_columns(
        path,
        {
            "layer": layer + 1,
            "head": head + 1,
            "position": position,
            "token": [names[place] for place in position],
            "attended": attended,
            "attended_token": [names[place] for place in attended],
            "weight": weights_LHTT.ravel().tolist(),
        },
    )


def _rises(values: list[float]) -> bool:
    return len(values) > 1 and all(low < high for low, high in pairwise(values))


if __name__ == "__main__":
    run_stage(look_inside)
