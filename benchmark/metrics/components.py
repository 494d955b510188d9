"""8-connected components of a binary image, with exact integer areas and coordinate sums.

Sums are kept beside centroids because two centroids three pixels apart must never become two that are 2.9999…
pixels apart by rounding: ``near_pairs`` settles such cases in integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

MAX_DISTANCE = 3.0
"""In pixels of the image that is counted; centroids must be strictly closer to be paired."""
_DOUBT = 1e-6  # squared distances this close to the limit are compared exactly
_BLOCK = 1 << 20  # distances held in memory at a time


@dataclass(frozen=True)
class Components:
    """All components of one image; index i of every array is one component, in no promised order."""

    labels: np.ndarray
    """(h, w) int32 over the bounding rectangle of the foreground; ``ids[i]`` on component i, 0 on background."""
    origin: tuple[int, int]
    """Row and column of ``labels[0, 0]`` in the image."""
    width: int
    """Of the image, for ``first_pixels``."""
    ids: np.ndarray
    areas: np.ndarray
    """(n,) int64, pixels."""
    sums: np.ndarray
    """(n, 2) int64, sums of row and column indices over the pixels."""
    boxes: np.ndarray
    """(n, 4) int64, half-open bounding boxes ``row0, column0, row1, column1``."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def centroids(self) -> np.ndarray:
        """(n, 2) float64, unweighted mean row and column."""
        return self.sums / self.areas[:, None]

    def first_pixels(self, indices: np.ndarray) -> np.ndarray:
        """Raster index (row * width + column) of the first pixel of each component asked for."""
        tops = self.boxes[indices, 0]
        if not len(tops):
            return tops
        found = self.labels[tops - self.origin[0]] == self.ids[indices, None]
        return tops * self.width + found.argmax(axis=1) + self.origin[1]

    def crop(self, index: int, box: np.ndarray) -> np.ndarray:
        """(h, w) bool: component ``index`` within a half-open box that lies inside ``labels``."""
        row, column = self.origin
        return self.labels[box[0] - row:box[2] - row, box[1] - column:box[3] - column] == self.ids[index]


def find_components(mask: np.ndarray) -> Components:
    """Components of a (H, W) bool mask; none for an empty one."""
    pixels = np.ascontiguousarray(mask, dtype=bool).view(np.uint8)
    left, top, width, height = cv2.boundingRect(pixels)
    if not width:
        nothing = np.zeros(0, np.int64)
        return Components(np.zeros((0, 0), np.int32), (0, 0), mask.shape[1], nothing, nothing,
                          nothing.reshape(0, 2), nothing.reshape(0, 4))
    labels, areas, sums, boxes = label_with_sums(pixels[top:top + height, left:left + width])
    sums += areas[:, None] * np.array((top, left))
    boxes += np.array((top, left, top, left))
    return Components(labels, (top, left), mask.shape[1], np.arange(1, len(areas) + 1), areas, sums, boxes)


def label_with_sums(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels (from 1), areas, coordinate sums and boxes of a (h, w) uint8 image, in its own coordinates."""
    # Grana's algorithm skips the background when it gathers statistics: half the time on sparse images.
    _, labels, stats, centroids = cv2.connectedComponentsWithStatsWithAlgorithm(pixels, 8, cv2.CV_32S, cv2.CCL_GRANA)
    stats = stats[1:].astype(np.int64)
    areas = stats[:, cv2.CC_STAT_AREA]
    # OpenCV divides exact sums by the area; multiplying and rounding brings them back.
    sums = np.rint(centroids[1:, ::-1] * areas[:, None]).astype(np.int64)
    left, top, width, height = stats[:, :4].T
    return labels, areas, sums, np.stack((top, left, top + height, left + width), axis=1)


def near_pairs(targets: Components, predicted: Components) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pair whose centroids are closer than ``MAX_DISTANCE``: target index, prediction index, distance."""
    nothing = np.zeros(0, np.int64)
    if not len(targets) or not len(predicted):
        return nothing, nothing, np.zeros(0)
    rows, step = [], max(1, _BLOCK // len(predicted))
    for start in range(0, len(targets), step):
        part = slice(start, start + step)
        squares = squared_distances(targets.centroids[part, None], predicted.centroids)
        target, prediction = np.nonzero(squares < MAX_DISTANCE ** 2 + _DOUBT)
        rows.append((target + start, prediction, squares[target, prediction]))
    target, prediction, squares = (np.concatenate(column) for column in zip(*rows, strict=True))
    keep = closer(squares, targets.sums[target], targets.areas[target],
                  predicted.sums[prediction], predicted.areas[prediction])
    return target[keep], prediction[keep], np.sqrt(squares[keep])


def squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances over the last axis (row, column), with broadcasting."""
    return (first[..., 0] - second[..., 0]) ** 2 + (first[..., 1] - second[..., 1]) ** 2


def closer(squares: np.ndarray, sums_a: np.ndarray, areas_a: np.ndarray, sums_b: np.ndarray,
           areas_b: np.ndarray) -> np.ndarray:
    """(n,) bool: whether centroids ``sums / areas`` are strictly closer than ``MAX_DISTANCE``, exactly.

    ``squares`` (n,) are their squared distances in floating point; only those in doubt are recomputed in integers.
    """
    near = squares < MAX_DISTANCE ** 2
    for index in np.flatnonzero(np.abs(squares - MAX_DISTANCE ** 2) < _DOUBT):
        area_a, area_b = int(areas_a[index]), int(areas_b[index])
        offsets = [int(a) * area_b - int(b) * area_a for a, b in zip(sums_a[index], sums_b[index], strict=True)]
        near[index] = sum(offset ** 2 for offset in offsets) < (int(MAX_DISTANCE) * area_a * area_b) ** 2
    return near
