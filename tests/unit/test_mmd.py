"""Maximum mean discrepancy (Eq. 8) against a plain float64 double loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models.sr_clip.mmd import BANDWIDTHS, mmd


def samples(count, seed, shift=0.0):
    return torch.randn(count, 12, generator=torch.Generator().manual_seed(seed)) + shift


def by_double_loop(first, second):
    first, second = first.double().numpy(), second.double().numpy()
    both = np.concatenate([first, second])
    distances = sorted(((both[i] - both[j]) ** 2).sum() for i in range(len(both)) for j in range(i))
    scale = distances[(len(distances) - 1) // 2]  # torch's median is the lower of the two middle ones

    def kernel(x, y):
        return sum(math.exp(-((x - y) ** 2).sum() / (factor * scale)) for factor in BANDWIDTHS)

    def mean(left, right):
        return sum(kernel(x, y) for x in left for y in right) / (len(left) * len(right))

    return mean(first, first) - 2 * mean(first, second) + mean(second, second)


@pytest.mark.parametrize(("n", "m", "shift"), [(5, 7, 0.0), (9, 4, 0.5), (1, 6, 2.0), (12, 12, 5.0)])
def test_it_equals_a_float64_double_loop(n, m, shift):
    first, second = samples(n, 0), samples(m, 1, shift)
    assert mmd(first, second).item() == pytest.approx(by_double_loop(first, second), abs=1e-5)


def test_equal_sets_are_at_distance_zero():
    first = samples(8, 0)
    assert mmd(first, first.clone()).item() == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_it_is_never_negative(seed):
    assert mmd(samples(6, seed), samples(5, seed + 100)).item() >= 0


def test_it_is_symmetric():
    first, second = samples(6, 0), samples(9, 1, 1.0)
    assert mmd(first, second).item() == pytest.approx(mmd(second, first).item(), abs=1e-6)


def test_it_grows_as_the_sets_move_apart():
    first = samples(30, 0)
    distances = [mmd(first, samples(30, 1, shift)).item() for shift in (0.0, 0.5, 1.0, 2.0)]
    assert distances == sorted(distances)


def test_minimising_it_brings_the_sets_together():
    first, second = samples(20, 0), samples(20, 1, 3.0).requires_grad_()
    optimizer = torch.optim.Adam([second], lr=0.1)
    before = mmd(first, second).item()
    for _ in range(60):
        optimizer.zero_grad()
        mmd(first, second).backward()
        optimizer.step()
    assert mmd(first, second).item() < 0.1 * before
    assert (second.mean(0) - first.mean(0)).abs().max() < 0.7


def test_identical_points_everywhere_give_zero_and_a_finite_gradient():
    point = torch.ones(4, 12, requires_grad=True)
    value = mmd(point, torch.ones(3, 12))
    value.backward()
    assert value.item() == 0.0 and torch.isfinite(point.grad).all()
