"""Score maps as small integers: how many thresholds each pixel exceeds, so that curves are made from counts."""

from __future__ import annotations

import numpy as np

from benchmark.metrics.target import float_at_most

_GRID_LIMIT = 1000  # above it, the product in single precision is too coarse to find a grid cell


def equally_spaced(number: int) -> np.ndarray:
    """(number,) float64 thresholds 1/n, 2/n, ..., 1; an even number has exactly one half among them.

    Zero is left out: no sigmoid reaches it, so that there the whole image is one component, which finds no target.
    That is no operating point, and a curve through it would say more about the sigmoid than about the detector.
    """
    return np.arange(1, number + 1) / number


def score_levels(score: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """(H, W) uint8, uint16 or int32: number of thresholds that each score exceeds.

    A pixel is foreground at ``thresholds[k]`` exactly where its level is greater than k.

    Args:
        score: (H, W) floating-point in [0, 1] without NaN.
        thresholds: (K,) float64, strictly ascending.
    """
    number = len(thresholds)
    dtype = np.uint8 if number < 2 ** 8 else np.uint16 if number < 2 ** 16 else np.int32
    limits = np.array([float_at_most(value, score.dtype) for value in thresholds], score.dtype)
    if 1 < number <= _GRID_LIMIT and np.array_equal(thresholds, equally_spaced(number)):
        return _grid_levels(score, limits, dtype)
    levels = np.zeros(score.shape, dtype)
    some = score > limits[0]
    levels[some] = np.searchsorted(limits, score[some], side="left")
    return levels


def _grid_levels(score: np.ndarray, limits: np.ndarray, dtype: type) -> np.ndarray:
    # Multiplying finds the cell; only scores that lie on a grid line, within rounding, need to be compared.
    cells = np.multiply(score, len(limits), dtype=np.promote_types(score.dtype, np.float32))
    levels = np.maximum(np.ceil(cells) - 1, 0)
    doubtful = np.abs(cells - np.rint(cells)) < 1e-3
    doubtful &= score != 0
    levels = levels.astype(dtype)
    levels[doubtful] = np.searchsorted(limits, score[doubtful], side="left")
    return levels
