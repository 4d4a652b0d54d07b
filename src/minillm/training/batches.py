"""Batches by position: batch number `step` depends on the data, the seed and `step`, and on nothing else.

Each epoch shuffles the documents, joins them in a ring and cuts it, from a random place on, into windows of `context`
tokens; the windows are shuffled too and the last, shorter one is padded. Every token is a target once an epoch, even
one long document is cut elsewhere each time, resuming needs no saved state, and evaluating cannot disturb the order.
Nothing is copied: a window is a gather by index from one array of tokens, which stays on disk (mapped) for the CPU and
lies in the memory of a GPU.
"""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from minillm.training.sentences import Integers, Sentences
from minillm.vocabulary.tokenizer import PAD, SPECIALS, UNK


class Documents:
    """The encoded documents of a split, as `encode_split` wrote them: each [BOS] … [EOS]."""

    def __init__(self, tokens: Tensor, offsets: Integers) -> None:
        self.tokens, self.offsets = tokens, offsets

    @classmethod
    def load(cls, tokens: Path, offsets: Path, device: torch.device) -> "Documents":
        """Map the token ids from disk, or copy them to the GPU."""
        mapped = np.load(tokens, mmap_mode="c", allow_pickle=False)
        if device.type != "cpu":
            mapped = mapped.astype(np.int32)  # not every device indexes unsigned numbers
        return cls(torch.from_numpy(mapped).to(device), np.load(offsets, allow_pickle=False))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def largest_id(self) -> int:
        """The largest token id."""
        return int(self.tokens.numpy(force=True).max())


class Windows:
    """Inputs and targets, both (windows, context), of the documents joined in `order`.

    Targets are inputs shifted by one; positions after the end hold PAD in both. `limit` ends after that many targets.
    With a `start` the documents are a ring that is entered there and gone round once, so that every token is a target.
    """

    def __init__(
        self,
        documents: Documents,
        context: int,
        order: Integers | None = None,
        *,
        limit: int | None = None,
        start: int | None = None,
    ) -> None:
        self.tokens, self.context = documents.tokens, context
        starts, ends = documents.offsets[:-1], documents.offsets[1:]
        if order is not None:
            starts, ends = starts[order], ends[order]
        self.ends = np.cumsum(ends - starts)  # of each document, among the joined ones
        self.shifts = ends - self.ends  # from a place among the joined ones to a place in `tokens`
        joined = int(self.ends[-1])
        self.start, self.total = start or 0, joined if start is None else joined + 1
        if limit is not None:
            self.total = min(self.total, limit + 1)

    def __len__(self) -> int:
        return (self.total - 2) // self.context + 1

    def __getitem__(self, rows: Integers) -> tuple[Tensor, Tensor]:
        """Inputs and targets (rows, context), int64, where the tokens are."""
        places_BT = rows[:, None] * self.context + np.arange(self.context + 1)
        outside_BT = places_BT >= self.total
        places_BT = (places_BT + self.start) % self.ends[-1]
        places_BT += self.shifts[np.searchsorted(self.ends, places_BT, side="right")]
        ids_BT = self.tokens[torch.from_numpy(places_BT).to(self.tokens.device, non_blocking=True)].long()
        ids_BT[torch.from_numpy(outside_BT).to(ids_BT.device)] = PAD
        inputs_BT, targets_BT = ids_BT[:, :-1].clone(), ids_BT[:, 1:].contiguous()
        inputs_BT[targets_BT == PAD] = PAD  # the last token is only a target
        return inputs_BT, targets_BT


class TrainingBatches:
    """An endless sequence of batches that can be entered at any step.

    `shuffled` are sentences that change places within their paragraph in each epoch. The first `curriculum_epochs`
    take the documents in the order `easy_first` and leave the windows in theirs. `token_dropout` is the probability
    that a token is [UNK] in the input.
    """

    def __init__(
        self,
        documents: Documents,
        context: int,
        batch_size: int,
        seed: int,
        *,
        shuffled: Sentences | None = None,
        easy_first: Integers | None = None,
        curriculum_epochs: int = 0,
        token_dropout: float = 0.0,
    ) -> None:
        self.documents, self.context, self.batch_size, self.seed = documents, context, batch_size, seed
        self.shuffled, self.easy_first, self.curriculum_epochs = shuffled, easy_first, curriculum_epochs
        self.token_dropout = token_dropout
        self.windows_per_epoch = len(Windows(documents, context, start=0))
        self._epochs: OrderedDict[int, tuple[Windows, Integers]] = OrderedDict()

    def steps_of(self, count: int, unit: str) -> int:
        """So many `steps`, or the steps that so many `epochs` take, the last of which may belong to the next."""
        return -(-count * self.windows_per_epoch // self.batch_size) if unit == "epochs" else count

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets (batch, context) of a step, counted from 0."""
        numbers = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, places = np.divmod(numbers, self.windows_per_epoch)
        parts = []
        for epoch in np.unique(epochs).tolist():
            windows, order = self._epoch(epoch)
            parts.append(windows[order[places[epochs == epoch]]])
        inputs_BT, targets_BT = (torch.cat(side) for side in zip(*parts, strict=True))
        if self.token_dropout:
            random = np.random.default_rng([self.seed, step, 1])
            hidden_BT = torch.from_numpy(random.random(inputs_BT.shape) < self.token_dropout).to(inputs_BT.device)
            inputs_BT[hidden_BT & (inputs_BT >= len(SPECIALS))] = UNK
        return inputs_BT, targets_BT

    def _epoch(self, epoch: int) -> tuple[Windows, Integers]:
        """The windows of an epoch and the order in which they come."""
        if epoch not in self._epochs:
            random = np.random.default_rng([self.seed, epoch])
            easy = self.easy_first if epoch < self.curriculum_epochs else None
            order = random.permutation(len(self.documents)) if easy is None else easy
            pieces = self.documents
            if self.shuffled is not None:
                pieces = Documents(self.documents.tokens, self.shuffled.offsets)
                order = self.shuffled.shuffled(order, random)
            start = random.integers(pieces.offsets[-1]) if easy is None else 0
            windows = Windows(pieces, self.context, order, start=start)
            rows = random.permutation(len(windows)) if easy is None else np.arange(len(windows))
            self._epochs[epoch] = windows, rows
            if len(self._epochs) > 2:  # a batch touches at most two epochs, unless an epoch is smaller than a batch
                self._epochs.popitem(last=False)
        return self._epochs[epoch]
