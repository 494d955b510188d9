"""Singular value shrinking, the step on which low-rank solvers spend their time, without a full decomposition.

Few singular values survive, and from one iteration to the next their directions hardly turn. So the subspace of the
last call, widened, is turned once more by the matrix and the small problem inside it is solved; whether it was wide
enough is checked each time. Where it was not, or where many survive, the small side's Gram matrix is diagonalised.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

WIDENING, EXTRA = 3.0, 30  # of the subspace against the rank; `perf.py ipi` prints how far results then are apart
LARGEST_SHARE = 1 / 3  # of the small side; a wider subspace costs more than the Gram matrix


class WarmShrinker:
    """``shrink(matrix, amount)`` for the matrices of one solver run, in their order; keep one object a run."""

    def __init__(self) -> None:
        self.basis: np.ndarray | None = None

    def __call__(self, matrix: np.ndarray, amount: float) -> tuple[np.ndarray, int]:
        """The matrix with its singular values moved towards zero by ``amount``, and the number that stays above.

        Args:
            matrix: (m, n) float32 or float64.
            amount: Not negative.

        Returns:
            (m, n) of the matrix's type, and the rank.
        """
        if matrix.shape[0] < matrix.shape[1]:
            shrunk, rank = self(matrix.T, amount)
            return shrunk.T, rank
        if self.basis is not None:
            found = self._within_basis(matrix, amount)
            if found is not None:
                return found
        return self._by_gram(matrix, amount)

    def _within_basis(self, matrix: np.ndarray, amount: float) -> tuple[np.ndarray, int] | None:
        single = matrix.astype(np.float32, copy=False)
        left, _ = scipy.linalg.qr(single @ self.basis, mode="economic", check_finite=False, overwrite_a=True)
        inner = left.T @ single  # (k, n)
        values, rotation = scipy.linalg.eigh((inner @ inner.T).astype(np.float64), check_finite=False, driver="evd")
        singular = np.sqrt(np.maximum(values, np.finfo(np.float32).tiny))
        keep = singular > amount
        rank = int(keep.sum())
        if rank > len(singular) - min(5, len(singular) // 4 + 1):
            return None  # nearly all of it survives: more may survive outside
        factors = (1.0 - amount / singular[keep]).astype(np.float32)
        rotated = rotation[:, keep].astype(np.float32)
        shrunk = ((left @ (rotated * factors)) @ (rotated.T @ inner)).astype(matrix.dtype, copy=False)
        right = (inner.T @ (rotation / singular).astype(np.float32))[:, ::-1]
        self._remember(right, rank)
        return shrunk, rank

    def _by_gram(self, matrix: np.ndarray, amount: float) -> tuple[np.ndarray, int]:
        values, vectors = scipy.linalg.eigh(_gram(matrix), overwrite_a=True, check_finite=False, driver="evd")
        singular = np.sqrt(np.maximum(values, 0.0))
        keep = singular > amount
        rank = int(keep.sum())
        self._remember(vectors[:, ::-1].astype(np.float32), rank)
        single = matrix.astype(np.float32, copy=False)
        # Few survivors: build the result from them. Many: take away what is lost, which is small where it is inexact.
        if rank <= len(singular) * LARGEST_SHARE:
            factors = (1.0 - amount / singular[keep]).astype(np.float32)
            kept = vectors[:, keep].astype(np.float32)
            return ((single @ kept) @ (kept * factors).T).astype(matrix.dtype, copy=False), rank
        lost = np.divide(amount, singular, out=np.ones_like(singular), where=keep)
        return matrix - single @ ((vectors * lost) @ vectors.T).astype(np.float32), rank

    def _remember(self, right: np.ndarray, rank: int) -> None:
        # right: (n, any) orthonormal directions, strongest first
        size, width = len(right), int(rank * WIDENING) + EXTRA
        if width > size * LARGEST_SHARE:
            self.basis = None
            return
        if width > right.shape[1]:  # new directions must come from somewhere; any will turn towards what is there
            fresh = np.random.default_rng(0).standard_normal((size, width - right.shape[1]), dtype=np.float32)
            right = np.concatenate([right, fresh / np.sqrt(size, dtype=np.float32)], axis=1)
        self.basis = np.ascontiguousarray(right[:, :width])


def singular_values(matrix: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` largest singular values in descending order, float64."""
    gram = _gram(matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T)
    size = len(gram)
    values = scipy.linalg.eigh(gram, eigvals_only=True, check_finite=False,
                               subset_by_index=(max(size - count, 0), size - 1))
    return np.sqrt(np.maximum(values[::-1], 0.0))


def _gram(matrix: np.ndarray) -> np.ndarray:
    """(n, n) float64 Gram matrix, multiplied in single precision but for its one dominant direction.

    A Gram matrix squares the range of singular values, and the mean grey level lies orders of magnitude above the
    rest. With u the mean column and w the projection on it, matrix = rest + u w' and rest'u = 0: no cross terms, so
    that splitting it off is exact.
    """
    mean = matrix.mean(axis=1, dtype=np.float64)
    size = mean @ mean
    along = (mean @ matrix) / size if size > 0.0 else np.zeros(matrix.shape[1])
    rest = (matrix - np.outer(mean, along)).astype(np.float32)
    return (rest.T @ rest).astype(np.float64) + size * np.outer(along, along)
