"""Top-Hat: the new top-hat transformation, a filter that compares each pixel with a ring around it.

Paper: Bai and Zhou, "Analysis of new top-hat transformation and the application for infrared dim small target
detection", Pattern Recognition 43(6), 2010. No official code; written from the definition of the operator.

The image is dilated with a ring (the surroundings without the centre), then eroded with a full element of a size
between the ring's two radii; what exceeds the result is the response. Sizes and decision rule are not given in a form
that could be checked: ours are chosen on training images (see the config), as published tables of this method
(IoU 0.07 on NUAA-SIRST) behave like a small classical top-hat with a very low threshold.

Known differences: square elements; beyond the border the image continues with its nearest pixel.
"""

from __future__ import annotations

import cv2
import numpy as np

from baselines.classical.response import to_score, to_unit


class TopHat:
    """Score maps of the new top-hat transformation.

    Args:
        outer: Half side of the ring's outer square; the square is ``2 * outer + 1`` wide.
        inner: Half side of the hole; below ``outer``. Targets wider than the hole vanish.
        box: Side of the eroding square, odd.
        rule: Decision rule (see ``to_score``).
        level: Of the rule.
    """

    def __init__(self, outer: int = 11, inner: int = 10, box: int = 21, rule: str = "std", level: float = 18.0) -> None:
        if not 0 <= inner < outer or box < 1 or box % 2 == 0:
            raise ValueError(f"0 <= inner < outer and an odd box must hold, but got {inner=}, {outer=}, {box=}")
        self.outer, self.inner, self.box, self.rule, self.level = outer, inner, box, rule, level

    def score(self, image: np.ndarray) -> np.ndarray:
        """(H, W) float32 score map in [0, 1] of a uint8 or uint16 image (H, W)."""
        return to_score(self.response(to_unit(image)), self.rule, self.level)

    def response(self, image: np.ndarray) -> np.ndarray:
        """(H, W) float64, not negative: by how much each pixel exceeds its surroundings."""
        margin = self.outer + self.box // 2
        padded = cv2.copyMakeBorder(image, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
        background = cv2.erode(ring_maximum(padded, self.outer, self.inner), np.ones((self.box, self.box), np.uint8))
        return np.maximum(padded - background, 0.0)[margin:-margin, margin:-margin]


def ring_maximum(image: np.ndarray, outer: int, inner: int) -> np.ndarray:
    """Maximum over the square ring with half sides ``outer`` and ``inner``, the hole excluded; (H, W) like ``image``.

    A square ring is two horizontal and two vertical bars, and a bar's maximum is that of a row of pixels widened: far
    cheaper than testing each pixel of the ring. Outside the image lies minus infinity.
    """
    side, width = 2 * outer + 1, outer - inner
    # A bar whose middle lies outside the image may still reach into it.
    image = cv2.copyMakeBorder(image, width, width, width, width, cv2.BORDER_CONSTANT, value=-np.inf)
    result = np.full_like(image, -np.inf)
    for first in (-outer, inner + 1):  # of the bar's rows, or columns, counted from the ring's centre
        shift = first + width // 2  # from the ring's centre to the anchor of the bar
        across = _dilate(image, (width, side))
        along = _dilate(image, (side, width))
        result = np.maximum(result, np.maximum(_moved(across, (shift, 0)), _moved(along, (0, shift))))
    return result[width:-width, width:-width]


def _dilate(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rows, columns = size
    return cv2.dilate(image, np.ones(size, np.uint8), anchor=(columns // 2, rows // 2),
                      borderType=cv2.BORDER_CONSTANT, borderValue=-np.inf)


def _moved(image: np.ndarray, shift: tuple[int, int]) -> np.ndarray:
    # result[p] = image[p + shift], minus infinity outside
    result = np.full_like(image, -np.inf)
    (dy, dx), (height, width) = shift, image.shape
    if abs(dy) < height and abs(dx) < width:
        result[max(-dy, 0):height - max(dy, 0), max(-dx, 0):width - max(dx, 0)] = \
            image[max(dy, 0):height - max(-dy, 0), max(dx, 0):width - max(-dx, 0)]
    return result
