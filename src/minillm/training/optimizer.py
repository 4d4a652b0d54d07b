"""Optimizers and the schedule of their learning rates."""

import math

import torch
from torch import nn

from minillm.model.language_model import LanguageModel
from minillm.training.config import TrainingConfig
from minillm.training.muon import Muon


def build_optimizers(
    model: LanguageModel, config: TrainingConfig, precision: str = "fp32"
) -> list[torch.optim.Optimizer]:
    """AdamW for everything, or Muon for the matrices inside the model and AdamW for the rest.

    Embeddings and the output layer are no such matrices: they have one row for each token. Every parameter is in
    exactly one group; each group remembers its peak learning rate.
    """
    inner = {module.weight for module in model.modules() if isinstance(module, nn.Linear)}
    if (output := model.output_layer()) is not None:
        inner.discard(output.weight)
    matrices, decayed, plain = [], [], []
    for parameter in model.parameters():
        if config.optimizer == "muon" and parameter in inner:
            matrices.append(parameter)
        elif parameter.ndim >= 2:
            decayed.append(parameter)
        else:
            plain.append(parameter)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    betas = config.beta1, config.beta2
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=config.learning_rate, betas=betas, fused=True)
    ]
    if matrices:
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        optimizers.append(Muon(matrices, config.matrix_learning_rate, config.weight_decay, precision=dtype))
    owned = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    assert len(owned) == len(set(owned))
    assert set(owned) == set(model.parameters())
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def learning_rate_factor(step: int, config: TrainingConfig) -> float:
    """The share of the peak learning rate at a step, counted from 0: warm-up, then the schedule."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.schedule == "cosine":
        progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * progress))
    if config.schedule == "decay":
        return min(1.0, (config.steps - step) / (config.decay_share * config.steps))
    return 1.0
