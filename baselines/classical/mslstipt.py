"""MSLSTIPT: multiple subspace learning on a spatial-temporal patch tensor; targets are what a dictionary cannot say.

Paper: Sun, Yang, An, "Infrared dim and small target detection via multiple subspace learning and spatial-temporal
patch-tensor model", IEEE TGRS 59(5), 2021. Official code: yangsunNUDT/MSL-STIPT (V1, patches; a09a79b) and
yangsunNUDT/MSLSTIPT-V2 (whole frames; 31e58dc), Matlab without a licence. Written from the paper and from facts of that
code: patch 100, six frames, C = 1e-4, p = 0.8 on grey levels in [0, 1], penalties, tolerances, the rule that trims the
dictionary.

Of the two versions this is V1. V2 stacks whole frames, and for one frame its dictionary has a single column. The method
is made for sequences: ``score_sequence`` takes six frames a tensor, ``score`` the patches of one image alone.

Steps: patches without overlap -> tensor -> its low-rank part (tensor robust PCA) -> dictionary D, that part's left
factors times singular values, trimmed -> data = D Z + E with few subspaces in Z and sparse E -> targets, E > 0.

Known differences: at the bottom an image is continued by its last row, where theirs repeats row 100 of the image; the
positive part of E is taken, as dark targets are not sought; frames that do not fill a group of six are joined by those
before them, where theirs reads multiples of six; one half of the frequencies is decomposed, through Gram matrices; a
constant image and an empty dictionary, on which theirs fails, are taken care of; the decision rule (theirs: above 0.7
of the maximum) is chosen on training images (see the config). All arithmetic is float64, as the first solver stops at
1e-8; any torch device that has it will do, but only the CPU has been tried.

To compare with: IoU 0.103 / 0.083 / 0.114 on NUAA-SIRST / NUDT-SIRST / IRSTD-1k (table of XinyiYing/BasicIRSTD), whose
way of running a method for sequences on single images is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from baselines.classical.response import to_score, to_unit
from baselines.classical.tensor_svd import (
    TensorParts,
    from_slices,
    largest,
    one_thread,
    shrink_slices,
    t_svd,
    tensor_rpca,
    to_slices,
)

STEEP, STEEP_OF_MEAN = 50.0, 20.0  # a drop of singular values that ends a dictionary; 20 times the mean of the others
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Separation:
    """Targets of each frame, and how the two solvers ended; these are None where nothing had to be solved."""

    targets: list[np.ndarray]
    """(H, W) float64 each, not negative."""
    learning: TensorParts | None
    coding: TensorParts | None


class MSLSTIPT:
    """Score maps of the multiple-subspace patch-tensor model.

    Args:
        patch: Side of a patch in pixels.
        frames: Frames of a sequence that share one tensor.
        weight: Of the subspaces against the sparse part (C of the paper), for grey levels in [0, 1].
        power: Of the Schatten norm, above 0 and below 1.
        tolerance: Absolute, of the second solver.
        max_iterations: Of the second solver.
        rule: Decision rule (see ``to_score``).
        level: Of the rule.
        device: Where the solvers run.
    """

    def __init__(self, patch: int = 100, frames: int = 6, weight: float = 1e-4, power: float = 0.8,
                 tolerance: float = 1e-4, max_iterations: int = 200, rule: str = "std", level: float = 15.0,
                 device: str = "cpu") -> None:
        if patch < 2 or frames < 1 or weight <= 0 or not 0 < power < 1:
            raise ValueError("patch >= 2, frames >= 1, weight > 0 and 0 < power < 1 must hold, but got "
                             f"{patch=}, {frames=}, {weight=}, {power=}")
        self.patch, self.frames, self.weight, self.power = patch, frames, weight, power
        self.tolerance, self.max_iterations = tolerance, max_iterations
        self.rule, self.level, self.device = rule, level, device

    def score(self, image: np.ndarray) -> np.ndarray:
        """(H, W) float32 score map in [0, 1] of a uint8 or uint16 image (H, W)."""
        return self.score_sequence([image])[0]

    def score_sequence(self, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Score map of each frame, in order; frames as of ``score``, all of one size.

        Raises:
            ValueError: If the sizes differ.
        """
        if len({frame.shape for frame in frames}) > 1:
            raise ValueError(f"frames must be of one size, but got {sorted({frame.shape for frame in frames})}")
        scores: list[np.ndarray] = []
        for start in range(0, len(frames), self.frames):
            end = min(start + self.frames, len(frames))
            group = [to_unit(frame) for frame in frames[max(end - self.frames, 0):end]]
            targets = self.separate(group).targets[start - end:]  # the others have been scored before
            scores += [to_score(target, self.rule, self.level) for target in targets]
        return scores

    def separate(self, frames: Sequence[np.ndarray]) -> Separation:
        """Targets of frames (H, W) in [0, 1] that share one tensor."""
        shape = frames[0].shape
        data = torch.from_numpy(to_tensor(frames, self.patch)).to(self.device)
        if data.min() == data.max():
            return Separation([np.zeros(shape) for _ in frames], None, None)
        with one_thread():
            learning, coding = self._solve(data)
        sparse = data if coding is None else coding.sparse
        targets = from_tensor(sparse.clamp_min(0.0).cpu().numpy(), len(frames), shape)
        return Separation(targets, learning, coding)

    def _solve(self, data: Tensor) -> tuple[TensorParts, TensorParts | None]:
        learning = tensor_rpca(data, lam=1 / np.sqrt(self.patch * data.shape[2]))
        left, values = learn_dictionary(learning.low_rank)
        if values.shape[1] == 0:
            return learning, None  # nothing is of low rank: all of it is sparse
        return learning, encode(data, left, values, self.weight * self.patch, self.power, self.tolerance,
                                self.max_iterations)


def to_tensor(frames: Sequence[np.ndarray], patch: int) -> np.ndarray:
    """(patch, patch, N) of frames (H, W) with N patches in all; the first axis is the tensor's third mode.

    All patches, by frame and in row-major order, stand side by side in one strip (patch, N * patch). It is cut into
    ``patch`` blocks of N neighbouring columns, and these are the matrices of the tensor: so the authors' ``reshape``
    has it, and not one matrix for each patch or column.
    """
    height, width = frames[0].shape
    margins = (0, -height % patch), (0, -width % patch)
    padded = np.stack([np.pad(frame, margins, mode="edge") for frame in frames])
    bands = padded.reshape(-1, patch, padded.shape[2])  # a row of patches each
    strip = bands.swapaxes(0, 1).reshape(patch, -1)
    return np.ascontiguousarray(strip.reshape(patch, patch, -1).swapaxes(0, 1))


def from_tensor(tensor: np.ndarray, count: int, shape: tuple[int, int]) -> list[np.ndarray]:
    """The ``count`` frames of a shape whose tensor this is."""
    patch = len(tensor)
    width = shape[1] + -shape[1] % patch
    bands = tensor.swapaxes(0, 1).reshape(patch, -1, width).swapaxes(0, 1)
    frames = bands.reshape(count, -1, width)
    return [np.ascontiguousarray(frame[: shape[0], : shape[1]]) for frame in frames]


def learn_dictionary(low_rank: Tensor) -> tuple[Tensor, Tensor]:
    """Left factors (S, rows, k) and singular values (S, k) of each slice, 0 from where the slice is cut.

    The slices of the dictionary are their product, ``left * values[:, None]``; its columns are orthogonal.
    """
    left, values, _ = t_svd(low_rank)
    ranks = [kept_rank(row, max(low_rank.shape[1:])) for row in values.cpu().numpy()]
    beyond = torch.arange(max(ranks))[None, :] >= torch.tensor(ranks)[:, None]
    values = values[:, : max(ranks)].masked_fill(beyond.to(values.device), 0.0)
    return left[:, :, : max(ranks)], values


def kept_rank(values: np.ndarray, size: int) -> int:
    """How many singular values (descending) of a slice with longer side ``size`` the dictionary keeps.

    Up to the first drop by more than ``STEEP``, or to the greatest if it is ``STEEP_OF_MEAN`` times the mean of the
    others (a mean over one too many), whichever comes first. The last drop does not count.
    """
    rank = int(np.count_nonzero(values > size * np.spacing(values[0])))
    if rank < 3:
        return rank
    drops = values[: rank - 2] / values[1: rank - 1]
    greatest = int(drops.argmax())
    others = drops.sum() - drops[greatest]
    cuts = np.flatnonzero(drops > STEEP)[:1].tolist()
    if (rank - 2) * drops[greatest] > STEEP_OF_MEAN * others:
        cuts.append(greatest)
    return min(cuts) + 1 if cuts else rank


def encode(data: Tensor, left: Tensor, values: Tensor, weight: float, power: float = 0.8, tolerance: float = 1e-4,
           max_iterations: int = 200, beta: float = 1e-4, growth: float = 1.1, cap: float = 1e8) -> TensorParts:
    """min ||Z||_(w,p) + lam ||E||_1 with data = D Z + E, by alternating directions; D Z and E are returned.

    The code Z has a twin J = Z that stands in the constraint, as in the authors' solver, whose order of steps, lam =
    1 / sqrt(n3 max(rows, columns)) and stopping rule this keeps: no entry of Z - J or data - D J - E, and no change of
    Z, J or E, exceeds ``tolerance``.

    Args:
        data: (n3, rows, columns) float64.
        left: (S, rows, k) orthonormal columns in each slice.
        values: (S, k), the lengths that make them the dictionary; 0 where it ends.
        weight: Of the Schatten norm (C times the side of a patch).
        power: Of the Schatten norm.
        tolerance: Absolute.
        max_iterations: Upper bound.
        beta: First penalty.
        growth: Its factor from one iteration to the next.
        cap: Its upper bound.
    """
    n3, lam = len(data), 1 / np.sqrt(len(data) * max(data.shape[1:]))
    dictionary = left * values[:, None, :]
    inverse = 1 / (values**2 + 1)[:, :, None]  # of D'D + I, diagonal as the columns of D are orthogonal
    adjoint = dictionary.mH * inverse
    # Z, J and their multiplier over beta stay in slices; only the sparse part needs pixels.
    code = twin = code_dual = left.new_zeros(*values.shape, data.shape[2])
    background, sparse, dual, work = (torch.zeros_like(data) for _ in range(4))
    for iteration in range(1, max_iterations + 1):
        code_before, twin_before, sparse_before = code, twin, sparse
        code = shrink_slices(twin - code_dual, lambda s: shrink_schatten(s, weight / beta, power))  # noqa: B023
        rest = torch.sub(data, background).add_(dual)
        sparse = rest.sub_(torch.clamp(rest, -lam / beta, lam / beta, out=work))
        pull = to_slices(torch.sub(data, sparse, out=work).add_(dual))
        twin = (code + code_dual).mul_(inverse).add_(adjoint @ pull)
        background = from_slices(dictionary @ twin, n3)
        gap = torch.sub(data, background, out=work).sub_(sparse)
        residual = largest(gap)
        if residual < tolerance or iteration == max_iterations:
            changes = [from_slices(change, n3) for change in (code - twin, code - code_before, twin - twin_before)]
            residual = max(residual, largest(sparse - sparse_before), *map(largest, changes))
            if residual < tolerance:
                break
        beta, beta_before = min(beta * growth, cap), beta
        code_dual = (code_dual + code).sub_(twin).mul_(beta_before / beta)
        dual.add_(gap).mul_(beta_before / beta)
    return TensorParts(background, sparse, iteration, residual, residual < tolerance)


def shrink_schatten(values: Tensor, weight: float, power: float, rounds: int = 3, steps: int = 2) -> Tensor:
    """Singular values that minimise sum w x^p + (x - value)^2 / 2 with w = weight / x^(1/p), in ``rounds`` of weights.

    For given weights each round is the generalised soft threshold (Zuo et al., ICCV 2013), solved by fixed-point
    ``steps``; weights come from the values in the first round and then from the last result.
    """
    found = values
    for _ in range(rounds):
        weights = weight / (found ** (1 / power) + EPS)
        turn = (2 * weights * (1 - power)) ** (1 / (2 - power))  # the least value that a survivor is lowered to
        threshold = turn + power * weights * turn ** (power - 1)
        point = values
        for _ in range(steps):
            point = values - power * weights * torch.maximum(point, turn) ** (power - 1)
        found = torch.where(values > threshold, point, 0.0)
    return found
