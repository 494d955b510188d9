"""Robust principal component analysis: a matrix as a low-rank and a sparse part, by two published solvers.

Both solve min ||A||_* + lambda ||E||_1 with D = A + E.

Sources: Lin, Chen, Ma, "The augmented Lagrange multiplier method for exact recovery of corrupted low-rank matrices",
2010 (inexact ALM); Ganesh et al., "Fast algorithms for recovering a corrupted low-rank matrix", 2009 (APG); stopping
rules of the latter as in the code of the IPI paper's authors (gaocq/IPI-for-small-target-detection).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from baselines.classical.shrinking import WarmShrinker, singular_values

Shrink = Callable[[np.ndarray, float], "tuple[np.ndarray, int]"]
SUPPORT_CHANGE, SETTLED_FOR = 20, 10  # entries of the support, iterations: the authors' rule for a settled run


@dataclass(frozen=True)
class Decomposition:
    """Result of a solver and how it ended."""

    low_rank: np.ndarray
    sparse: np.ndarray
    iterations: int
    residual: float
    """Relative Frobenius norm of what the stopping rule watches."""
    rank: int
    stopped_by: str
    """``'tolerance'``, ``'rank'``, ``'settled'`` or ``'iterations'``."""


def soft_threshold(matrix: np.ndarray, amount: float) -> np.ndarray:
    """Every entry moved towards zero by ``amount``."""
    return matrix - np.clip(matrix, -amount, amount)


def inexact_alm(data: np.ndarray, lam: float, tolerance: float = 1e-7, max_iterations: int = 500,
                shrink: Shrink | None = None) -> Decomposition:
    """Inexact augmented Lagrange multipliers.

    Args:
        data: (m, n) float64.
        lam: Weight of the sparse part.
        tolerance: On ||D - A - E|| / ||D||.
        max_iterations: Upper bound.
        shrink: Singular value shrinking; None for ``WarmShrinker``. Exchangeable, to compare with the textbook's.
    """
    shrink = shrink or WarmShrinker()
    norm = float(singular_values(data, 1)[0])
    multiplier = data / max(norm, np.abs(data).max(initial=0.0) / lam)
    mu, cap, growth = 1.25 / norm, 1.25e7 / norm, 1.5
    scale = np.linalg.norm(data)
    low_rank = np.zeros_like(data)
    for iteration in range(1, max_iterations + 1):
        sparse = soft_threshold(data - low_rank + multiplier / mu, lam / mu)
        low_rank, rank = shrink(data - sparse + multiplier / mu, 1.0 / mu)
        remainder = data - low_rank - sparse
        multiplier += mu * remainder
        mu = min(mu * growth, cap)
        residual = float(np.linalg.norm(remainder) / scale)
        if residual < tolerance:
            return Decomposition(low_rank, sparse, iteration, residual, rank, "tolerance")
    return Decomposition(low_rank, sparse, max_iterations, residual, rank, "iterations")


def accelerated_proximal_gradient(data: np.ndarray, lam: float, tolerance: float = 1e-6, max_iterations: int = 1000,
                                  rank_stop: float = 0.3, shrink: Shrink | None = None) -> Decomposition:
    """Accelerated proximal gradient with continuation, and the stopping rules of IPI's authors.

    Args:
        data: (m, n) float32 or float64; all work is done in its type, in five buffers of its size.
        lam: Weight of the sparse part.
        tolerance: On the relative size of the proximal step.
        max_iterations: Upper bound.
        rank_stop: Ends when the rank exceeds this share of the smaller side; 1 switches the rule off. It ends nearly
            every run of the authors' setting early.
        shrink: As of ``inexact_alm``.
    """
    shrink = shrink or WarmShrinker()
    leading = singular_values(data, 4)
    mu, mu_least = float(leading[:2][-1]), 0.005 * float(leading[-1])  # a single column has one value only
    low, low_old, sparse, sparse_old = (np.zeros_like(data) for _ in range(4))
    ahead_low, ahead_sparse, work = (np.empty_like(data) for _ in range(3))
    t = t_old = 1.0
    settled = _Settled()
    for iteration in range(1, max_iterations + 1):
        pull = (t_old - 1.0) / t
        _extrapolate(low, low_old, pull, out=ahead_low)
        _extrapolate(sparse, sparse_old, pull, out=ahead_sparse)
        step = np.add(ahead_low, ahead_sparse, out=work)
        step -= data
        step *= 0.5
        new_low, rank = shrink(np.subtract(ahead_low, step, out=low_old), mu / 2)
        new_sparse = np.subtract(ahead_sparse, step, out=sparse_old)
        amount = lam * mu / 2
        new_sparse -= np.clip(new_sparse, -amount, amount, out=work)
        residual = _step_size(ahead_low, ahead_sparse, new_low, new_sparse)
        low_old, low, sparse_old, sparse = low, new_low, sparse, new_sparse
        t_old, t = t, (1.0 + float(np.sqrt(1.0 + 4.0 * t * t))) / 2.0
        mu = max(0.9 * mu, mu_least)
        reason = ("tolerance" if residual <= tolerance else "rank" if rank > rank_stop * min(data.shape)
                  else "settled" if settled.after(rank, int(np.count_nonzero(sparse))) else "")
        if reason:
            return Decomposition(low, sparse, iteration, residual, rank, reason)
    return Decomposition(low, sparse, max_iterations, residual, rank, "iterations")


class _Settled:
    """Whether rank and support have stayed as they are for more than ten iterations."""

    def __init__(self) -> None:
        self.rank, self.support, self.quiet = -1, 0, 0

    def after(self, rank: int, support: int) -> bool:
        if rank == self.rank and abs(support - self.support) < SUPPORT_CHANGE:
            self.quiet += 1
        else:
            self.rank, self.support, self.quiet = rank, support, 0
        return self.quiet > SETTLED_FOR


def _extrapolate(now: np.ndarray, before: np.ndarray, pull: float, out: np.ndarray) -> None:
    np.subtract(now, before, out=out)
    out *= pull
    out += now


def _step_size(ahead_low: np.ndarray, ahead_sparse: np.ndarray, low: np.ndarray, sparse: np.ndarray) -> float:
    # Relative norm of the gradient mapping (Ganesh et al. 2009, section 4). With the Lipschitz constant 2 both of its
    # parts are the difference of the two steps, up to sign. Overwrites ahead_low, which is not needed any more.
    difference = ahead_low
    difference -= low
    difference -= ahead_sparse
    difference += sparse
    size = np.hypot(np.linalg.norm(low), np.linalg.norm(sparse))
    return float(np.sqrt(2.0) * np.linalg.norm(difference) / (2.0 * max(1.0, size)))
