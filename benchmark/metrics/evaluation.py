"""The one way in which every method is counted: score maps go in, figures with intervals and curves come out."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.metrics.bootstrap import bootstrap_intervals
from benchmark.metrics.roc import RocAccumulator
from benchmark.metrics.summary import summarise, undefined_reasons
from benchmark.metrics.target import ImageCounts, count_image

AREAS = ("pixel_auc", "target_auc", "target_pauc")


class Evaluation:
    """Counts of the images seen so far, and their ROC.

    Args:
        threshold: A pixel is foreground where its score is greater.
        protocol: Name of a counting protocol.
        roc_thresholds: Number of equally spaced thresholds, ``'exact'``, or None for no curve.
    """

    def __init__(self, threshold: float = 0.5, protocol: str = "standard",
                 roc_thresholds: int | str | None = 100) -> None:
        self.threshold, self.protocol = threshold, protocol
        self.roc = None if roc_thresholds is None else RocAccumulator(roc_thresholds, protocol=protocol)
        self.counts: list[ImageCounts] = []

    def add(self, image_id: str, score: np.ndarray, mask: np.ndarray) -> ImageCounts:
        """Count one image: score (H, W) float in [0, 1], mask (H, W) bool. Raises ``ValueError`` where they differ."""
        counts = count_image(score, mask, threshold=self.threshold, protocol=self.protocol, image_id=image_id)
        self.counts.append(counts)
        if self.roc is not None:
            self.roc.add(score, mask)
        return counts

    def summary(self, resamples: int = 2000, seed: int = 0) -> dict[str, dict[str, Any]]:
        """``{metric: {'value', 'low', 'high', 'reason'}}``, unrounded; areas under curves have no interval."""
        values, reasons = summarise(self.counts), undefined_reasons(self.counts)
        intervals = bootstrap_intervals(self.counts, resamples=resamples, seed=seed)
        found = {}
        for name, value in values.items():
            low, high = intervals.get(name) or (None, None)
            found[name] = {"value": value, "low": low, "high": high, "reason": reasons.get(name, "")}
        if self.roc is not None:
            result = self.roc.result()
            found |= {name: {"value": getattr(result, name), "low": None, "high": None, "reason": ""} for name in AREAS}
        return found

    def roc_lists(self) -> dict[str, list[float | None]]:
        """``thresholds, tpr, fpr, pd, fa`` as equally long lists; empty without a curve; None where undefined."""
        if self.roc is None:
            return {}
        result = self.roc.result()
        return {name: [float(value) if np.isfinite(value) else None for value in getattr(result, name)]
                for name in ("thresholds", "tpr", "fpr", "pd", "fa")}

    def rows(self) -> list[dict[str, Any]]:
        """Per-image counts as JSON types, in the order in which they came."""
        return [counts.to_dict() for counts in self.counts]
