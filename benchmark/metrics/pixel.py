"""Pixel figures from counts of true and false positives and false negatives.

Every function takes integers or arrays of one shape and gives float64 of that shape, NaN where the figure is
undefined; pooling over images is the caller's sum over counts.
"""

from __future__ import annotations

import numpy as np


def ratio(numerator: np.ndarray | float, denominator: np.ndarray | float) -> np.ndarray:
    """Quotient, NaN where the denominator is 0."""
    numerator, denominator = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    quotient = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=quotient, where=denominator != 0)


def iou(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    """Intersection over union; undefined where nothing is predicted and there is nothing to find."""
    return ratio(tp, tp + fp + fn)


def image_iou(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    """IoU of single images as nIoU averages it: 1 where both masks are empty, for nothing better can be done."""
    return np.where(tp + fp + fn == 0, 1.0, iou(tp, fp, fn))


def precision(tp: np.ndarray, fp: np.ndarray) -> np.ndarray:
    """Share of predicted pixels that are right; undefined where nothing is predicted."""
    return ratio(tp, tp + fp)


def recall(tp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    """Share of target pixels that are predicted; undefined without target pixels."""
    return ratio(tp, tp + fn)


def f1(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall as 2TP / (2TP + FP + FN); undefined where IoU is."""
    return ratio(2 * tp, 2 * tp + fp + fn)
