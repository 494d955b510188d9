"""IPI: the infrared patch-image model; targets are the sparse part of a matrix of overlapping patches.

Paper: Gao, Meng, Yang, Wang, Zhou, Hauptmann, "Infrared patch-image model for small target detection in a single
image", IEEE TIP 22(12), 2013. Official code: gaocq/IPI-for-small-target-detection (non-commercial, Matlab). Written
from the paper and from facts of that code (patch 50, step 10, lambda from the image's size, median, stopping rules).

Known differences: a last row and column of patches lies flush with the border, where the authors leave a strip of up
to nine pixels uncovered; the positive part of the sparse component is taken, as dark targets are not sought; the
decision rule, which their code does not have, is chosen on training images (see the config). Images smaller than a
patch are continued by reflection.

Known limit, of the authors' solver too: its first threshold equals the second singular value of what it shrinks, a tie
that rounding breaks. Where nothing sparse shows for ten iterations, the rule for a settled run can then end it with an
empty target image on one processor and not on another: of IRSTD-1k's 201 test images three differed between two
machines (XDU805 most: 0 and 26 objects; IoU 0.2811 and 0.2806), on NUAA-SIRST and NUDT-SIRST none.

To compare with: IoU 0.257 / 0.178 / 0.279 on NUAA-SIRST / NUDT-SIRST / IRSTD-1k (table of XinyiYing/BasicIRSTD); a
threshold of 0.7 times the maximum gives that NUAA figure, a lower one twice as much.
"""

from __future__ import annotations

import numpy as np

from baselines.classical.low_rank import Decomposition, accelerated_proximal_gradient, inexact_alm
from baselines.classical.response import to_score, to_unit

SOLVERS = ("apg", "ialm")


class IPI:
    """Score maps of the patch-image model.

    Args:
        patch: Side of a patch in pixels.
        step: Pixels between neighbouring patches.
        max_patches: Where an image would give more, the step is enlarged until it does not: time grows with the cube
            of their number. None for no bound, as published.
        lam: Weight of the sparse part: ``'image'`` is 1/sqrt(longer side of the image), as the authors' code has it,
            ``'patch'`` 1/sqrt(longer side of the patch matrix), or a number.
        solver: ``'apg'`` (the authors') or ``'ialm'`` (the same model, fewer iterations).
        tolerance: Of the solver; None for its published one (1e-6, 1e-7).
        rank_stop: Of ``'apg'``.
        rule: Decision rule (see ``to_score``).
        level: Of the rule.
    """

    def __init__(self, patch: int = 50, step: int = 10, max_patches: int | None = None, lam: str | float = "image",
                 solver: str = "apg", tolerance: float | None = None, rank_stop: float = 0.3, rule: str = "max",
                 level: float = 0.5) -> None:
        if solver not in SOLVERS or patch < 2 or step < 1:
            raise ValueError(f"solver must be one of {SOLVERS}, patch >= 2 and step >= 1, but got {solver!r}, "
                             f"{patch}, {step}")
        if isinstance(lam, str) and lam not in ("image", "patch"):
            raise ValueError(f"lam must be 'image', 'patch' or a number, but got {lam!r}")
        self.patch, self.step, self.max_patches, self.lam = patch, step, max_patches, lam
        self.solver, self.tolerance, self.rank_stop = solver, tolerance, rank_stop
        self.rule, self.level = rule, level

    def score(self, image: np.ndarray) -> np.ndarray:
        """(H, W) float32 score map in [0, 1] of a uint8 or uint16 image (H, W)."""
        response, _ = self.decompose(to_unit(image))
        return to_score(response, self.rule, self.level)

    def decompose(self, image: np.ndarray) -> tuple[np.ndarray, Decomposition | None]:
        """Target image (H, W), not negative, of an image in [0, 1], and the solver's report; None for a flat image."""
        shape = image.shape
        margins = [(0, max(self.patch - length, 0)) for length in shape]
        image = np.pad(image, margins, mode="symmetric")
        low, high = image.min(), image.max()
        if low == high:
            return np.zeros(shape), None
        starts = self._starts(image.shape)
        data = (to_patches(image, starts, self.patch) - low) / (high - low)
        found = self._solve(data, image.shape)
        target = from_patches(found.sparse, starts, self.patch, image.shape)
        return np.maximum(target, 0.0)[: shape[0], : shape[1]] * (high - low), found

    def _solve(self, data: np.ndarray, shape: tuple[int, int]) -> Decomposition:
        lam = {"image": 1 / np.sqrt(max(shape)), "patch": 1 / np.sqrt(max(data.shape))}.get(self.lam, self.lam)
        tolerance = {} if self.tolerance is None else {"tolerance": self.tolerance}
        if self.solver == "ialm":
            return inexact_alm(data, lam, **tolerance)
        return accelerated_proximal_gradient(data.astype(np.float32), lam, rank_stop=self.rank_stop, **tolerance)

    def _starts(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        step = self.step
        while True:
            rows, columns = (patch_starts(length, self.patch, step) for length in shape)
            if self.max_patches is None or len(rows) * len(columns) <= self.max_patches or step >= self.patch:
                return rows, columns
            step += 1


def patch_starts(length: int, patch: int, step: int) -> np.ndarray:
    """First pixels of the patches along one side: every ``step``, and one flush with the far border."""
    starts = np.arange(0, length - patch + 1, step)
    return starts if starts[-1] == length - patch else np.append(starts, length - patch)


def to_patches(image: np.ndarray, starts: tuple[np.ndarray, np.ndarray], patch: int) -> np.ndarray:
    """Patch-image (patch², N): each column one patch, flattened by rows; patches in row-major order."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (patch, patch))[np.ix_(*starts)]
    return np.ascontiguousarray(windows.reshape(-1, patch * patch).T)


def from_patches(matrix: np.ndarray, starts: tuple[np.ndarray, np.ndarray], patch: int,
                 shape: tuple[int, int]) -> np.ndarray:
    """Image (H, W) whose pixels are the medians over the patches that cover them."""
    rows, columns = starts
    patches = matrix.T.reshape(len(rows), len(columns), patch, patch)
    row_cover = [np.flatnonzero((rows <= y) & (y < rows + patch)) for y in range(shape[0])]
    column_groups = _groups(columns, patch, shape[1])
    image = np.empty(shape)
    for y, covering in enumerate(row_cover):
        for first, end, over in column_groups:
            # (rows of patches, columns of patches, pixels): the same patches cover the whole run of pixels
            values = np.stack([
                patches[covering, column, y - rows[covering], first - columns[column]:end - columns[column]]
                for column in over], axis=1)
            image[y, first:end] = np.median(values.reshape(-1, end - first), axis=0)
    return image


def _groups(starts: np.ndarray, patch: int, length: int) -> list[tuple[int, int, np.ndarray]]:
    # Runs of pixels that are covered by the same patches, with those patches.
    edges = sorted({0, length, *starts.tolist(), *(starts + patch).tolist()})
    return [(first, end, np.flatnonzero((starts <= first) & (first < starts + patch)))
            for first, end in zip(edges, edges[1:], strict=False)]
