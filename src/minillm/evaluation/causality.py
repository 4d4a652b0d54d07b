"""Does a model see the future? Five tests that a causal language model passes and one with a leak fails.

1. Edits of the future leave every earlier logit as it was.
2. The gradient of a logit by later embeddings is exactly zero.
3. The logits of a text do not depend on the others in its batch.
4. Text scored at once (parallel) and token by token from its true prefix (incremental) has the same likelihood. The
   prefix is computed anew each time: a key-value cache would hide the leak.
5. On random tokens, which nothing can predict, the loss does not fall below ln V.

The first two are made in every way in which a model can compute (kernels of attention, with and without padding), on
texts from two tokens up to the full context: transformers has had leaks in one kernel alone, and only without padding.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from minillm.corpus.tables import read_split
from minillm.evaluation.loading import load_network
from minillm.evaluation.record import Record, write_records
from minillm.files import write_json
from minillm.model.language_model import LanguageModel, Way
from minillm.stage import run_stage
from minillm.vocabulary.tokenizer import Specials, encode, vocabulary_size

EDIT_TOLERANCE = 1e-5  # of a logit: fast attention kernels may round differently
SAME_TOLERANCE = 1e-4  # of a logit, or of the largest one: other shapes and kernels add up in another order
NLL_TOLERANCE = 1e-3  # nats a token
RANDOM_TOLERANCE = 0.05  # nats a token: the loss of random tokens is itself random
TEXT_WINDOWS = 4  # of `context` tokens, each scored token by token
RANDOM_WINDOWS = 8


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the tests found; changes are of logits, losses in nats a token."""

    edits: dict[str, float]
    """Of each way, the largest change of a logit before an edit."""
    gradients: dict[str, float]
    """Of each way, the largest gradient of a logit by a later embedding."""
    batch: float
    """The largest change of a logit when another text joins the batch."""
    disagreement: float
    """The largest difference between the logits of two ways: no leak, but one of them is wrong."""
    scale: float
    """The largest logit, at least 1."""
    parallel: float
    incremental: float
    random_loss: float
    floor: float
    """ln V, below which the loss on random tokens cannot fall."""
    leaking_ways: list[str]
    """Those that fail one of the first two tests."""
    passed: dict[str, bool]
    """Of each test."""

    @property
    def leaks(self) -> bool:
        """Whether any test failed."""
        return not all(self.passed.values())

    @property
    def ways_agree(self) -> bool:
        """Whether all ways give the same logits, up to rounding."""
        return self.disagreement <= SAME_TOLERANCE * self.scale


def audit_causality(
    weights: Path,
    description: Path,
    tokenizer: Path,
    articles: Path,
    corpus: str,
    model: str,
    seed: str,
    threads: int,
    device: str,
    records: Path,
    verdict: Path,
) -> None:
    """Run the tests on a saved model, with texts of the test split; write what was measured and the verdict."""
    network, loaded = load_network(weights, description, tokenizer, threads, device)
    texts = [encode(loaded, text) for text in read_split(articles, "test")]
    windows_NT = _windows(texts, network.context, network.specials.bos)
    found = examine(network, vocabulary_size(loaded), windows_NT.to(next(network.parameters()).device))
    tokens = windows_NT.numel() - len(windows_NT)
    values = {
        "past_logit_change": (max(found.edits.values()), "logit", None),
        "future_gradient": (max(found.gradients.values()), "", None),
        "batch_logit_change": (found.batch, "logit", None),
        "parallel_loss": (found.parallel, "nat/token", tokens),
        "incremental_loss": (found.incremental, "nat/token", tokens),
        "parallel_perplexity": (math.exp(found.parallel), "", tokens),
        "incremental_perplexity": (math.exp(found.incremental), "", tokens),
        "random_token_loss": (found.random_loss, "nat/token", None),
        "random_token_floor": (found.floor, "nat/token", None),
        "ways_agree": (float(found.ways_agree), "", None),
        "leaks": (float(found.leaks), "", None),
    }
    write_records(
        records,
        [
            Record(metric=name, value=value, unit=unit, n=n, split="test", corpus=corpus, model=model, seed=seed)
            for name, (value, unit, n) in values.items()
        ],
    )
    write_json(
        verdict,
        {
            "model": model,
            "seed": seed,
            "leaks": found.leaks,
            "passed": found.passed,
            "ways": {
                way: {"past_logit_change": change, "future_gradient": found.gradients[way]}
                for way, change in found.edits.items()
            },
            "leaking_ways": found.leaking_ways,
            "ways_agree": found.ways_agree,
        },
    )


def examine(model: LanguageModel, vocabulary_size: int, windows_NT: Tensor) -> Findings:
    """Run the tests; windows (windows, time + 1) of text are for the incremental one.

    Raises ValueError if the logits are no numbers, change from call to call, or do not depend on the embedding table.
    """
    scale = _check_that_logits_stand(model, vocabulary_size)
    ways = model.ways()
    edits = {way.name: largest_change_of_the_past(model, way, vocabulary_size) for way in ways}
    gradients = {way.name: gradient_to_the_future(model, way, vocabulary_size) for way in ways}
    on_cpu = next(model.parameters()).device.type == "cpu"
    edits_pass = {way.name: edits[way.name] <= (0 if way.exact and on_cpu else EDIT_TOLERANCE) for way in ways}
    gradients_pass = {name: gradient == 0 for name, gradient in gradients.items()}
    batch = change_by_the_batch(model, vocabulary_size)
    parallel, incremental = parallel_and_incremental_loss(model, windows_NT)
    random_loss = loss_on_random_tokens(model, vocabulary_size)
    floor = math.log(vocabulary_size - len(model.specials.ids))
    return Findings(
        edits=edits,
        gradients=gradients,
        batch=batch,
        disagreement=disagreement_of_the_ways(model, vocabulary_size),
        scale=scale,
        parallel=parallel,
        incremental=incremental,
        random_loss=random_loss,
        floor=floor,
        leaking_ways=[way.name for way in ways if not (edits_pass[way.name] and gradients_pass[way.name])],
        passed={
            "edits": all(edits_pass.values()),
            "gradient": all(gradients_pass.values()),
            "batch": batch <= SAME_TOLERANCE * scale,
            "incremental": abs(incremental - parallel) <= NLL_TOLERANCE,
            "random_tokens": random_loss >= floor - RANDOM_TOLERANCE,
        },
    )


@torch.no_grad()
def _check_that_logits_stand(model: LanguageModel, vocabulary_size: int) -> float:
    """The largest logit, at least 1, of a model that gives the same ones twice."""
    ids_1T = random_ids(1, model.context, vocabulary_size, model.specials).to(next(model.parameters()).device)
    first_1TV, second_1TV = model(ids_1T).float(), model(ids_1T).float()
    if first_1TV.isnan().any():
        raise ValueError("the model gives logits that are no numbers (NaN): there is nothing to audit")
    if (change := _largest_difference(first_1TV, second_1TV)) > EDIT_TOLERANCE:
        raise ValueError(
            f"the model gives other logits for the same ids when it is called again (they differ by {change:.2g}), "
            "although it is in evaluation mode: take what is random out of its forward, or make it depend on "
            "self.training, as nn.Dropout does"
        )
    return max(1.0, first_1TV[first_1TV.isfinite()].abs().max().item())


def _windows(documents: list[list[int]], context: int, bos: int) -> Tensor:
    """The beginnings of the first documents that fill a window: [BOS] and `context` tokens, (windows, context + 1).

    Where documents are short, they are joined.
    """
    long = [ids for ids in documents if len(ids) >= context][:TEXT_WINDOWS]
    if not long:
        joined = [id_ for ids in documents for id_ in ids]
        long = [joined * (context // max(1, len(joined)) + 1)]
    return torch.tensor([[bos, *ids[:context]] for ids in long])


def random_ids(rows: int, time: int, vocabulary_size: int, specials: Specials) -> Tensor:
    """Ids that are not special, each as probable as the others (rows, time)."""
    ordinary = np.setdiff1d(np.arange(vocabulary_size), list(specials.ids))
    random = np.random.default_rng(vocabulary_size)
    return torch.from_numpy(ordinary[random.integers(len(ordinary), size=(rows, time))])


def _lengths(context: int) -> list[int]:
    """How many tokens the texts have that are edited: short ones, half a window, a full one."""
    return sorted({2, 8, 32, context // 2, context} & set(range(2, context + 1)))


@torch.no_grad()
def largest_change_of_the_past(model: LanguageModel, way: Way, vocabulary_size: int) -> float:
    """The largest change of any logit before an edit, over texts of several lengths and edits after several prefixes.

    What follows the prefix becomes other tokens; in the middle of a full window it becomes padding, too.
    """
    device = next(model.parameters()).device
    original_1T, other_1T = random_ids(2, model.context, vocabulary_size, model.specials).to(device).split(1)
    largest = 0.0
    for length in _lengths(model.context):
        before_RTV = way.logits(original_1T[:, :length]).float()
        full = length == model.context
        prefixes = {1, length // 2, length - 1, *({2, 7, 31} if full else ())}
        edits = [(prefix, other_1T) for prefix in sorted(prefixes) if prefix < length]
        if full:
            edits.append((length // 2, torch.full_like(other_1T, model.specials.padding)))
        for prefix, tail_1T in edits:
            edited_1T = torch.cat((original_1T[:, :prefix], tail_1T[:, prefix:length]), dim=1)
            after_RTV = way.logits(edited_1T).float()
            largest = max(largest, _largest_difference(after_RTV[:, :prefix], before_RTV[:, :prefix]))
    return largest


def _largest_difference(one: Tensor, other: Tensor) -> float:
    """Of any two logits; infinite ones, and two that are no numbers, are alike."""
    alike = (one == other) | (one.isnan() & other.isnan())
    difference = torch.where(alike, 0.0, (one - other).abs()).max().item()
    if math.isnan(difference):
        raise ValueError("the model gives logits that are no numbers (NaN) for some texts: there is nothing to audit")
    return difference


def gradient_to_the_future(model: LanguageModel, way: Way, vocabulary_size: int) -> float:
    """The largest gradient of the logits at the middle of a text by the embeddings after it, over several lengths."""
    ids_1T = random_ids(1, model.context, vocabulary_size, model.specials).to(next(model.parameters()).device)
    embedded: list[Tensor] = []

    def follow(_module: object, _ids: object, output: Tensor) -> Tensor:
        embedded.append(output.detach().requires_grad_())
        return embedded[-1].clone()  # a model may add to it in place

    largest = 0.0
    for length in _lengths(model.context):
        embedded.clear()
        middle = (length - 1) // 2
        with model.token_embedding().register_forward_hook(follow):
            total = way.logits(ids_1T[:, :length])[:, middle].float().logsumexp(-1).sum()
        gradients = torch.autograd.grad(total, embedded, allow_unused=True) if embedded and total.requires_grad else ()
        found = [gradient for gradient in gradients if gradient is not None]
        if not found:
            raise ValueError(
                "the logits do not depend on what the embedding table gives, so that no gradient can be followed to "
                "the future: the model must call the table that its token_embedding or get_input_embeddings returns"
            )
        for gradient in found:
            by_time = gradient if gradient.shape[1] == length else gradient.transpose(0, 1)
            later = by_time[:, middle + way.shift + 1 :].abs()
            largest = max(largest, later.max().item() if later.numel() else 0.0)
    return largest


@torch.no_grad()
def change_by_the_batch(model: LanguageModel, vocabulary_size: int) -> float:
    """The largest change of any logit of a text when another text joins its batch."""
    texts_2T = random_ids(2, model.context, vocabulary_size, model.specials).to(next(model.parameters()).device)
    return _largest_difference(model(texts_2T)[:1].float(), model(texts_2T[:1]).float())


@torch.no_grad()
def disagreement_of_the_ways(model: LanguageModel, vocabulary_size: int) -> float:
    """The largest difference between a logit computed in the usual way and the same one in another."""
    ids_1T = random_ids(1, model.context, vocabulary_size, model.specials).to(next(model.parameters()).device)
    usual, *others = [way for way in model.ways() if way.comparable]
    expected_1TV = usual.logits(ids_1T).float()
    largest = 0.0
    for way in others:
        logits_RTV = way.logits(ids_1T).float()
        # The last token may have been left out for padding.
        times = min(logits_RTV.shape[1], model.context - 1)
        largest = max(largest, _largest_difference(logits_RTV[:, :times], expected_1TV[:, :times]))
    return largest


@torch.no_grad()
def parallel_and_incremental_loss(model: LanguageModel, windows_NT: Tensor) -> tuple[float, float]:
    """Mean nats a token of the same tokens, scored at once and one by one from their true prefixes."""
    inputs_NT, targets_NT = windows_NT[:, :-1], windows_NT[:, 1:]
    parallel = F.cross_entropy(model(inputs_NT).float().flatten(0, 1), targets_NT.flatten()).item()
    total = 0.0
    for length in range(1, inputs_NT.shape[1] + 1):
        logits_NV = model(inputs_NT[:, :length], last_only=True)[:, 0].float()
        total += F.cross_entropy(logits_NV, targets_NT[:, length - 1]).item()
    return parallel, total / inputs_NT.shape[1]


@torch.no_grad()
def loss_on_random_tokens(model: LanguageModel, vocabulary_size: int) -> float:
    """Mean nats a token on independent, uniformly drawn tokens."""
    ids_NT = random_ids(RANDOM_WINDOWS, model.context, vocabulary_size, model.specials)
    ids_NT = ids_NT.to(next(model.parameters()).device)
    return F.cross_entropy(model(ids_NT[:, :-1]).float().flatten(0, 1), ids_NT[:, 1:].flatten()).item()


if __name__ == "__main__":
    run_stage(audit_causality)
