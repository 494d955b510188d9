"""Robust principal component analysis: a matrix as a low-rank and a sparse part, by two published solvers.

Both solve min ||A||_* + lambda ||E||_1 with D = A + E. Neither ever takes a full singular value decomposition: the
singular values that survive shrinking are few, and come from the eigenvectors of the small side's Gram matrix.

Sources: Lin, Chen, Ma, "The augmented Lagrange multiplier method for exact recovery of corrupted low-rank matrices",
2010 (inexact ALM); Ganesh et al., "Fast algorithms for recovering a corrupted low-rank matrix", 2009 (APG); stopping
rules of the latter as in the code of the IPI paper's authors (gaocq/IPI-for-small-target-detection).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg

Shrink = Callable[[np.ndarray, float], "tuple[np.ndarray, int]"]


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


def shrink_singular_values(matrix: np.ndarray, amount: float) -> tuple[np.ndarray, int]:
    """The matrix with its singular values moved towards zero by ``amount``, and the number that stays above zero.

    The right singular vectors are eigenvectors of the small side's Gram matrix. Its one dominant direction (the mean
    grey level, orders of magnitude above the rest) is split off exactly, so that the rest can be multiplied in single
    precision: a Gram matrix squares the range of singular values, and only the small ones, which vanish here, suffer.

    Args:
        matrix: (m, n) float64.
        amount: Not negative.
    """
    if matrix.shape[0] < matrix.shape[1]:
        shrunk, rank = shrink_singular_values(matrix.T, amount)
        return shrunk.T, rank
    values, vectors = scipy.linalg.eigh(_gram(matrix), overwrite_a=True, check_finite=False, driver="evd")
    singular = np.sqrt(np.maximum(values, 0.0))
    keep = singular > amount
    rank = int(keep.sum())
    single = matrix.astype(np.float32)
    # Few survivors: build the result from them. Many: take away what is lost, which is small where it is inexact.
    if rank <= len(singular) // 3:
        vectors, factors = vectors[:, keep].astype(np.float32), 1.0 - amount / singular[keep]
        return ((single @ vectors) @ (vectors * factors.astype(np.float32)).T).astype(np.float64), rank
    lost = np.divide(amount, singular, out=np.ones_like(singular), where=keep)
    projection = (vectors * lost) @ vectors.T
    return matrix - single @ projection.astype(np.float32), rank


def _gram(matrix: np.ndarray) -> np.ndarray:
    # With u the mean column and w the projection on it, matrix = rest + u w' and rest'u = 0: no cross terms.
    mean = matrix.mean(axis=1)
    size = mean @ mean
    if size == 0.0:
        single = matrix.astype(np.float32)
        return (single.T @ single).astype(np.float64)
    along = (mean @ matrix) / size
    rest = (matrix - np.outer(mean, along)).astype(np.float32)
    return (rest.T @ rest).astype(np.float64) + size * np.outer(along, along)


def singular_values(matrix: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` largest singular values in descending order, through the Gram matrix of the smaller side."""
    small = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    gram = scipy.linalg.blas.dsyrk(1.0, small, trans=1, lower=1)
    size = len(gram)
    values = scipy.linalg.eigh(gram, lower=True, eigvals_only=True, check_finite=False,
                               subset_by_index=(max(size - count, 0), size - 1))
    return np.sqrt(np.maximum(values[::-1], 0.0))


def inexact_alm(data: np.ndarray, lam: float, tolerance: float = 1e-7, max_iterations: int = 500,
                shrink: Shrink = shrink_singular_values) -> Decomposition:
    """Inexact augmented Lagrange multipliers.

    Args:
        data: (m, n) float64.
        lam: Weight of the sparse part.
        tolerance: On ||D - A - E|| / ||D||.
        max_iterations: Upper bound.
        shrink: Singular value shrinking; exchangeable so that it can be compared with the textbook one.
    """
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
                                  rank_stop: float = 0.3, shrink: Shrink = shrink_singular_values) -> Decomposition:
    """Accelerated proximal gradient with continuation, and the stopping rules of IPI's authors.

    Args:
        data: (m, n) float64.
        lam: Weight of the sparse part.
        tolerance: On the relative size of the proximal step.
        max_iterations: Upper bound.
        rank_stop: Ends when the rank exceeds this share of the smaller side; 1 switches the rule off. It ends nearly
            every run of the authors' setting early.
        shrink: As of ``inexact_alm``.
    """
    leading = singular_values(data, 4)
    mu, mu_least = float(leading[1]), 0.005 * float(leading[3])
    low_rank = low_rank_old = sparse = sparse_old = np.zeros_like(data)
    t = t_old = 1.0
    rank_before, settled_for, support_before = -1, 0, 0
    for iteration in range(1, max_iterations + 1):
        pull = (t_old - 1.0) / t
        ahead_low = low_rank + pull * (low_rank - low_rank_old)
        ahead_sparse = sparse + pull * (sparse - sparse_old)
        step = 0.5 * (ahead_low + ahead_sparse - data)
        new_low, rank = shrink(ahead_low - step, mu / 2)
        new_sparse = soft_threshold(ahead_sparse - step, lam * mu / 2)
        residual = _step_size(ahead_low, ahead_sparse, new_low, new_sparse)
        low_rank_old, low_rank, sparse_old, sparse = low_rank, new_low, sparse, new_sparse
        t_old, t = t, (1.0 + np.sqrt(1.0 + 4.0 * t * t)) / 2.0
        mu = max(0.9 * mu, mu_least)
        support = int(np.count_nonzero(sparse))
        if rank != rank_before or abs(support - support_before) >= 20:
            rank_before, settled_for, support_before = rank, 0, support
        else:
            settled_for += 1
        reason = ("tolerance" if residual <= tolerance else "rank" if rank > rank_stop * min(data.shape)
                  else "settled" if settled_for > 10 else "")
        if reason:
            return Decomposition(low_rank, sparse, iteration, residual, rank, reason)
    return Decomposition(low_rank, sparse, max_iterations, residual, rank, "iterations")


def _step_size(ahead_low: np.ndarray, ahead_sparse: np.ndarray, low: np.ndarray, sparse: np.ndarray) -> float:
    # Relative norm of the gradient mapping (Ganesh et al. 2009, section 4). With the Lipschitz constant 2 both of its
    # parts are the difference of the two steps, up to sign.
    difference = ahead_low - low
    difference -= ahead_sparse
    difference += sparse
    size = np.hypot(np.linalg.norm(low), np.linalg.norm(sparse))
    return float(np.sqrt(2.0) * np.linalg.norm(difference) / (2.0 * max(1.0, size)))
