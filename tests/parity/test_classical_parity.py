"""Our fast paths against the plain definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import grey_dilation

from baselines.classical.low_rank import accelerated_proximal_gradient
from baselines.classical.top_hat import ring_maximum
from benchmark.timing.ipi import example_image, patch_starts, shrink_by_full_svd, to_patches


@pytest.mark.parametrize(("outer", "inner"), [(11, 10), (9, 4), (5, 2), (6, 4), (3, 0), (4, 0), (1, 0)])
@pytest.mark.parametrize("shape", [(50, 61), (7, 5)])
def test_ring_maximum_equals_the_maximum_over_every_pixel_of_the_ring(outer, inner, shape):
    image = np.random.default_rng(outer).random(shape)
    ring = np.ones((2 * outer + 1,) * 2, bool)
    ring[outer - inner:outer + inner + 1, outer - inner:outer + inner + 1] = False
    padded = np.pad(image, outer, constant_values=-np.inf)
    expected = grey_dilation(padded, footprint=ring, mode="constant", cval=-np.inf)[outer:-outer, outer:-outer]
    assert np.array_equal(ring_maximum(image, outer, inner), expected)


def test_ipi_equals_the_textbook_loop_with_a_full_decomposition_to_a_thousandth():
    side = 128
    data = to_patches(example_image()[:side, :side], (patch_starts(side, 50, 10),) * 2, 50)
    lam = 1 / np.sqrt(side)
    ours = accelerated_proximal_gradient(data.astype(np.float32), lam)
    textbook = accelerated_proximal_gradient(data, lam, shrink=shrink_by_full_svd)
    assert ours.iterations == textbook.iterations
    for part in ("low_rank", "sparse"):
        first, second = getattr(ours, part), getattr(textbook, part)
        assert np.linalg.norm(first - second) / np.linalg.norm(second) < 1e-3
