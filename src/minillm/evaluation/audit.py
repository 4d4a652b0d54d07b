"""`minillm audit`: whether a model sees the future, in words, within a minute, and what to change if it does.

The model is one of the project's own, one of transformers, or a class in a file, built but not trained. That it leaks
is found by calling it (see `causality`); why, by looking at what torch's own attention layers are called with.
"""

import inspect
import json
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor, nn

from minillm.evaluation.causality import Findings, examine, random_ids
from minillm.files import read_json
from minillm.model.build import build_model
from minillm.model.config import ModuleConfig
from minillm.model.language_model import LanguageModel
from minillm.model.minigpt import MiniGPT
from minillm.model.outside import HuggingFaceModel
from minillm.training.adopt_model import read_model
from minillm.training.device import choose_device
from minillm.training.saved import is_saved_here, load_model
from minillm.vocabulary.adopt_vocabulary import silence_transformers
from minillm.vocabulary.tokenizer import SPECIALS, Specials

CLASS_VOCABULARY, CONTEXT = 101, 64  # where neither the model nor the command line says more
WORK = 2e9  # parameters times tokens of context: what two cores audit within a minute
SCORED = 64  # tokens that are scored one by one
HIDDEN = -1e4  # what a mask adds to the score of a pair that it hides, or less
CAUSAL_MASK = "torch.nn.Transformer.generate_square_subsequent_mask(T)"

# The arguments in which torch's layers take the masks of what may see what.
MASKS: dict[type[nn.Module], tuple[str, ...]] = {
    nn.TransformerEncoder: ("mask",),
    nn.TransformerEncoderLayer: ("src_mask",),
    nn.TransformerDecoder: ("tgt_mask", "memory_mask"),
    nn.TransformerDecoderLayer: ("tgt_mask", "memory_mask"),
    nn.MultiheadAttention: ("attn_mask",),
}


def audit(what: str, stream: TextIO, vocabulary_size: int | None, context: int | None, options: list[str]) -> int:
    """Say whether a model sees the future; the exit status: 0 if it does not, 1 if it does.

    `what` is a folder, a name on the hub or `file.py:Class`. `vocabulary_size` and `options` (`name=value`, the value
    in JSON) are for a class; `context` is the number of tokens to try. Raises ValueError for what cannot be audited.
    """
    silence_transformers()
    if what.endswith(".py"):
        raise ValueError(f"{what}: say which class of the file, as {what}:Class")
    is_class = ".py:" in what
    if is_class:
        model, size = _from_class(what, vocabulary_size or CLASS_VOCABULARY, context or CONTEXT, options)
    elif vocabulary_size is not None or options:
        raise ValueError("--vocabulary-size and --option are for a class in a file: what is saved has its own")
    else:
        model, size = _from_folder(Path(what)) if is_saved_here(Path(what)) else _from_transformers(what, context)
    if context is not None and not 2 <= context <= model.context:
        raise ValueError(f"--context {context}: give at least 2 and, for {what}, at most {model.context}")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    model.context = context or min(model.context, max(8, int(WORK / max(1, parameters))))
    model.to(place := choose_device())

    scored_1T = random_ids(1, min(model.context, SCORED) + 1, size, model.specials).to(place)
    try:
        causes = _causes_of_a_leak(model, random_ids(1, model.context, size, model.specials).to(place))
        with _as_in_training():
            found = examine(model, size, scored_1T)
    except ValueError:
        raise
    except Exception as error:  # whatever the class raises
        raise ValueError(
            f"{what}: forward(ids) must take ids (batch, time) of any length up to its context; with up to "
            f"{model.context} tokens it fails: {type(error).__name__}: {error}. If that is too many, give a smaller "
            "--context"
        ) from error
    for line in _report(model, what, found, causes, trained=not is_class):
        print(line, file=stream)
    return int(found.leaks)


@contextmanager
def _as_in_training() -> Iterator[None]:
    """Without torch's fast path for encoders: no training takes it, and in it every number of a mask but 0 hides."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


# Models


def _from_folder(folder: Path) -> tuple[LanguageModel, int]:
    description = folder / "config.json"
    model = load_model(folder / "model.safetensors", description, torch.device("cpu"))
    return model, read_json(description)["vocabulary_size"]


def _from_transformers(pretrained: str, wanted: int | None) -> tuple[LanguageModel, int]:
    inner = read_model(pretrained)
    inner.config.use_cache = False
    config, size = inner.config.get_text_config(), inner.get_input_embeddings().num_embeddings
    context = getattr(config, "max_position_embeddings", None) or wanted or CONTEXT  # some have no limit
    model = HuggingFaceModel(inner, pretrained, size, size, context)
    # Random ids need no tokenizer; among them only the one for padding is not like any other.
    model.specials = Specials(pad=config.pad_token_id, unk=None, bos=0, eos=None)
    return model.eval(), size


def _from_class(what: str, size: int, context: int, options: list[str]) -> tuple[LanguageModel, int]:
    values: dict[str, Any] = {}
    for option in options:
        name, _, value = option.partition("=")
        try:
            values[name] = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"--option {option}: write name=value with a value in JSON, such as width=64, bias=false or "
                "norm='\"layer\"'"
            ) from error
    if size <= len(SPECIALS) + 1:
        raise ValueError(
            f"--vocabulary-size {size}: give at least {len(SPECIALS) + 2}, the first {len(SPECIALS)} are special"
        )
    torch.manual_seed(0)
    return build_model(ModuleConfig(module=what, options=values, context=context), size).eval(), size


# What lets the future through


@torch.no_grad()
def _causes_of_a_leak(model: LanguageModel, ids_1T: Tensor) -> list[str]:
    """What in the model may let the future through, a sentence or two each."""
    causes: dict[str, list[str]] = {}

    def look(name: str, masks: tuple[str, ...], layer: nn.Module, args: Any, kwargs: Any) -> None:
        given = inspect.signature(layer.forward).bind(*args, **kwargs).arguments
        if any(name.startswith(f"{outer}.") for outer in causes):
            return  # what is inside a layer is given what the layer is
        faults = [fault for mask in masks if (fault := fault_of_mask(mask, given.get(mask)))]
        if faults:
            causes[name] = [f"{_title(name, layer)} is called {fault}" for fault in faults]

    with ExitStack() as hooks:
        for name, layer in model.named_modules():
            masks = next((masks for family, masks in MASKS.items() if isinstance(layer, family)), None)
            if masks is not None:
                hook = layer.register_forward_pre_hook(partial(look, name, masks), with_kwargs=True)
                hooks.callback(hook.remove)
            if isinstance(layer, nn.RNNBase) and layer.bidirectional:
                causes[name] = [f"{_title(name, layer)} also reads from the end: build it with bidirectional=False"]
        model(ids_1T)
    return [cause for found in causes.values() for cause in found]


def _title(name: str, layer: nn.Module) -> str:
    return f"{type(layer).__name__} «{name.removeprefix('inner.')}»"


def fault_of_mask(name: str, mask: Tensor | None) -> str | None:
    """What is wrong with a mask as torch's layers read it, and what to give instead; None if it hides the future."""
    if mask is None:
        what = f"without a {name}, so that every position sees all others"
    else:
        boolean = mask.dtype == torch.bool
        hidden = mask if boolean else mask <= HIDDEN
        future = torch.ones_like(hidden).triu(1)
        seen = future & ~hidden
        if not seen.any():
            return None
        low, high = mask.min().item(), mask.max().item()
        what = f"with a {name} of shape {tuple(mask.shape)} "
        if hidden.any() and torch.equal(seen, future):
            what += f"that is the wrong way round: {'True' if boolean else '-inf'} hides, and here it hides the past"
        elif hidden.any():
            row, column = seen.nonzero()[0, -2:].tolist()
            what += f"that lets position {row} see position {column}"
        elif boolean:
            what += "that is False everywhere, and False hides nothing"
        elif low == high:
            what += f"that is {low:g} everywhere: adding {low:g} hides nothing"
        else:
            what += f"that holds numbers from {low:g} to {high:g}: they are added to the scores, and only -inf hides"
    if name == "memory_mask":
        return f"{what}. If its memory holds the same text, give it {CAUSAL_MASK}"
    return f"{what}. Give it {CAUSAL_MASK}"


# What is said

MEANING = [
    "What it means: where a whole text is scored at once, as in training, the answer is in the input. Loss, perplexity",
    "and accuracy are then too good, and what the model writes, with nothing later to see, is not.",
]
MEANING_OF_MIXING = [
    "What it means: a text is predicted from others that happen to be in the same batch. Its loss changes with them,",
    "and says little of how well the model predicts.",
]


def _report(model: LanguageModel, what: str, found: Findings, causes: list[str], trained: bool) -> list[str]:
    """The verdict, each test with its number and, of a leak, what it means and what to change."""
    edit, gradient = max(found.edits.values()), max(found.gradients.values())
    together, alone = math.exp(found.parallel), math.exp(found.incremental)
    tests = {
        "edits": f"other tokens in a text change logits before them by up to {edit:.2g}",
        "gradient": f"a logit has a gradient of up to {gradient:.2g} by later tokens; it must be exactly 0",
        "batch": f"another text in the batch changes logits by up to {found.batch:.2g}",
        "incremental": f"perplexity of random tokens {together:.4g} with all in view, {alone:.4g} from the past",
        "random_tokens": f"loss {found.random_loss:.2f} nats; nobody can fall below {found.floor:.2f}"
        + ("" if trained else " (untrained: a pass says nothing)"),
    }
    lines = [f"{what}: {_verdict(found)}", ""]
    for test, measured in tests.items():
        lines.append(f"  {test.replace('_', ' '):<14} {'passed' if found.passed[test] else 'FAILED'}  {measured}")
    several = f", computed in {len(found.edits)} ways: {'; '.join(found.edits)}" if len(found.edits) > 1 else ""
    lines += ["", f"Tried with up to {model.context} tokens{several}."]
    if not found.ways_agree:
        lines.append(f"The ways give logits that differ by up to {found.disagreement:.2g}: not all of them are right.")
    if found.leaks:
        lines += ["", *(MEANING_OF_MIXING if _only_the_batch(found) else MEANING), "", "What to change:"]
        lines += [f"- {advice}" for advice in _advice(model, found, causes)]
    return lines


def _only_the_batch(found: Findings) -> bool:
    return [test for test, passed in found.passed.items() if not passed] == ["batch"]


def _verdict(found: Findings) -> str:
    if not found.leaks:
        return "causal. Nothing that comes later changes what it says of a token."
    if _only_the_batch(found):
        return "LEAKS. What it says of a text depends on the other texts of its batch."
    partly = 0 < len(found.leaking_ways) < len(found.edits)
    where = f" in these ways: {'; '.join(found.leaking_ways)}" if partly else ""
    return f"LEAKS{where}. It sees tokens that it has yet to predict."


def _advice(model: LanguageModel, found: Findings, causes: list[str]) -> list[str]:
    """What to change; in general terms where nothing was found."""
    advice = []
    if not found.passed["batch"]:
        advice.append(
            "The texts of a batch see each other: torch's attention and recurrent layers take (time, batch, width) "
            "unless they are built with batch_first=True."
        )
    advice += [f"{cause}." for cause in causes]
    if isinstance(model, MiniGPT) and not model.config.causal:
        advice.append("Its config says «causal: false»: the mask was left out. Train it with «causal: true».")
    if isinstance(model, HuggingFaceModel):
        leaking = {_kernel(way) for way in found.leaking_ways}
        sound = {_kernel(way) for way in found.edits} - leaking
        if leaking and sound:
            advice.append(
                f'Load it with attn_implementation="{min(sound)}", which does not leak, and train and measure it so; '
                "or take another version of transformers."
            )
        elif len(found.leaking_ways) == len(found.edits):
            advice.append(
                "It has no causal mask. An encoder such as BERT gets one with «is_decoder: true» in its config.json; "
                "then train it again, for it has learnt with the answer in view."
            )
    return advice or [
        "How its layers are called does not explain it. Look for scores without a mask before their softmax, a mean, a "
        "sum or a normalisation over time, a convolution that is padded on both sides, or an index off by one."
    ]


def _kernel(way: str) -> str:
    return way.partition(",")[0]
