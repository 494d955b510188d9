"""From a filter's raw response to a score map: the decision rule of a classical method, made comparable.

Each rule states where a pixel counts as target. The score is v / (v + level) of the rule's value v, so that it exceeds
0.5 exactly where v exceeds the level, grows with the response and never saturates: thresholds below and above 0.5
still tell responses apart, which a ROC needs.
"""

from __future__ import annotations

import numpy as np

RULES = ("std", "max", "grey")


def to_unit(image: np.ndarray) -> np.ndarray:
    """(H, W) float64 in [0, 1] of an unsigned-integer image, by the full scale of its type."""
    if image.ndim != 2 or not np.issubdtype(image.dtype, np.unsignedinteger):
        raise ValueError(f"expected an unsigned-integer image (H, W), got {image.dtype} of shape {image.shape}")
    return image.astype(np.float64) / np.iinfo(image.dtype).max


def to_score(response: np.ndarray, rule: str, level: float) -> np.ndarray:
    """(H, W) float32 score map in [0, 1), above 0.5 exactly where the rule decides for target.

    Args:
        response: (H, W) float, in units of the full grey scale; negative values count as none.
        rule: ``'std'``: mean + level standard deviations of the response. ``'max'``: level times its maximum, which
            fires on every image, target or not. ``'grey'``: level grey values of 255.
        level: Above 0, in the unit of the rule.

    Raises:
        ValueError: For an unknown rule or a level that is not positive.
    """
    if rule not in RULES or level <= 0:
        raise ValueError(f"rule must be one of {', '.join(RULES)} and level above 0, but got {rule!r}, {level}")
    response = np.maximum(response, 0.0)
    if response.max() == response.min():
        return np.zeros(response.shape, np.float32)
    if rule == "std":
        value = (response - response.mean()) / response.std()
    else:
        value = response / response.max() if rule == "max" else response * 255.0
    value = np.maximum(value, 0.0)
    score = (value / (value + level)).astype(np.float32)
    # Rounding to float32 may carry a value just above the level to exactly 0.5: decide in float64.
    above = value > level
    score[above] = np.maximum(score[above], np.nextafter(np.float32(0.5), np.float32(1)))
    score[~above] = np.minimum(score[~above], np.float32(0.5))
    return np.minimum(score, np.nextafter(np.float32(1), np.float32(0)))
