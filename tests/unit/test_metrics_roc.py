"""Curves: equal to counting at every threshold, and areas that are what their docstrings say."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmark.metrics import nested
from benchmark.metrics.evaluation import Evaluation
from benchmark.metrics.levels import equally_spaced, score_levels
from benchmark.metrics.roc import FA_LIMIT, RocAccumulator, area, partial_area, roc_counts
from benchmark.metrics.target import PROTOCOLS, count_image

GENERATOR_SEEDS = range(24)


def random_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A score map of one of six kinds, from white noise to plateaus, and a mask of boxes or of speckles."""
    generator = np.random.default_rng(seed)
    shape = tuple(generator.integers(1, 70, 2))
    score = generator.random(shape).astype(np.float32)
    kind = seed % 6
    if kind in (1, 4):
        score = cv2.GaussianBlur(score, (0, 0), generator.uniform(0.7, 5))
        score = (score - score.min()) / (np.ptp(score) + 1e-6)
    if kind == 2:
        score[generator.random(shape) > 0.1] = 0
    if kind in (3, 4):
        score = np.round(score * 12) / 12
    if kind == 5:
        score = score.astype(np.float64)
    mask = np.zeros(shape, bool)
    for row, column in zip(*(generator.integers(0, size, 4) for size in shape), strict=True):
        mask[row:row + generator.integers(1, 7), column:column + generator.integers(1, 7)] = True
    if seed % 5 == 0:
        mask = generator.random(shape) > 0.93
    return np.clip(score, 0, 1), mask


def assert_equals_counting(score, mask, thresholds, protocol):
    found = roc_counts(score, mask, thresholds, protocol)
    for index, threshold in enumerate(thresholds):
        one = count_image(score, mask, threshold, protocol)
        here = (found.tp[index], found.fp[index], found.paired[index], found.fa_pixels[index])
        assert here == (one.tp, one.fp, one.paired, one.fa_pixels), f"threshold {threshold}"
    assert (found.targets, found.fa_area) == (one.targets, one.fa_area)
    assert (found.positives, found.negatives) == (np.count_nonzero(mask), np.count_nonzero(~mask))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("seed", GENERATOR_SEEDS)
def test_curve_equals_counting_at_every_threshold(seed, protocol):
    score, mask = random_pair(seed)
    thresholds = equally_spaced(25) if seed % 2 else np.unique(np.random.default_rng(seed).random(15))
    assert_equals_counting(score, mask, thresholds, protocol)


@pytest.mark.parametrize("protocol", ["standard", "basicirstd"])
def test_curve_equals_counting_with_hundreds_of_thresholds_and_stacks_in_parts(protocol, monkeypatch):
    monkeypatch.setattr(nested, "_STACK_PIXELS", 5000)
    score, mask = random_pair(7)
    assert_equals_counting(score, mask, equally_spaced(300), protocol)


@pytest.mark.parametrize("protocol", ["standard", "basicirstd"])
def test_a_ring_around_a_target_is_paired_with_it_at_the_thresholds_where_it_is_whole(protocol):
    # The ring has its centroid on the target and no pixel near it, inside or outside of the search window.
    score, mask = np.zeros((101, 101), np.float32), np.zeros((101, 101), bool)
    mask[50, 50] = True
    for radius, height in ((20, 0.6), (45, 0.3), (8, 0.8)):
        ring = np.zeros_like(mask)
        ring[50 - radius:51 + radius, 50 - radius:51 + radius] = True
        ring[51 - radius:50 + radius, 51 - radius:50 + radius] = False
        score[ring] = height
        score[50 - radius, 50 - radius] = height + 0.05  # the last corner to vanish is far from the centroid
    assert_equals_counting(score, mask, equally_spaced(100), protocol)
    assert roc_counts(score, mask, np.array([0.1, 0.5, 0.7, 0.9]), protocol).paired.tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", ["empty", "full", "one pixel", "border", "checkerboard", "constant half"])
def test_curve_equals_counting_on_degenerate_maps(kind, protocol):
    score, mask = np.zeros((20, 20), np.float32), np.zeros((20, 20), bool)
    mask[8:11, 8:11] = True
    if kind == "full":
        score[:], mask[:] = 1, True
    elif kind == "one pixel":
        score[9, 9] = 1
    elif kind == "border":
        score[0], score[:, 0], mask[0, 0] = 0.7, 0.7, True
    elif kind == "checkerboard":
        score[::2, ::2], mask[:] = 0.4, np.indices((20, 20)).sum(axis=0) % 2 == 0
    elif kind == "constant half":
        score[:] = 0.5
    assert_equals_counting(score, mask, equally_spaced(10), protocol)
    assert_equals_counting(score, np.zeros_like(mask), equally_spaced(10), protocol)


@pytest.mark.parametrize("number", [1, 2, 3, 7, 10, 100, 255, 256, 999, 3000])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_levels_count_the_thresholds_below_a_score_exactly(number, dtype):
    thresholds = equally_spaced(number)
    lines = thresholds.astype(dtype)
    scores = np.concatenate([lines, np.nextafter(lines, dtype(0)), np.nextafter(lines, dtype(1)), dtype([1, 0.123])])
    expected = (scores.astype(np.float64)[:, None] > thresholds).sum(axis=1)
    np.testing.assert_array_equal(score_levels(scores[None], thresholds)[0], expected)


def test_one_hundred_thresholds_hold_one_half_exactly():
    assert equally_spaced(100)[49] == 0.5
    assert RocAccumulator().result().thresholds[0] == 0.01


def test_a_sigmoid_that_never_reaches_zero_is_not_punished_for_it():
    mask = np.zeros((64, 64), bool)
    mask[10:13, 10:13] = True
    score = np.where(mask, 0.999, 1e-6).astype(np.float32)
    curve = RocAccumulator()
    curve.add(score, mask)
    assert curve.result().target_auc == 1


def test_exact_curve_has_every_distinct_score_of_the_set_as_threshold():
    pairs = [random_pair(seed) for seed in (3, 9)]
    exact = RocAccumulator("exact")
    fixed = RocAccumulator(np.unique(np.concatenate([score.ravel() for score, _ in pairs])))
    for score, mask in pairs:
        exact.add(score, mask)
        fixed.add(score, mask)
    found, expected = exact.result(), fixed.result()
    for name in ("thresholds", "tpr", "fpr", "pd", "fa"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.target_auc == expected.target_auc


def test_too_many_distinct_scores_for_an_exact_curve_are_refused_with_advice(monkeypatch):
    monkeypatch.setattr("benchmark.metrics.roc.MAX_EXACT_THRESHOLDS", 50)
    with pytest.raises(ValueError, match="use 100"):
        RocAccumulator("exact").add(np.linspace(0, 1, 64).reshape(8, 8), np.zeros((8, 8), bool))


def test_curve_is_neither_sorted_nor_clipped_where_it_is_not_monotone():
    mask = np.zeros((256, 256), bool)
    mask[20:23, 20:23] = True
    score = np.where(mask, 0.9, 0.0)
    score[20:23, 23:33] = 0.4
    curve = RocAccumulator(10)
    curve.add(score, mask)
    found = curve.result()
    assert found.pd.tolist() == [0] * 3 + [1] * 5 + [0] * 2  # thresholds .1 to .3, .4 to .8, .9 and 1
    np.testing.assert_allclose(found.fa * 65536, [39] * 3 + [0] * 7)
    # From (0, 0) up to (0, 1), down to (39 / 65536, 0) on a straight line, then up to (1, 1).
    fa = 39 / 65536
    assert found.target_auc == pytest.approx(fa / 2 + (1 - fa) / 2)
    assert found.target_pauc == pytest.approx(1 - FA_LIMIT / fa / 2)


def test_area_subtracts_where_the_curve_steps_back():
    # By descending threshold: (0, 0) (0.4, 1) (0.2, 1) (1, 1). Going back from .4 to .2 at height 1 gives up .2.
    x, y = np.array([0.2, 0.4]), np.array([1.0, 1.0])
    assert area(x, y) == pytest.approx(0.4 / 2 - 0.2 + 0.8)
    assert partial_area(x, y, 1.0) == pytest.approx(area(x, y))
    assert partial_area(x, y, 0.3) == pytest.approx((0.3 * 0.75 / 2 - 0.1 + 0.1) / 0.3)


def test_a_perfect_detector_has_areas_of_one():
    mask = np.zeros((30, 30), bool)
    mask[4:7, 4:7] = mask[20:22, 9:12] = True
    curve = RocAccumulator(10)
    curve.add(mask.astype(np.float32), mask)
    found = curve.result()
    assert (found.pixel_auc, found.target_auc, found.target_pauc) == (1, 1, pytest.approx(1))


def test_curves_without_targets_or_images_are_undefined_and_not_zero():
    curve = RocAccumulator(5)
    assert curve.result().target_auc is None
    curve.add(np.zeros((4, 4)), np.zeros((4, 4), bool))
    found = curve.result()
    assert np.isnan(found.pd).all() and np.isnan(found.tpr).all()
    assert found.fa.tolist() == [0] * 5
    assert found.pixel_auc is found.target_auc is found.target_pauc is None


def test_contributions_of_several_processes_add_up_to_one_curve():
    pairs = [random_pair(seed) for seed in range(4)]
    whole, merged = RocAccumulator(20), RocAccumulator(20)
    for score, mask in pairs:
        whole.add(score, mask)
        merged.merge(RocAccumulator(20).contribution(score, mask))
    np.testing.assert_array_equal(whole.result().fa, merged.result().fa)
    assert whole.result().target_auc == merged.result().target_auc


@pytest.mark.parametrize("thresholds", [0, -3, "all", True, np.array([0.5, 0.5]), np.array([0.5, 0.1]),
                                        np.array([-0.1, 0.5]), np.array([0.5, 1.5]), np.zeros((2, 2)), np.array([])])
def test_thresholds_that_are_no_thresholds_are_refused(thresholds):
    with pytest.raises(ValueError, match="threshold"):
        RocAccumulator(thresholds)


def test_evaluation_gives_figures_intervals_and_lists_without_nan():
    evaluation = Evaluation(roc_thresholds=10)
    for seed in (1, 4):
        evaluation.add(str(seed), *random_pair(seed))
    summary = evaluation.summary(resamples=50)
    assert summary["iou"]["low"] <= summary["iou"]["value"] <= summary["iou"]["high"]
    assert 0 <= summary["pixel_auc"]["value"] <= 1
    assert {len(values) for values in evaluation.roc_lists().values()} == {10}
    assert [row["image_id"] for row in evaluation.rows()] == ["1", "4"]
