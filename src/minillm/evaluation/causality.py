"""Does a model see the future? Four tests that a causal language model passes and one with a leak fails.

1. Edits of the future leave every earlier logit as it was.
2. The gradient of a logit by later embeddings is exactly zero.
3. Text scored at once (parallel) and token by token from its true prefix (incremental) has the same likelihood. The
   prefix is computed anew each time: a key-value cache would hide the leak.
4. On random tokens, which nothing can predict, the loss does not fall below ln V.
"""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from minillm.corpus.tables import read_split
from minillm.evaluation.record import Record, write_records
from minillm.files import write_json
from minillm.model.language_model import LanguageModel
from minillm.stage import run_stage
from minillm.training.device import prepare
from minillm.training.saved import load_model
from minillm.vocabulary.tokenizer import Specials, encode, load_tokenizer, vocabulary_size

EDIT_TOLERANCE = 1e-5  # of a logit: fast attention kernels may round differently
NLL_TOLERANCE = 1e-3  # nats a token
RANDOM_TOLERANCE = 0.05  # nats a token: the loss of random tokens is itself random
TEXT_WINDOWS = 4  # of `context` tokens, each scored token by token
RANDOM_WINDOWS = 8


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
    """Run the four tests on a saved model, with texts of the test split, and say in words what was found."""
    place = prepare(threads, device)
    network = load_model(weights, description, place)
    loaded = load_tokenizer(tokenizer)
    size, specials = vocabulary_size(loaded), network.specials
    texts = [encode(loaded, text) for text in read_split(articles, "test")]
    windows_NT = _windows(texts, network.context, specials.bos).to(place)
    edit = largest_change_of_the_past(network, size)
    gradient = gradient_to_the_future(network, size)
    parallel, incremental = parallel_and_incremental_loss(network, windows_NT)
    random_loss = loss_on_random_tokens(network, size)
    floor = math.log(size - len(specials.ids))
    tests = {
        "edits": edit <= EDIT_TOLERANCE,
        "gradient": gradient == 0.0,
        "incremental": abs(incremental - parallel) <= NLL_TOLERANCE,
        "random_tokens": random_loss >= floor - RANDOM_TOLERANCE,
    }
    tokens = windows_NT.numel() - len(windows_NT)
    values = {
        "past_logit_change": (edit, "logit", None),
        "future_gradient": (gradient, "", None),
        "parallel_loss": (parallel, "nat/token", tokens),
        "incremental_loss": (incremental, "nat/token", tokens),
        "parallel_perplexity": (math.exp(parallel), "", tokens),
        "incremental_perplexity": (math.exp(incremental), "", tokens),
        "random_token_loss": (random_loss, "nat/token", None),
        "random_token_floor": (floor, "nat/token", None),
        "leaks": (float(not all(tests.values())), "", None),
    }
    write_records(
        records,
        [
            Record(metric=name, value=value, unit=unit, n=n, split="test", corpus=corpus, model=model, seed=seed)
            for name, (value, unit, n) in values.items()
        ],
    )
    write_json(verdict, {"model": model, "seed": seed, "leaks": not all(tests.values()), "passed": tests})


def _windows(documents: list[list[int]], context: int, bos: int) -> torch.Tensor:
    """The beginnings of the first documents that fill a window: [BOS] and `context` tokens, (windows, context + 1).

    Where documents are short, they are joined.
    """
    long = [ids for ids in documents if len(ids) >= context][:TEXT_WINDOWS]
    if not long:
        joined = [id_ for ids in documents for id_ in ids]
        long = [joined * (context // max(1, len(joined)) + 1)]
    return torch.tensor([[bos, *ids[:context]] for ids in long])


def _random_ids(rows: int, time: int, vocabulary_size: int, specials: Specials) -> torch.Tensor:
    """Ids that are not special, each as probable as the others (rows, time)."""
    ordinary = np.setdiff1d(np.arange(vocabulary_size), list(specials.ids))
    random = np.random.default_rng(vocabulary_size)
    return torch.from_numpy(ordinary[random.integers(len(ordinary), size=(rows, time))])


@torch.no_grad()
def largest_change_of_the_past(model: LanguageModel, vocabulary_size: int) -> float:
    """The largest change of any logit before an edit, over edits after several prefixes of a full window."""
    context = model.context
    device = next(model.parameters()).device
    original_1T = _random_ids(1, context, vocabulary_size, model.specials).to(device)
    other_1T = _random_ids(2, context, vocabulary_size, model.specials)[1:].to(device)
    before = model(original_1T).float()
    largest = 0.0
    for prefix in sorted({1, 2, 7, 31, context // 2, context - 1} & set(range(1, context))):
        edited_1T = torch.cat((original_1T[:, :prefix], other_1T[:, prefix:]), dim=1)
        after = model(edited_1T).float()
        largest = max(largest, (after[:, :prefix] - before[:, :prefix]).abs().max().item())
    return largest


def gradient_to_the_future(model: LanguageModel, vocabulary_size: int) -> float:
    """The largest gradient of the logits at the middle of a full window by the embeddings after it."""
    context = model.context
    ids_1T = _random_ids(1, context, vocabulary_size, model.specials).to(next(model.parameters()).device)
    table = model.token_embedding()
    embeddings_1TD = table(ids_1T).detach().requires_grad_(True)
    middle = (context - 1) // 2
    with table.register_forward_hook(lambda *_: embeddings_1TD.clone()):  # a model may add to it in place
        model(ids_1T)[:, middle].float().logsumexp(-1).sum().backward()
    if embeddings_1TD.grad is None:
        raise ValueError(
            "the logits do not depend on what the embedding table gives, so that no gradient can be followed to the "
            "future: the model must call the table that its token_embedding or get_input_embeddings returns"
        )
    model.zero_grad(set_to_none=True)
    return embeddings_1TD.grad[:, middle + 1 :].abs().max().item()


@torch.no_grad()
def parallel_and_incremental_loss(model: LanguageModel, windows_NT: torch.Tensor) -> tuple[float, float]:
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
    ids_NT = _random_ids(RANDOM_WINDOWS, model.context, vocabulary_size, model.specials)
    ids_NT = ids_NT.to(next(model.parameters()).device)
    return F.cross_entropy(model(ids_NT[:, :-1]).float().flatten(0, 1), ids_NT[:, 1:].flatten()).item()


if __name__ == "__main__":
    run_stage(audit_causality)
