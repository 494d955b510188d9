"""Intervals by the percentile bootstrap over images, and the paired bootstrap for the difference of two methods.

Images are resampled, not pixels or targets: those of one image are not independent. Only sums of per-image counts
enter, so thousands of resamples are one matrix product. B. Efron, R. Tibshirani, An Introduction to the Bootstrap,
1993, chapters 13 and 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.metrics.summary import COUNTS, RATIOS, count_table, figures
from benchmark.metrics.target import ImageCounts

RESAMPLE_SEED = 0
_DRAWS_AT_ONCE = 1 << 22  # image draws held in memory at a time


@dataclass(frozen=True)
class PairedDifference:
    """Difference a - b of one figure over the same images; all fields None where it is undefined."""

    metric: str
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    """Two-sided, of the hypothesis that the difference is 0; never below 2 / (resamples + 1)."""


def bootstrap_intervals(counts: Sequence[ImageCounts], resamples: int = 2000, seed: int = 0,
                        level: float = 0.95) -> dict[str, tuple[float, float] | None]:
    """Percentile interval of every figure of ``summarise``.

    None where the figure is undefined, for the set's sizes (``targets, images``), for fewer than two images, and
    with no resamples. Resamples in which a figure is undefined are left out of its interval.

    Args:
        counts: One entry an image, of one protocol.
        resamples: Sets drawn with replacement; 0 for no intervals.
        seed: Of the draws; the same seed gives the same intervals.
        level: Coverage in (0, 1).

    Raises:
        ValueError: If ``resamples`` or ``level`` is out of range, or the counts come from more than one protocol.
    """
    table = count_table(counts)
    _check(resamples, level)
    found: dict[str, tuple[float, float] | None] = dict.fromkeys(RATIOS + COUNTS)
    if len(counts) < 2 or not resamples:
        return found
    point = figures(table.sum(axis=0))
    drawn = figures(resampled(table, resamples, seed))
    for name in RATIOS:
        low, high = percentiles(drawn[name], level)
        if low is not None and not np.isnan(point[name]):
            found[name] = low, high
    return found


def paired_bootstrap(counts_a: Sequence[ImageCounts], counts_b: Sequence[ImageCounts], metric: str,
                     resamples: int = 2000, seed: int = 0, level: float = 0.95) -> PairedDifference:
    """Difference a - b of ``metric`` with its interval and p-value; both sides are resampled with the same images.

    Raises:
        ValueError: If the two do not hold the same image ids in the same order, or the metric is unknown.
    """
    if [image.image_id for image in counts_a] != [image.image_id for image in counts_b]:
        raise ValueError("a paired comparison needs the same images in the same order on both sides")
    return paired_difference(count_table(counts_a), count_table(counts_b), metric, resamples, seed, level)


def paired_difference(table_a: np.ndarray, table_b: np.ndarray, metric: str, resamples: int = 2000, seed: int = 0,
                      level: float = 0.95) -> PairedDifference:
    """``paired_bootstrap`` of two count tables, whose rows are the same images; tables of several runs may be added.

    Raises:
        ValueError: If the metric is unknown.
    """
    _check(resamples, level)
    if metric not in RATIOS:
        raise ValueError(f"unknown metric {metric!r}; known: {', '.join(RATIOS)}")
    tables = (table_a, table_b)
    point = np.subtract(*(figures(table.sum(axis=0))[metric] for table in tables))
    if np.isnan(point):
        return PairedDifference(metric, None, None, None, None)
    if len(table_a) < 2 or not resamples:
        return PairedDifference(metric, float(point), None, None, None)
    drawn = np.subtract(*(figures(resampled(table, resamples, seed))[metric] for table in tables))
    return difference_of(metric, point, drawn, level)


def difference_of(metric: str, point: float, drawn: np.ndarray, level: float = 0.95) -> PairedDifference:
    """The difference ``point`` with interval and p-value from the differences ``drawn`` in resamples; NaN left out."""
    if np.isnan(point):
        return PairedDifference(metric, None, None, None, None)
    drawn = drawn[~np.isnan(drawn)]
    interval = percentiles(drawn, level)
    tail = min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0))
    return PairedDifference(metric, float(point), *interval, p_value=float(min(1.0, 2 * (tail + 1) / (len(drawn) + 1))))


def resampled(table: np.ndarray, resamples: int, seed: int = RESAMPLE_SEED) -> np.ndarray:
    """(resamples, columns) sums of a count table over images drawn with replacement; equal seeds draw equal images."""
    images, generator = len(table), np.random.default_rng(seed)
    step, parts = max(1, _DRAWS_AT_ONCE // images), []
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = generator.integers(0, images, size=(rows, images), dtype=np.int32)
        drawn += np.arange(rows, dtype=np.int32)[:, None] * images
        times = np.bincount(drawn.ravel(), minlength=rows * images).reshape(rows, images)
        parts.append(times.astype(np.float64) @ table)
    return np.concatenate(parts)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values corrected for their number, in the order given; None stays None and is not counted.

    Sorted, multiplied by how many are left, made monotone, at most 1 (S. Holm, Scandinavian Journal of Statistics 6,
    1979).
    """
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[index] = highest
    return corrected


def percentiles(values: np.ndarray, level: float = 0.95) -> tuple[float, float] | tuple[None, None]:
    """Ends of the percentile interval, NaN left out; (None, None) where nothing is left."""
    values = values[~np.isnan(values)]
    if not len(values):
        return None, None
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def _check(resamples: int, level: float) -> None:
    if resamples < 0 or not 0 < level < 1:
        raise ValueError(f"resamples must be at least 0 and level in (0, 1), got {resamples} and {level}")
