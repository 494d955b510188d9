"""Paired targets and their predicted area at every threshold at once, without labelling the frame for each.

Only a predicted component whose centroid is near a target can be paired; all others merely add their area to the
false alarms, and the total area at every threshold is a histogram. A component that can be paired is either small
and lies in a window around the target, or large. Components are nested: whatever is connected above a threshold lies
inside one component of every lower threshold. So:

* large components are followed from the lowest threshold up, each time labelling only what was large before, and
  only where something changed, until none is left that could have its centroid near a target;
* windows are cut out, stacked with a blank row between thresholds, and labelled in one call; components that reach
  the window's edge are large and are dropped there.

Both together give the exact pairs of ``count_image`` at every threshold.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from benchmark.metrics.components import MAX_DISTANCE, Components, closer, label_with_sums, squared_distances
from benchmark.metrics.matching import pair_in_order, pair_nearest
from benchmark.metrics.protocols import tie_rank

WINDOW_MARGIN = 12  # pixels around a target's bounding box; larger predicted blobs are followed as large components
_STACK_PIXELS = 1 << 21


@dataclass(frozen=True)
class _Window:
    """Where small components are sought, in image coordinates, and the rows and columns near the target's centroid."""

    target: int
    box: tuple[int, int, int, int]
    rows: tuple[int, int]
    columns: tuple[int, int]
    edges: tuple[tuple[tuple[int, int], tuple[int, int]], ...]
    """Rows and columns of the strips along those sides of the box that are not sides of the image."""


def paired_by_threshold(levels: np.ndarray, number: int, targets: Components,
                        pairing: str) -> tuple[np.ndarray, np.ndarray]:
    """Paired targets and pixels of paired predictions, each (number,) int64, at every threshold.

    Args:
        levels: (H, W) integer map of ``score_levels``; foreground at threshold k is ``levels > k``.
        number: Of thresholds.
        targets: Components of the ground truth.
        pairing: ``'nearest'`` or ``'raster'`` (see ``benchmark.metrics.matching``).
    """
    windows = [_window(targets, index, levels.shape) for index in range(len(targets))]
    edges = [_small_components(levels, window, targets) for window in windows]
    edges += _large_components(levels, windows, number, targets)
    return _pair(np.concatenate([np.zeros(0, _EDGE), *edges]), number, targets, pairing)


def _window(targets: Components, index: int, shape: tuple[int, int]) -> _Window:
    top, left, bottom, right = targets.boxes[index].tolist()
    row, column = targets.centroids[index]
    near = [(max(int(np.floor(middle - MAX_DISTANCE)), 0), int(np.ceil(middle + MAX_DISTANCE)) + 1)
            for middle in (row, column)]
    box = (max(top - WINDOW_MARGIN, 0), max(left - WINDOW_MARGIN, 0),
           min(bottom + WINDOW_MARGIN, shape[0]), min(right + WINDOW_MARGIN, shape[1]))
    top, left, bottom, right = box
    strips = ((top > 0, (top, top + 1), (left, right)), (bottom < shape[0], (bottom - 1, bottom), (left, right)),
              (left > 0, (top, bottom), (left, left + 1)), (right < shape[1], (top, bottom), (right - 1, right)))
    return _Window(index, box, *near, tuple((rows, columns) for inside, rows, columns in strips if inside))


# One row for each span of thresholds [first, end) at which a component has its centroid near a target. ``start`` is
# the raster index of the component's first pixel, which names it among all components of the same threshold.
_EDGE = np.dtype([("first", np.int64), ("end", np.int64), ("target", np.int64), ("start", np.int64),
                  ("area", np.int64), ("row_sum", np.int64), ("column_sum", np.int64), ("square", np.float64)])


def _small_components(levels: np.ndarray, window: _Window, targets: Components) -> np.ndarray:
    top, left, bottom, right = window.box
    cut = levels[top:bottom, left:right]
    steps = np.flatnonzero(np.bincount(cut.ravel(), minlength=1))
    steps = steps[steps > 0]
    height, width = cut.shape
    step, found = max(1, _STACK_PIXELS // ((height + 1) * width)), [np.zeros(0, _EDGE)]
    begins = np.concatenate(([0], steps[:-1]))
    for start in range(0, len(steps), step):
        ends = steps[start:start + step]
        stack = np.zeros((len(ends), height + 1, width), np.uint8)
        np.greater_equal(cut, ends.astype(cut.dtype)[:, None, None], out=stack[:, :height].view(bool))
        labels, areas, sums, boxes = label_with_sums(stack.reshape(-1, width))
        band = boxes[:, 0] // (height + 1)
        sums[:, 0] -= band * (height + 1) * areas
        sums += areas[:, None] * np.array((top, left))
        low, high = boxes[:, 0] - band * (height + 1), boxes[:, 2] - band * (height + 1)
        whole = np.ones(len(areas), bool)
        for open_side, reaches in ((top > 0, low == 0), (left > 0, boxes[:, 1] == 0),
                                   (bottom < levels.shape[0], high == height),
                                   (right < levels.shape[1], boxes[:, 3] == width)):
            if open_side:
                whole &= ~reaches
        kept, squares = _near(window.target, targets, sums, areas, whole)
        first_rows = boxes[kept, 0]
        first_columns = (labels[first_rows] == (kept + 1)[:, None]).argmax(axis=1)
        raster = (low[kept] + top) * levels.shape[1] + first_columns + left
        found.append(_edges(begins[start:start + step][band[kept]], ends[band[kept]], window.target, raster,
                            areas[kept], sums[kept], squares))
    return np.concatenate(found)


def _large_components(levels: np.ndarray, windows: list[_Window], number: int, targets: Components) -> list[np.ndarray]:
    found, origin, threshold, image_width = [], (0, 0), 0, levels.shape[1]
    while windows and threshold < number:
        pixels = (levels > threshold).view(np.uint8)
        left, top, width, height = cv2.boundingRect(pixels)
        if not width:
            break
        pixels, levels = pixels[top:top + height, left:left + width], levels[top:top + height, left:left + width]
        origin = (origin[0] + top, origin[1] + left)
        count, labels = cv2.connectedComponents(pixels, connectivity=8, ltype=cv2.CV_32S)
        large = {window.target: _large_near(labels, count, origin, window) for window in windows}
        windows = [window for window in windows if len(large[window.target])]
        if not windows:
            break
        shapes = {label: (labels == label).view(np.uint8)
                  for label in sorted(set(np.concatenate(list(large.values())).tolist()))}
        kept = functools.reduce(np.bitwise_or, shapes.values())
        # Nothing changes until the threshold reaches the lowest level inside what is kept.
        following = int(cv2.minMaxLoc(levels, kept)[0])
        for label, shape in shapes.items():
            near = [window.target for window in windows if label in large[window.target]]
            found += _large_edges(shape, near, (threshold, following), origin, image_width, targets)
        levels = cv2.bitwise_and(levels, levels, mask=kept)
        threshold = following
    return found


def _large_near(labels: np.ndarray, count: int, origin: tuple[int, int], window: _Window) -> np.ndarray:
    """Labels of components that could have their centroid near the target and are not whole inside its window.

    A centroid lies in its component's bounding box, and a connected component has pixels in every row and every
    column of that box: it crosses both the rows and the columns that are near the target's centroid.
    """
    def present(rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
        flags = np.zeros(count, bool)
        flags[labels[max(rows[0] - origin[0], 0):max(rows[1] - origin[0], 0),
                     max(columns[0] - origin[1], 0):max(columns[1] - origin[1], 0)]] = True
        return flags

    far = 1 << 30
    crossing = present(window.rows, (0, far)) & present((0, far), window.columns)
    crossing[0] = False
    if not crossing.any():
        return np.zeros(0, np.int64)
    top, left, bottom, right = window.box
    inside = present((top, bottom), (left, right))
    # Touching the window's edge counts as large here and as not whole there, so no component is taken twice or lost.
    for rows, columns in window.edges:
        inside &= ~present(rows, columns)
    return np.flatnonzero(crossing & ~inside)


def _large_edges(shape: np.ndarray, near: list[int], span: tuple[int, int], origin: tuple[int, int],
                 image_width: int, targets: Components) -> list[np.ndarray]:
    per_row = cv2.reduce(shape, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel().astype(np.int64)
    per_column = cv2.reduce(shape, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel().astype(np.int64)
    area = per_row.sum(keepdims=True)
    sums = np.array([[per_row @ np.arange(len(per_row)), per_column @ np.arange(len(per_column))]])
    sums += area * np.array(origin)
    found = []
    for target in near:
        kept, squares = _near(target, targets, sums, area, np.ones(1, bool))
        if len(kept):
            row, column = divmod(int(shape.argmax()), shape.shape[1])
            start = np.array([(row + origin[0]) * image_width + column + origin[1]])
            found.append(_edges(np.array(span[:1]), np.array(span[1:]), target, start, area, sums, squares))
    return found


def _near(target: int, targets: Components, sums: np.ndarray, areas: np.ndarray,
          candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the candidates whose centroid is near the target's, and their squared distances."""
    squares = squared_distances(targets.centroids[target], sums / areas[:, None])
    indices = np.flatnonzero(candidates & (squares < (MAX_DISTANCE + 1) ** 2))
    if not len(indices):
        return indices, squares[indices]
    squares, same = squares[indices], np.full(len(indices), target)
    close = closer(squares, targets.sums[same], targets.areas[same], sums[indices], areas[indices])
    return indices[close], squares[close]


def _edges(first: np.ndarray, end: np.ndarray, target: int, start: np.ndarray, areas: np.ndarray, sums: np.ndarray,
           squares: np.ndarray) -> np.ndarray:
    edges = np.zeros(len(first), _EDGE)
    edges["first"], edges["end"], edges["target"], edges["start"] = first, end, target, start
    edges["area"], edges["row_sum"], edges["column_sum"], edges["square"] = areas, sums[:, 0], sums[:, 1], squares
    return edges


def _pair(edges: np.ndarray, number: int, targets: Components, pairing: str) -> tuple[np.ndarray, np.ndarray]:
    """Pairs and their predicted area at every threshold, from edges that hold over spans of thresholds."""
    spans = np.minimum(edges["end"], number) - edges["first"]
    edges = np.repeat(edges, spans)
    threshold = np.arange(len(edges)) - np.repeat(np.cumsum(spans) - spans, spans) + edges["first"]
    order = np.lexsort((edges["start"], threshold))
    edges, threshold = edges[order], threshold[order]
    # A target or a prediction that occurs twice at one threshold is a choice; without one every edge is a pair.
    contested = np.zeros(number, bool)
    for names in (edges["target"], edges["start"]):
        code = np.sort(threshold * (int(names.max(initial=0)) + 1) + names)
        contested[code[1:][np.diff(code) == 0] // (int(names.max(initial=0)) + 1)] = True
    plain = ~contested[threshold]
    paired = np.bincount(threshold[plain], minlength=number)
    area = np.zeros(number, np.int64)
    np.add.at(area, threshold[plain], edges["area"][plain])
    raster = np.argsort(np.argsort(targets.first_pixels(np.arange(len(targets)))))
    bounds = np.searchsorted(threshold, np.arange(number + 1))
    for k in np.flatnonzero(contested):
        here = edges[bounds[k]:bounds[k + 1]]
        chosen = here[_choose(here, raster, pairing)]
        paired[k], area[k] = len(chosen), chosen["area"].sum()
    return paired, area


def _choose(edges: np.ndarray, raster: np.ndarray, pairing: str) -> np.ndarray:
    if pairing == "raster":
        return pair_in_order(raster[edges["target"]], edges["start"])
    _, one, index = np.unique(edges["start"], return_index=True, return_inverse=True)
    preference = tie_rank(edges["area"][one], np.stack((edges["row_sum"][one], edges["column_sum"][one]), axis=1))
    return pair_nearest(edges["target"], edges["start"], np.sqrt(edges["square"]), preference[index])
