"""How each metric is named and printed; numbers are rounded by these rules and by no others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from reports.published import HEADS


@dataclass(frozen=True)
class MetricStyle:
    """How a metric is named and printed: shown = value × scale, with so many decimals."""

    title: str
    unit: str
    scale: float
    decimals: int
    higher_is_better: bool


STYLES = {
    "iou": MetricStyle("IoU", "10⁻²", 100, 2, True), "niou": MetricStyle("nIoU", "10⁻²", 100, 2, True),
    "pd": MetricStyle("Pd", "10⁻²", 100, 2, True), "fa": MetricStyle("Fa", "10⁻⁶", 1, 2, False),
    "niou_targets": MetricStyle("nIoU (targets)", "10⁻²", 100, 2, True), "f1": MetricStyle("F1", "10⁻²", 100, 2, True),
    "precision": MetricStyle("Precision", "10⁻²", 100, 2, True), "recall": MetricStyle("Recall", "10⁻²", 100, 2, True),
    "hiou": MetricStyle("hIoU", "10⁻²", 100, 2, True), "pixel_auc": MetricStyle("AUC", "", 1, 4, True),
    "target_auc": MetricStyle("Target AUC", "", 1, 4, True), "target_pauc": MetricStyle("pAUC", "", 1, 4, True),
    "trainable_params_m": MetricStyle("Trainable", "M", 1, 2, False),
    "inference_s": MetricStyle("Inference", "s", 1, 3, False),
}
LEVEL = 0.05  # of the comparisons with the best
NOT_RUN = "–"
ARROWS = {True: "↑", False: "↓"}
COMPARED_RULE = ("Difference to the best of the column with its 95 % interval and Holm-corrected two-sided p-value: "
                 "paired bootstrap over test images, 2,000 resamples.")


FALSE_ALARMS = ("fa", "fa_components", "fa_pixel_strict")


def metric_head(metric: str) -> str:
    """Title of a column with the direction in which it gets better."""
    if metric in HEADS:
        return HEADS[metric]
    return f"{STYLES[metric].title} {ARROWS[STYLES[metric].higher_is_better]}"


def format_number(value: float, decimals: int) -> str:
    """The number with fixed decimals; a dash where it is not finite."""
    return f"{value:.{decimals}f}" if math.isfinite(value) else NOT_RUN


def compared_text(comparison: dict[str, Any] | None, metric: str) -> str:
    """Difference to the best with interval and p-value, in the table's unit; a dash for the best and for no pair."""
    if comparison is None:
        return NOT_RUN
    style = STYLES[metric]
    ends = [format_number((comparison[name] or 0.0) * style.scale, style.decimals) for name in ("difference", "low",
                                                                                                  "high")]
    p = comparison["p_holm"]
    return f"{ends[0]} [{ends[1]}, {ends[2]}], p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"
