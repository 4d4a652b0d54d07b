"""What a batch says: the objective that is minimised and the counts that the history is made of."""

import torch
from torch import Tensor, nn

from minillm.vocabulary.tokenizer import PAD

SUMS = ("objective", "loss", "correct", "targets")  # the last axis of what `score` gives


def score(model: nn.Module, inputs_BT: Tensor, targets_BT: Tensor, label_smoothing: float) -> Tensor:
    """Sums over the targets that are not PAD (4,): objective and negative log-likelihood in nats, correct, targets.

    The objective takes `label_smoothing` of the probability from each target and spreads it over the whole vocabulary
    (Szegedy et al. 2016, arXiv:1512.00567). Differentiable in its first element.
    """
    logits_NV, targets_N = model(inputs_BT).flatten(0, 1).float(), targets_BT.flatten()
    log_probabilities_NV = logits_NV.log_softmax(-1)
    real_N = targets_N != PAD
    loss = -log_probabilities_NV.gather(1, targets_N[:, None]).squeeze(1).masked_fill(~real_N, 0.0).sum()
    objective = loss
    if label_smoothing:
        spread = -log_probabilities_NV.mean(-1).masked_fill(~real_N, 0.0).sum()
        objective = (1 - label_smoothing) * loss + label_smoothing * spread
    correct = ((logits_NV.argmax(-1) == targets_N) & real_N).sum()
    return torch.stack([objective, loss.detach(), correct.float(), real_N.sum().float()])
