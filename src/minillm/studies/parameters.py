"""Every parameter tensor of a model: its name, its shape, how many numbers it has and what it is, in words.

Names are those of this project's models and the usual ones of transformers; of other models it is said what kind of
layer a tensor belongs to.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from minillm.files import write_text
from minillm.model.qwen import Qwen
from minillm.stage import run_stage
from minillm.training.saved import load_model

# What a module is for, by the end of its name; the longest that fits is taken, and a dot in front is the model itself.
MEANINGS = {
    end: meaning
    for meaning, ends in {
        "token embeddings": ".embedding wte embed_tokens embed_in word_embeddings",
        "position embeddings": ".positions_TD wpe embed_positions position_embeddings",
        "attention, its normalisation": "attention_norm ln_1 input_layernorm self_attn_layer_norm",
        "attention, queries, keys and values of all heads": "query_key_value c_attn",
        "attention, queries of all heads": "attention.query self.query q_proj",
        "attention, keys of all heads": "attention.key self.key k_proj",
        "attention, values of all heads": "attention.value self.value v_proj",
        "attention, normalisation of each query": "query_norm q_norm",
        "attention, normalisation of each key": "key_norm k_norm",
        "attention, output that mixes the heads": "attention.output o_proj out_proj attn.c_proj attention.dense",
        "normalisation behind the attention": "post_attention_layernorm",
        "feed-forward, its normalisation": "feed_forward_norm ln_2",
        "feed-forward, gate of the inner width": "feed_forward.gate gate_proj",
        "feed-forward, to the inner width": "feed_forward.expand feed_forward.up c_fc up_proj dense_h_to_4h fc1",
        "feed-forward, back to the width": "feed_forward.contract feed_forward.down mlp.c_proj down_proj dense_4h_to_h "
        "fc2",
        "last normalisation": ".norm ln_f model.norm gpt_neox.final_layer_norm decoder.final_layer_norm",
        "output layer, a logit for each token": ".head lm_head embed_out",
    }.items()
    for end in ends.split()
}


def write_parameters(weights: Path, description: Path, output: Path) -> None:
    """Write the table of a saved model's parameters."""
    model = load_model(weights, description, torch.device("cpu"))
    write_text(output, "".join(f"{line}\n" for line in table(model)))


def table(model: nn.Module) -> Iterator[str]:
    """The lines of the table; a tensor that is used twice is counted once, and the sum is that of all."""
    rows = [("name", "shape", "numbers", "what it is")]
    first_names: dict[nn.Parameter, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        shown, shape = name.removeprefix("inner."), " × ".join(map(str, parameter.shape))
        if original := first_names.get(parameter):
            rows.append((shown, shape, "–", f"{describe(model, name)}; tied: the same tensor as {original}"))
            continue
        first_names[parameter] = shown
        rows.append((shown, shape, f"{parameter.numel():,}", describe(model, name)))
    rows.append(("total", "", f"{sum(parameter.numel() for parameter in model.parameters()):,}", ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, shape, count, what in rows:
        yield f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {count:>{widths[2]}}  {what}".rstrip()


def describe(model: nn.Module, name: str) -> str:
    """What a parameter of a model is."""
    place, _, kind = name.rpartition(".")
    module = model.get_submodule(place)
    parts = f".{(place or kind).removeprefix('inner.')}".split(".")
    ends = (".".join(parts[start:]) for start in range(len(parts)))
    meaning = next((MEANINGS[end] for end in ends if end in MEANINGS), _kind_of(module))
    if isinstance(module, nn.Embedding):
        return f"{meaning}, a row each" + ("; the output layer is the same" if isinstance(model, Qwen) else "")
    if "norm" in type(module).__name__.lower():
        return f"{meaning}, {'shift' if kind == 'bias' else 'scale'}"
    if kind == "weight":
        return f"{meaning}, weights ({'in × out' if isinstance(module, Conv1D) else 'out × in'})"
    return f"{meaning}, {kind}" if place else meaning


def _kind_of(module: nn.Module) -> str:
    if isinstance(module, nn.Linear):
        return f"linear layer from {module.in_features} to {module.out_features}"
    return type(module).__name__


if __name__ == "__main__":
    run_stage(write_parameters)
