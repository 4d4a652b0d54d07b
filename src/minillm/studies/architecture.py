"""What a model is made of, as its modules themselves say: shapes and parameters, which add up to those of the whole."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from minillm.model.minigpt import MiniGPT
from minillm.model.qwen import Qwen


def describe(model: MiniGPT | Qwen) -> dict[str, Any]:
    """The parts of a model in order, each with its class and the shapes and number of its parameters.

    Parts without parameters are left out; `tied` says that the output layer is the embedding, which is counted once.
    """
    parts = [part for part in _parts(model) if part["parameters"]]
    total, counted = sum(parameter.numel() for parameter in model.parameters()), sum(p["parameters"] for p in parts)
    assert counted == total, f"the parts have {counted} parameters, the model {total}"
    classic = model.config if isinstance(model, MiniGPT) else None
    return {
        "parts": parts,
        "parameters": total,
        "layers": len(model.blocks),
        "heads": model.config.heads,
        "norm": classic.norm if classic else "before",
        "activation": classic.activation if classic else "silu",
        "positions": classic.positions if classic else "rotary",
        "tied": model.output_layer() is None,
    }


def _parts(model: nn.Module) -> Iterator[dict[str, Any]]:
    """The modules inside a model and inside each of its blocks; a parameter of the model itself is one of its own."""
    for name, parameter in model.named_parameters(recurse=False):
        yield _part(name, parameter, {"": parameter})
    for name, module in model.named_children():
        if not isinstance(module, nn.ModuleList):
            yield _part(name, module, dict(module.named_parameters()))
            continue
        for number, block in enumerate(module):
            for inner, part in block.named_children():
                yield _part(f"{name}.{number}.{inner}", part, dict(part.named_parameters()))


def _part(name: str, module: object, parameters: Mapping[str, nn.Parameter]) -> dict[str, Any]:
    return {
        "name": name,
        "kind": type(module).__name__,
        "shapes": [{"name": inner, "shape": list(parameter.shape)} for inner, parameter in parameters.items()],
        "parameters": sum(parameter.numel() for parameter in parameters.values()),
    }
