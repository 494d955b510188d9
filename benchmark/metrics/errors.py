"""What became of each target of an image, and how large it was: found, or in which of five ways it went wrong.

Written beside the counts, for figures of Pd by size and of errors by kind; no table depends on it. Components and
pairs are those of the ``standard`` protocol.

* found: paired, IoU of the pair at least 0.5, and its prediction touches no other target;
* merged: a prediction that touches it touches another target as well;
* split: two or more predictions touch it;
* mis-segmented: paired or touched, but none of the above;
* missed: neither;
* false (of predictions): unpaired and touching no target.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.metrics.components import find_components, near_pairs
from benchmark.metrics.protocols import Scene, nearest, overlaps

FOUND, MERGED, SPLIT, MIS_SEGMENTED, MISSED = "found", "merged", "split", "mis-segmented", "missed"
GOOD_IOU = 0.5


def describe_errors(prediction: np.ndarray, mask: np.ndarray, image_id: str = "") -> dict[str, Any]:
    """``{'image_id', 'targets': [[area, paired, outcome], ...], 'false': n}`` of two (H, W) bool masks, JSON types.

    Targets come in raster order of their first row and column.
    """
    scene = Scene(prediction, mask, find_components(prediction), find_components(mask))
    paired_target, paired_prediction = nearest(scene.targets, scene.predicted,
                                               *near_pairs(scene.targets, scene.predicted))
    partner = dict(zip(paired_target.tolist(), paired_prediction.tolist(), strict=True))
    touched = list(zip(*(column.tolist() for column in overlaps(scene.targets, scene.predicted)), strict=True))
    shared = {(target, predicted): iou for target, predicted, iou in touched}
    targets = []
    for index in np.lexsort((scene.targets.boxes[:, 1], scene.targets.boxes[:, 0])).tolist():
        own = {predicted for target, predicted, _ in touched if target == index}
        crowded = {predicted for target, predicted, _ in touched if target != index} & (own | {partner.get(index)})
        good = shared.get((index, partner.get(index, -1)), 0.0) >= GOOD_IOU
        if good and partner[index] not in crowded:
            outcome = FOUND
        elif own & crowded:
            outcome = MERGED
        elif len(own) > 1:
            outcome = SPLIT
        else:
            outcome = MIS_SEGMENTED if own or index in partner else MISSED
        targets.append([int(scene.targets.areas[index]), index in partner, outcome])
    answered = set(partner.values()) | {predicted for _, predicted, _ in touched}
    return {"image_id": image_id, "targets": targets, "false": len(scene.predicted) - len(answered)}
