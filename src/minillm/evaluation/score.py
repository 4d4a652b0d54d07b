"""Score documents with a model: the negative log-likelihood of every token, and what the model would have said.

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

from minillm.model.language_model import LanguageModel

TOKENS_AT_ONCE = 4096  # bounds the memory of the logits


@dataclass(frozen=True)
class Scores:
    """Arrays over all the tokens of the documents, in order."""

    nll: npt.NDArray[np.float64]  # nats
    predicted: npt.NDArray[np.int64]  # most probable token
    in_top5: npt.NDArray[np.bool_]


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
def score_documents(model: LanguageModel, documents: Sequence[Sequence[int]]) -> Scores:
    """Scores of all tokens of the documents (without special tokens), each document on its own after [BOS]."""
    device = next(model.parameters()).device
    context = model.context
    full = [np.asarray([model.specials.bos, *ids]) for ids in documents]
    first = np.cumsum([0, *(len(ids) for ids in documents)])  # of each document among all tokens
    total = int(first[-1])
    nll, predicted, in_top5 = np.empty(total), np.empty(total, dtype=np.int64), np.empty(total, dtype=bool)
    windows = [w for index, ids in enumerate(documents) for w in rolling_windows(len(ids), context, index)]
    windows.sort(key=lambda window: window.end - window.start)
    for length, group in groupby(windows, key=lambda window: window.end - window.start):
        same_length = list(group)
        rows_at_once = max(1, TOKENS_AT_ONCE // length)
        for start in range(0, len(same_length), rows_at_once):
            batch = same_length[start : start + rows_at_once]
            inputs_BT = torch.from_numpy(np.stack([full[w.document][w.start : w.end] for w in batch])).to(device)
            targets_BT = torch.from_numpy(np.stack([full[w.document][w.start + 1 : w.end + 1] for w in batch])).to(
                device
            )
            logits_BTV = model(inputs_BT).float()
            losses_BT = -logits_BTV.log_softmax(-1).gather(-1, targets_BT[..., None]).squeeze(-1).cpu()
            best_BT5 = logits_BTV.topk(5, dim=-1).indices
            hits_BT = (best_BT5 == targets_BT[..., None]).any(-1).cpu()
            best_BT = best_BT5[..., 0].cpu()
            for row, w in enumerate(batch):
                place = slice(first[w.document] + w.end - w.counted, first[w.document] + w.end)
                counted = slice(length - w.counted, length)
                nll[place] = losses_BT[row, counted].numpy()
                predicted[place] = best_BT[row, counted].numpy()
                in_top5[place] = hits_BT[row, counted].numpy()
    return Scores(nll, predicted, in_top5)
