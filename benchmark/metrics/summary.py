"""From per-image counts to the figures of a set: sums first, one formula each, undefined instead of invented.

What is undefined, and why:

* no images: everything but the two counts;
* nothing predicted and nothing to find in the whole set: IoU, F1 and hIoU (0 / 0). nIoU counts each such image as 1;
* no image with a target: nIoU over images with targets, recall, Pd, and Fa of protocol ``overlap``;
* nothing predicted: precision; Fa is 0, F1 and hIoU are 0 where there is something to find;
* hIoU under a protocol that does not pair one to one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.metrics import pixel
from benchmark.metrics.target import ImageCounts

PER_MILLION = 1e6
RATIOS = ("iou", "niou", "niou_targets", "precision", "recall", "f1", "pd", "fa", "fa_components", "fa_pixel_strict",
          "hiou")
LOWER_IS_BETTER = ("fa", "fa_components", "fa_pixel_strict")
COUNTS = ("targets", "images")
"""Sizes of the set; they describe it and have no interval."""
_SUMMED = ("tp", "fp", "fn", "targets", "paired", "predicted", "pixels", "fa_pixels", "fa_area", "fa_components")
_NO_TARGET = "no image of the set has a target"


def summarise(counts: Sequence[ImageCounts]) -> dict[str, float | None]:
    """Every figure of a set of images, unrounded; None where it is undefined (see ``undefined_reasons``).

    Returns:
        ``iou, niou, niou_targets, precision, recall, f1, pd, hiou`` as fractions in [0, 1]; ``fa`` and
        ``fa_pixel_strict`` in pixels, and ``fa_components`` in components, per million pixels; ``targets`` and
        ``images`` as integers.

    Raises:
        ValueError: If the counts come from more than one protocol.
    """
    values = figures(count_table(counts).sum(axis=0))
    found: dict[str, float | None] = {
        name: None if np.isnan(value) else float(value) for name, value in values.items()
    }
    return found | {"targets": sum(image.targets for image in counts), "images": len(counts)}


def undefined_reasons(counts: Sequence[ImageCounts]) -> dict[str, str]:
    """Why each figure that ``summarise`` gives as None is undefined, in words; empty where all are defined."""
    return {name: _reason(name, counts) for name, value in summarise(counts).items() if value is None}


def count_table(counts: Sequence[ImageCounts]) -> np.ndarray:
    """(images, columns) float64 whose sums over images ``figures`` takes; all columns but three hold integers."""
    if len({image.protocol for image in counts}) > 1:
        raise ValueError(f"counts of different protocols: {sorted({image.protocol for image in counts})}")
    integers = np.array([[getattr(image, name) for name in _SUMMED] for image in counts], np.float64)
    integers = integers.reshape(len(counts), len(_SUMMED))
    tp, fp, fn, targets = integers[:, :4].T
    single, present = pixel.image_iou(tp, fp, fn), targets > 0
    shared = [np.nan if image.pair_iou_sum is None else image.pair_iou_sum for image in counts]
    more = (np.ones(len(counts)), single, present, np.where(present, single, 0.0), np.array(shared, np.float64))
    return np.column_stack((integers, *more))


def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Every figure of ``RATIOS`` from sums of a count table: (..., columns) gives (...), NaN where undefined."""
    columns = dict(zip(_SUMMED + ("images", "iou", "with_targets", "iou_targets", "pair_iou"),
                       np.moveaxis(np.asarray(sums, np.float64), -1, 0), strict=True))
    tp, fp, fn = columns["tp"], columns["fp"], columns["fn"]
    # Every pair takes one target and one prediction, so pairs + unpaired of both kinds are all of both less the pairs.
    matter = columns["targets"] + columns["predicted"] - columns["paired"]
    return {
        "iou": pixel.iou(tp, fp, fn),
        "niou": pixel.ratio(columns["iou"], columns["images"]),
        "niou_targets": pixel.ratio(columns["iou_targets"], columns["with_targets"]),
        "precision": pixel.precision(tp, fp),
        "recall": pixel.recall(tp, fn),
        "f1": pixel.f1(tp, fp, fn),
        "pd": pixel.ratio(columns["paired"], columns["targets"]),
        "fa": PER_MILLION * pixel.ratio(columns["fa_pixels"], columns["fa_area"]),
        "fa_components": PER_MILLION * pixel.ratio(columns["fa_components"], columns["pixels"]),
        "fa_pixel_strict": PER_MILLION * pixel.ratio(fp, columns["pixels"]),
        "hiou": pixel.ratio(columns["pair_iou"], matter),
    }


def _reason(name: str, counts: Sequence[ImageCounts]) -> str:
    if not counts:
        return "the set has no images"
    if name == "hiou" and counts[0].pair_iou_sum is None:
        return f"protocol {counts[0].protocol!r} does not pair targets and predictions one to one"
    if name in ("niou_targets", "recall", "pd", "fa"):
        return _NO_TARGET
    if name == "precision":
        return "nothing is predicted in the whole set"
    return "nothing is predicted and there is nothing to find in the whole set"
