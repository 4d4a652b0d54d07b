"""Score documents with a model: what it says of every token, and what it would have said.

Windows are those of lm-evaluation-harness (`get_rolling_token_windows`): the first predicts up to `context` tokens
after [BOS], each later one the next `context` tokens, and the last one keeps its length, so that its few predictions
see more of the past. Windows are batched by equal length: there is no padding that could change a number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from minillm.model.language_model import LanguageModel

TOKENS_AT_ONCE = 4096  # bounds the memory of the logits
_ROWS_AT_ONCE = 128  # of logits: what is computed from them stays in the processor's cache


@dataclass(frozen=True)
class Scores:
    """Arrays over all the tokens of the documents, in order; but `expected`, which is over the vocabulary."""

    nll: npt.NDArray[np.float64]  # nats
    predicted: npt.NDArray[np.int64]  # most probable token
    in_top5: npt.NDArray[np.bool_]
    confidence: npt.NDArray[np.float64]  # probability of the most probable token
    tempered: npt.NDArray[np.float64]  # the same at another temperature
    brier: npt.NDArray[np.float64]  # squared distance of the probabilities from the truth, 0 to 2
    expected: npt.NDArray[np.float64]  # sum of the probabilities of each token: how often it is expected


@dataclass(frozen=True)
class Window:
    """The input full[start:end] of one window and the number of its last positions that count."""

    document: int
    start: int
    end: int
    counted: int


def rolling_windows(length: int, context: int, document: int = 0) -> Iterator[Window]:
    """Windows over a document of `length` tokens; full is [BOS] and its tokens, targets are full[start+1:end+1]."""
    done = 0
    while done < length:
        counted = min(context, length - done)
        done += counted
        yield Window(document, max(0, done - context), done, counted)


@torch.no_grad()
def counted_logits(
    model: LanguageModel, documents: Sequence[Sequence[int]]
) -> Iterator[tuple[npt.NDArray[np.int64], Tensor, Tensor]]:
    """All tokens of the documents (without special tokens), each document on its own after [BOS], in batches.

    Of each batch: the places of its tokens among all, the logits (tokens, vocab) that predict them and the tokens.
    """
    device = next(model.parameters()).device
    full = [np.asarray([model.specials.bos, *ids]) for ids in documents]
    first = np.cumsum([0, *(len(ids) for ids in documents)])  # of each document among all tokens
    windows = [w for index, ids in enumerate(documents) for w in rolling_windows(len(ids), model.context, index)]
    windows.sort(key=lambda window: window.end - window.start)
    for length, group in groupby(windows, key=lambda window: window.end - window.start):
        same_length = list(group)
        rows_at_once = max(1, TOKENS_AT_ONCE // length)
        for start in range(0, len(same_length), rows_at_once):
            batch = same_length[start : start + rows_at_once]
            inputs_BT = torch.from_numpy(np.stack([full[w.document][w.start : w.end] for w in batch])).to(device)
            logits_BTV = model(inputs_BT)
            places, rows, targets = [], [], []
            for row, w in enumerate(batch):
                places.append(first[w.document] + np.arange(w.end - w.counted, w.end))
                rows.append(logits_BTV[row, length - w.counted :])
                targets.append(full[w.document][w.end - w.counted + 1 : w.end + 1])
            whole = all(w.counted == length for w in batch)  # the usual case needs no copy
            logits_NV = logits_BTV.flatten(0, 1) if whole else torch.cat(rows)
            yield np.concatenate(places), logits_NV.float(), torch.from_numpy(np.concatenate(targets)).to(device)


@torch.no_grad()
def score_documents(model: LanguageModel, documents: Sequence[Sequence[int]], temperature: float = 1.0) -> Scores:
    """Scores of all tokens of the documents; `temperature`, which divides the logits, is that of `tempered` alone."""
    total = sum(map(len, documents))
    nll, confidence, tempered, brier = (np.empty(total) for _ in range(4))
    predicted, in_top5 = np.empty(total, dtype=np.int64), np.empty(total, dtype=bool)
    expected_V: Tensor | None = None
    for all_places, all_logits_NV, all_targets_N in counted_logits(model, documents):
        for start in range(0, len(all_places), _ROWS_AT_ONCE):
            chunk = slice(start, start + _ROWS_AT_ONCE)
            places, logits_NV, targets_N1 = all_places[chunk], all_logits_NV[chunk], all_targets_N[chunk, None]
            log_p_NV = logits_NV.log_softmax(-1)
            p_NV = log_p_NV.exp()
            best_N5 = logits_NV.topk(min(5, logits_NV.shape[1]), dim=-1).indices
            best_N1 = best_N5[:, :1]
            shifted_NV = logits_NV - logits_NV.gather(-1, best_N1)
            nll[places] = -log_p_NV.gather(-1, targets_N1)[:, 0].cpu().numpy()
            predicted[places] = best_N1[:, 0].cpu().numpy()
            in_top5[places] = (best_N5 == targets_N1).any(-1).cpu().numpy()
            confidence[places] = p_NV.gather(-1, best_N1)[:, 0].cpu().numpy()
            tempered[places] = (1 / shifted_NV.div_(temperature).exp_().sum(-1)).cpu().numpy()
            brier[places] = ((p_NV * p_NV).sum(-1) - 2 * p_NV.gather(-1, targets_N1)[:, 0] + 1).cpu().numpy()
            mass_V = p_NV.sum(0).double()
            expected_V = mass_V if expected_V is None else expected_V + mass_V
    expected = np.empty(0) if expected_V is None else expected_V.cpu().numpy()
    return Scores(nll, predicted, in_top5, confidence, tempered, brier, expected)
