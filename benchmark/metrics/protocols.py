"""The counting rules of the field, by name: which targets are found, and what is a false alarm.

All rules see the same 8-connected components. They count at the resolution of the arrays that they are given: codes
that count on masks resized to 256 × 256 are reproduced by resizing first, which is the caller's decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from benchmark.metrics.components import Components, near_pairs
from benchmark.metrics.matching import pair_in_order, pair_nearest

OVERLAP_IOU = 0.5  # OPDC: components that overlap this much are paired before distance is looked at
HIT_RADIUS = 1  # shooting rule, Chebyshev distance in pixels
CLEAR_RADIUS = 4


@dataclass(frozen=True)
class Scene:
    """One thresholded image and its ground truth, as masks (H, W) bool and as components."""

    prediction: np.ndarray
    mask: np.ndarray
    predicted: Components
    targets: Components


@dataclass(frozen=True)
class TargetCounts:
    """What one protocol says of one scene."""

    paired: int
    """Targets that are found."""
    fa_pixels: int
    fa_area: int
    """Pixels over which false alarm is stated."""
    fa_components: int
    pair_iou_sum: float | None
    """IoU summed over pairs; None where the protocol does not pair one to one."""


@dataclass(frozen=True)
class Protocol:
    """A named rule, and whose published figures it reproduces."""

    name: str
    count: Callable[[Scene], TargetCounts]
    pairing: str | None
    """``'nearest'`` or ``'raster'`` where identity decides false alarms and distance alone decides pairs, else None."""
    summary: str
    reproduces: str


def tie_rank(areas: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """(n,) int, a strict preference among components that no order of enumeration enters: larger, then upper, left."""
    order = np.lexsort((sums[:, 1], sums[:, 0], -areas))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _standard(scene: Scene) -> TargetCounts:
    return _by_identity(scene, *nearest(scene.targets, scene.predicted, *near_pairs(scene.targets, scene.predicted)))


def _basicirstd(scene: Scene) -> TargetCounts:
    return _by_identity(scene, *_raster(scene))


def _dnanet(scene: Scene) -> TargetCounts:
    target, prediction = _raster(scene)
    areas = scene.predicted.areas
    # The list of unmatched areas is filtered by value, so an unpaired blob as large as a paired one disappears.
    alarms = ~np.isin(areas, areas[prediction])
    return TargetCounts(len(target), int(areas[alarms].sum()), scene.mask.size, int(alarms.sum()),
                        _iou_sum(scene, target, prediction))


def _opdc(scene: Scene) -> TargetCounts:
    # Disjoint components reach an IoU of one half with one partner at most, so these pairs need no assignment.
    target, prediction, iou = overlaps(scene.targets, scene.predicted)
    sure = iou >= OVERLAP_IOU
    target, prediction = target[sure], prediction[sure]
    near = near_pairs(scene.targets, scene.predicted)
    free = ~np.isin(near[0], target) & ~np.isin(near[1], prediction)
    more = nearest(scene.targets, scene.predicted, *(column[free] for column in near))
    return _by_identity(scene, np.concatenate((target, more[0])), np.concatenate((prediction, more[1])))


def _overlap(scene: Scene) -> TargetCounts:
    target, prediction, _ = overlaps(scene.targets, scene.predicted)
    background = int(np.count_nonzero(~scene.mask))
    hit = np.unique(target).size
    alarms = len(scene.predicted) - np.unique(prediction).size
    # RPCANet's code leaves images without a target out of both sides of the fraction.
    present = len(scene.targets) > 0
    outside = int(np.count_nonzero(scene.prediction & ~scene.mask))
    return TargetCounts(hit, outside * present, background * present, alarms, None)


def _shooting(scene: Scene) -> TargetCounts:
    clear = ~dilate(scene.mask, CLEAR_RADIUS)
    hit = np.count_nonzero(highest_near_targets(scene.prediction.astype(np.uint8), scene.targets, HIT_RADIUS))
    excused = np.unique(_labels_under(scene.predicted, ~clear))
    alarms = len(scene.predicted) - int(np.count_nonzero(excused))
    return TargetCounts(int(hit), int(np.count_nonzero(scene.prediction & clear)), scene.mask.size, alarms, None)


PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (
    Protocol("standard", _standard, "nearest", "most pairs, then least total distance, below 3 px", "this benchmark"),
    Protocol("basicirstd", _basicirstd, "raster", "raster order, first prediction below 3 px",
             "BasicIRSTD since 2024-01, PyIRSTDMetrics (basic), STD-EvalKit"),
    Protocol("dnanet", _dnanet, None, "raster order below 3 px, false alarms filtered by area value",
             "DNA-Net, MSHNet, SeRankDet, SCTransNet (most of them on masks resized to 256 x 256)"),
    Protocol("overlap", _overlap, None, "one shared pixel finds a target, every background pixel is a false alarm",
             "RPCANet"),
    Protocol("opdc", _opdc, None, "IoU of one half first, then distance below 3 px",
             "PyIRSTDMetrics (OPDC), without its phantom counts on empty images"),
    Protocol("shooting", _shooting, None, "a pixel within 1 px finds a target, pixels beyond 4 px are false alarms",
             "PyIRSTDMetrics (shooting rule)"),
)}


def dilate(mask: np.ndarray, radius: int) -> np.ndarray:
    """(H, W) bool, True within Chebyshev distance ``radius`` of the mask."""
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return cv2.dilate(np.ascontiguousarray(mask, dtype=bool).view(np.uint8), kernel).view(bool)


def highest_near_targets(values: np.ndarray, targets: Components, radius: int) -> np.ndarray:
    """(n,) largest value of (H, W) integer ``values`` within Chebyshev distance ``radius`` of each target."""
    found = np.zeros(len(targets), values.dtype)
    for index, (top, left, bottom, right) in enumerate(targets.boxes):
        own = np.pad(targets.crop(index, targets.boxes[index]), radius)
        own = dilate(own, radius) if radius else own
        top, left = top - radius, left - radius
        inside = (slice(max(top, 0), bottom + radius), slice(max(left, 0), right + radius))
        window = values[inside]
        own = own[max(-top, 0):, max(-left, 0):][:window.shape[0], :window.shape[1]]
        found[index] = window[own].max()
    return found


def _raster(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    target, prediction, _ = near_pairs(scene.targets, scene.predicted)
    chosen = pair_in_order(scene.targets.first_pixels(target), scene.predicted.first_pixels(prediction))
    return target[chosen], prediction[chosen]


def nearest(targets: Components, predicted: Components, target: np.ndarray, prediction: np.ndarray,
            distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Target and prediction indices of the pairs of the ``standard`` rule among near pairs (see ``near_pairs``)."""
    near, index = np.unique(prediction, return_inverse=True)
    preference = tie_rank(predicted.areas[near], predicted.sums[near])[index]
    chosen = pair_nearest(target, prediction, distance, preference)
    return target[chosen], prediction[chosen]


def _by_identity(scene: Scene, target: np.ndarray, prediction: np.ndarray) -> TargetCounts:
    areas = scene.predicted.areas
    return TargetCounts(len(target), int(areas.sum() - areas[prediction].sum()), scene.mask.size,
                        len(scene.predicted) - len(target), _iou_sum(scene, target, prediction))


def _iou_sum(scene: Scene, target: np.ndarray, prediction: np.ndarray) -> float:
    total = 0.0
    for one, other in sorted(zip(target.tolist(), prediction.tolist(), strict=True)):
        shared = _shared_pixels(scene, one, other)
        total += shared / float(scene.targets.areas[one] + scene.predicted.areas[other] - shared)
    return total


def _shared_pixels(scene: Scene, target: int, prediction: int) -> int:
    first, second = scene.targets.boxes[target], scene.predicted.boxes[prediction]
    box = np.concatenate((np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])))
    if (box[:2] >= box[2:]).any():
        return 0
    return int(np.count_nonzero(scene.targets.crop(target, box) & scene.predicted.crop(prediction, box)))


def overlaps(targets: Components, predicted: Components) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pair that shares a pixel: target index, prediction index, IoU of the two components."""
    inside = targets.labels > 0
    under = _labels_under(predicted, inside, targets.origin)
    hit = under > 0
    codes, shared = np.unique((targets.labels[inside][hit].astype(np.int64) - 1) * (len(predicted) + 1)
                              + under[hit] - 1, return_counts=True)
    target, prediction = codes // (len(predicted) + 1), codes % (len(predicted) + 1)
    return target, prediction, shared / (targets.areas[target] + predicted.areas[prediction] - shared)


def _labels_under(components: Components, mask: np.ndarray, origin: tuple[int, int] = (0, 0)) -> np.ndarray:
    """Label (0 for none) at every True pixel of a mask whose first pixel is at ``origin`` of the image."""
    rows, columns = np.nonzero(mask)
    rows, columns = rows + origin[0] - components.origin[0], columns + origin[1] - components.origin[1]
    height, width = components.labels.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    found = np.zeros(len(rows), np.int64)
    found[inside] = components.labels[rows[inside], columns[inside]]
    return found
