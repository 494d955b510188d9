"""IPI against the textbook loop: the same solver and settings, once with a full singular value decomposition a step."""

from __future__ import annotations

import numpy as np

from baselines.classical.ipi import patch_starts, to_patches
from baselines.classical.low_rank import Decomposition, accelerated_proximal_gradient, inexact_alm
from benchmark.timing.comparison import Comparison, compare

SIDE, PATCH, STEP = 256, 50, 10


def comparisons(rounds: int) -> list[Comparison]:
    """Both solvers on one 256×256 image; ``note`` tells how far the two results are apart."""
    data = to_patches(example_image(), (patch_starts(SIDE, PATCH, STEP),) * 2, PATCH)
    lam = 1 / np.sqrt(SIDE)
    found = []
    for name, solve, dtype in (("IPI, APG", accelerated_proximal_gradient, np.float32),
                               ("IPI, inexact ALM", inexact_alm, np.float64)):
        ours, textbook = solve(data.astype(dtype), lam), solve(data, lam, shrink=shrink_by_full_svd)
        note = (f"{data.shape[0]}x{data.shape[1]}, {ours.iterations} and {textbook.iterations} iterations; relative "
                f"difference of low-rank part {_apart(ours, textbook, 'low_rank'):.1e}, of sparse part "
                f"{_apart(ours, textbook, 'sparse'):.1e}")
        found.append(compare(name, ("warm-started subspace", lambda: solve(data.astype(dtype), lam)),  # noqa: B023
                             ("full SVD", lambda: solve(data, lam, shrink=shrink_by_full_svd)),  # noqa: B023
                             rounds=rounds, note=note))
    return found


def shrink_by_full_svd(matrix: np.ndarray, amount: float) -> tuple[np.ndarray, int]:
    """Singular value shrinking as textbooks write it: decompose, shrink, multiply."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values = np.maximum(values - amount, 0.0)
    return (left * values) @ right, int(np.count_nonzero(values))


def example_image() -> np.ndarray:
    """(256, 256) float64 in [0, 1]: clouds with a 1/f spectrum, noise and three small targets; always the same."""
    generator = np.random.default_rng(7)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    frequency[0, 0] = np.inf
    spectrum = np.fft.fft2(generator.standard_normal((SIDE, SIDE))) / frequency**1.5
    clouds = np.fft.ifft2(spectrum).real
    image = 0.4 + 0.12 * clouds / clouds.std() + 0.01 * generator.standard_normal((SIDE, SIDE))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for row, column in ((60, 70), (150, 200), (220, 40)):
        image += 0.4 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 1.5**2))
    return image.clip(0, 1)


def _apart(ours: Decomposition, theirs: Decomposition, part: str) -> float:
    first, second = getattr(ours, part), getattr(theirs, part)
    return float(np.linalg.norm(first - second) / np.linalg.norm(second))
