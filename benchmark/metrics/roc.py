"""Curves over thresholds: pixel TPR against FPR and target Pd against Fa, pooled over images, and areas under them.

Target Pd and Fa are not monotone in the threshold: a blob that grows a tail moves its centroid off its target. The
curve is therefore never sorted and never clipped; areas follow it in the order of thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from benchmark.metrics.components import find_components
from benchmark.metrics.levels import equally_spaced, score_levels
from benchmark.metrics.nested import paired_by_threshold
from benchmark.metrics.pixel import ratio
from benchmark.metrics.protocols import CLEAR_RADIUS, HIT_RADIUS, dilate, highest_near_targets
from benchmark.metrics.target import check_pair, count_masks, protocol_named

FA_LIMIT = 1e-4
"""Fraction of pixels up to which the partial area is taken."""
MAX_EXACT_THRESHOLDS = 10_000


@dataclass(frozen=True)
class RocCounts:
    """Counts at K ascending thresholds, of one image or summed over a set; every array is (K,) int64."""

    tp: np.ndarray
    fp: np.ndarray
    paired: np.ndarray
    fa_pixels: np.ndarray
    positives: int
    negatives: int
    targets: int
    fa_area: int


@dataclass(frozen=True)
class RocResult:
    """Curves at ascending thresholds, each (K,) float64, NaN where undefined; areas are None where undefined.

    ``fa`` is a fraction of pixels here, not per million. Every area is taken along the curve from (0, 0), through the
    points by descending threshold, to (1, 1). ``pixel_auc`` is over FPR, ``target_auc`` over Fa, and ``target_pauc``
    over Fa from 0 to ``FA_LIMIT``, divided by ``FA_LIMIT`` (see ``area`` and ``partial_area``).
    """

    thresholds: np.ndarray
    tpr: np.ndarray
    fpr: np.ndarray
    pd: np.ndarray
    fa: np.ndarray
    pixel_auc: float | None
    target_auc: float | None
    target_pauc: float | None


class RocAccumulator:
    """Curves of a set of images, added one by one.

    Args:
        thresholds: A number n for 1/n, 2/n, ..., 1; ``'exact'`` for every distinct score of the set; or (K,)
            thresholds, strictly ascending, in [0, 1]. Scores must be greater than a threshold to be foreground.
            ``'exact'`` keeps every score map and mask in memory until ``result`` (5 bytes a pixel for float32).
        protocol: Name of a counting protocol. ``dnanet`` and ``opdc`` label the frame anew for every threshold.

    Raises:
        ValueError: If thresholds or protocol are none of these.
    """

    def __init__(self, thresholds: int | str | np.ndarray = 100, protocol: str = "standard") -> None:
        self.protocol = protocol_named(protocol).name
        self.thresholds = _fixed_thresholds(thresholds)
        self._total: RocCounts | None = None
        self._kept: list[tuple[np.ndarray, np.ndarray]] = []
        self._distinct = np.zeros(0)

    def add(self, score: np.ndarray, mask: np.ndarray) -> None:
        """Count one image: score (H, W) float in [0, 1], mask (H, W) bool. Raises ``ValueError`` as ``count_image``."""
        self.merge(self.contribution(score, mask))

    def contribution(self, score: np.ndarray, mask: np.ndarray) -> RocCounts | tuple[np.ndarray, np.ndarray]:
        """What ``merge`` adds for this image, so that one process can count for another; changes nothing here."""
        score, mask = check_pair(score, mask)
        if self.thresholds is None:
            return score.copy(), mask.copy()
        return roc_counts(score, mask, self.thresholds, self.protocol)

    def merge(self, contribution: RocCounts | tuple[np.ndarray, np.ndarray]) -> None:
        """Add one image's ``contribution``. Raises ``ValueError`` where an exact curve gets too many thresholds."""
        if isinstance(contribution, RocCounts):
            self._total = contribution if self._total is None else _sum(self._total, contribution)
            return
        self._distinct = np.union1d(self._distinct, contribution[0].astype(np.float64))
        if len(self._distinct) > MAX_EXACT_THRESHOLDS:
            raise ValueError(f"more than {MAX_EXACT_THRESHOLDS} distinct scores: an exact target curve would count the "
                             "set at each of them; use 100 equally spaced thresholds instead")
        self._kept.append(contribution)

    def result(self) -> RocResult:
        """Curves and areas of the images added so far."""
        thresholds, total = self.thresholds, self._total
        if thresholds is None:
            thresholds = self._distinct
            for score, mask in self._kept:
                counts = roc_counts(score, mask, thresholds, self.protocol)
                total = counts if total is None else _sum(total, counts)
        if total is None:
            nothing = np.full(len(thresholds), np.nan)
            return RocResult(thresholds, nothing, nothing, nothing, nothing, None, None, None)
        tpr, fpr = ratio(total.tp, total.positives), ratio(total.fp, total.negatives)
        pd, fa = ratio(total.paired, total.targets), ratio(total.fa_pixels, total.fa_area)
        return RocResult(thresholds, tpr, fpr, pd, fa, pixel_auc=area(fpr, tpr), target_auc=area(fa, pd),
                         target_pauc=partial_area(fa, pd, FA_LIMIT))


def roc_counts(score: np.ndarray, mask: np.ndarray, thresholds: np.ndarray, protocol: str) -> RocCounts:
    """Counts of one checked image at ascending thresholds; equal to ``count_image`` at each of them."""
    number, rule = len(thresholds), protocol_named(protocol)
    levels = score_levels(score, thresholds)
    targets = find_components(mask)
    tp, fp = pixel_counts(levels, mask, number)
    everywhere, area = tp + fp, mask.size
    if rule.pairing is not None:
        paired, pixels = paired_by_threshold(levels, number, targets, rule.pairing)
        fa_pixels = everywhere - pixels
    elif rule.name == "overlap":
        paired = _above(highest_near_targets(levels, targets, 0), number)
        fa_pixels, area = fp * (len(targets) > 0), int(np.count_nonzero(~mask)) * (len(targets) > 0)
    elif rule.name == "shooting":
        paired = _above(highest_near_targets(levels, targets, HIT_RADIUS), number)
        fa_pixels = _above(levels[~dilate(mask, CLEAR_RADIUS)], number)
    else:
        counts = [count_masks(levels > index, mask, protocol, targets=targets) for index in range(number)]
        paired = np.array([image.paired for image in counts], np.int64)
        fa_pixels = np.array([image.fa_pixels for image in counts], np.int64)
    positives = int(np.count_nonzero(mask))
    return RocCounts(tp, fp, paired, fa_pixels, positives, mask.size - positives, len(targets), area)


def pixel_counts(levels: np.ndarray, mask: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """True and false positive pixels, each (number,) int64, from ``score_levels`` (H, W) and a bool mask (H, W)."""
    tp = _above(levels[mask], number)
    return tp, _above(levels, number) - tp


def area(x: np.ndarray, y: np.ndarray) -> float | None:
    """Trapezoid area under (0, 0), the points in descending threshold order, (1, 1); None with an undefined point.

    ``x`` and ``y`` come at ascending thresholds. Where x ascends along the way this is ``sklearn.metrics.auc``; where
    it steps back, the signed area under the backward stretch is subtracted, so that every x counts once in all.
    """
    from sklearn.metrics import auc  # here because importing it takes longer than counting a small set

    if np.isnan(x).any() or np.isnan(y).any():
        return None
    x, y = _path(x, y)
    turns = np.flatnonzero(np.diff(np.sign(np.diff(x)) < 0)) + 1
    starts, ends = [0, *turns.tolist()], [*turns.tolist(), len(x) - 1]
    runs = [(x[start:end + 1], y[start:end + 1]) for start, end in zip(starts, ends, strict=True)]
    return float(sum(auc(along, height) * (-1 if along[-1] < along[0] else 1) for along, height in runs))


def partial_area(x: np.ndarray, y: np.ndarray, limit: float) -> float | None:
    """``area`` restricted to x in [0, limit] and divided by ``limit``; the line is cut where it crosses the limit."""
    if np.isnan(x).any() or np.isnan(y).any():
        return None
    x, y = _path(x, y)
    low, high = np.minimum(x, limit)[:-1], np.minimum(x, limit)[1:]
    rise, run = np.diff(y), np.diff(x)
    slope = np.divide(rise, run, out=np.zeros_like(rise), where=run != 0)
    heights = y[:-1] + slope * ((low + high) / 2 - x[:-1])
    return float(np.sum(heights * (high - low)) / limit)


def _path(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(([0.0], x[::-1], [1.0])), np.concatenate(([0.0], y[::-1], [1.0]))


def _above(levels: np.ndarray, number: int) -> np.ndarray:
    """(number,) int64: how many of the levels are greater than 0, 1, ..., number - 1."""
    if levels.dtype == np.uint8 and 0 < levels.size < 1 << 24:  # OpenCV counts in float32, which holds integers so far
        histogram = cv2.calcHist([levels], [0], None, [256], [0, 256]).ravel()[:number + 1].astype(np.int64)
    else:
        histogram = np.bincount(levels.ravel(), minlength=number + 1)
    return histogram[:0:-1].cumsum()[::-1].astype(np.int64)


def _sum(first: RocCounts, second: RocCounts) -> RocCounts:
    return RocCounts(**{name: getattr(first, name) + getattr(second, name) for name in first.__dataclass_fields__})


def _fixed_thresholds(thresholds: int | str | np.ndarray) -> np.ndarray | None:
    if isinstance(thresholds, str):
        if thresholds != "exact":
            raise ValueError(f"thresholds must be a number, an array or 'exact', got {thresholds!r}")
        return None
    if isinstance(thresholds, (int, np.integer)) and not isinstance(thresholds, bool):
        if thresholds < 1:
            raise ValueError(f"the number of thresholds must be at least 1, got {thresholds}")
        return equally_spaced(int(thresholds))
    values = np.asarray(thresholds, np.float64)
    if values.ndim != 1 or not values.size or (np.diff(values) <= 0).any() or values[0] < 0 or values[-1] > 1:
        raise ValueError("thresholds must be strictly ascending numbers in [0, 1]")
    return values
