"""Batches by position: batch number `step` depends on the data, the seed and `step`, and on nothing else.

Each epoch reshuffles the documents, joins them as [BOS] … [EOS] and cuts the result into windows of `context` tokens;
the windows are shuffled too and the last, shorter one is padded. Every token is a target once an epoch, resuming needs
no saved state, and evaluating cannot disturb the order.
"""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from minillm.vocabulary.tokenizer import BOS, EOS, PAD

Tokens = npt.NDArray[np.integer]


class Documents:
    """The encoded documents of a split, as `encode_split` wrote them."""

    def __init__(self, tokens: Tokens, offsets: Tokens) -> None:
        self.tokens, self.offsets = tokens, offsets

    @classmethod
    def load(cls, tokens: Path, offsets: Path) -> "Documents":
        """Map the token ids from disk."""
        return cls(np.load(tokens, mmap_mode="r", allow_pickle=False), np.load(offsets, allow_pickle=False))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Tokens:
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]

    def windows(self, context: int, order: Tokens | None = None, limit: int | None = None) -> tuple[Tokens, Tokens]:
        """Inputs and targets, both (windows, context), of the documents joined in `order`.

        Targets are inputs shifted by one; positions after the end hold PAD in both. `limit` ends after that many
        targets.
        """
        chosen = range(len(self)) if order is None else order.tolist()
        stream = np.concatenate([piece for index in chosen for piece in ([BOS], self[index], [EOS])])
        stream = stream[: None if limit is None else limit + 1].astype(np.int64)
        count = -(-(len(stream) - 1) // context)
        padded = np.full(count * context + 1, PAD, dtype=np.int64)
        padded[: len(stream)] = stream
        inputs, targets = padded[:-1].copy(), padded[1:]
        inputs[len(stream) - 1 :] = PAD  # the last token is only a target
        return inputs.reshape(count, context), targets.reshape(count, context)


class TrainingBatches:
    """An endless sequence of batches that can be entered at any step."""

    def __init__(self, documents: Documents, context: int, batch_size: int, seed: int) -> None:
        self.documents, self.context, self.batch_size, self.seed = documents, context, batch_size, seed
        targets = int(documents.offsets[-1]) + 2 * len(documents) - 1  # every token of the stream but the first
        self.windows_per_epoch = -(-targets // context)
        self._epochs: OrderedDict[int, tuple[Tokens, Tokens]] = OrderedDict()

    def __getitem__(self, step: int) -> tuple[Tokens, Tokens]:
        """Inputs and targets (batch, context) of a step, counted from 0."""
        first = step * self.batch_size
        rows = [divmod(number, self.windows_per_epoch) for number in range(first, first + self.batch_size)]
        pairs = [tuple(side[window] for side in self._epoch(epoch)) for epoch, window in rows]
        return np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])

    def _epoch(self, epoch: int) -> tuple[Tokens, Tokens]:
        if epoch not in self._epochs:
            random = np.random.default_rng([self.seed, epoch])
            inputs, targets = self.documents.windows(self.context, random.permutation(len(self.documents)))
            shuffled = random.permutation(len(inputs))
            self._epochs[epoch] = inputs[shuffled], targets[shuffled]
            if len(self._epochs) > 2:  # a batch touches at most two epochs, unless an epoch is smaller than a batch
                self._epochs.popitem(last=False)
        return self._epochs[epoch]
