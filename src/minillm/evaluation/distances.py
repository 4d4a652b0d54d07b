"""Distances between two distributions, given as counts of the same kinds: 0 if equal, 1 if nothing is shared."""

import numpy as np
import numpy.typing as npt
from scipy.special import rel_entr

Counts = npt.NDArray[np.float64]


def total_variation(first: Counts, second: Counts) -> float:
    """Half the sum of the absolute differences between the shares."""
    return float(np.abs(first / first.sum() - second / second.sum()).sum() / 2)


def jensen_shannon(first: Counts, second: Counts) -> float:
    """The root of the Jensen–Shannon divergence in bits, which is a metric (Endres & Schindelin 2003)."""
    p, q = first / first.sum(), second / second.sum()
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum() / 2 / np.log(2)
    return float(np.sqrt(max(divergence, 0)))  # rounding may leave it just below zero
