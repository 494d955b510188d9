"""Bootstrap intervals: deterministic, around the point, of the right width, and honest about the undefined."""

from __future__ import annotations

import time

import numpy as np
import pytest

from benchmark.metrics.bootstrap import bootstrap_intervals, holm, paired_bootstrap
from benchmark.metrics.summary import COUNTS, RATIOS, summarise
from benchmark.metrics.target import ImageCounts


def image(index: int, paired: int, targets: int = 1, tp: int = 5, fp: int = 2, fn: int = 3) -> ImageCounts:
    return ImageCounts(image_id=str(index), protocol="standard", pixels=10_000, tp=tp, fp=fp, fn=fn, targets=targets,
                       paired=paired, predicted=targets, fa_pixels=7 * (targets - paired), fa_area=10_000,
                       fa_components=targets - paired, pair_iou_sum=0.5 * paired)


def random_set(number: int, seed: int, rate: float = 0.8) -> list[ImageCounts]:
    generator = np.random.default_rng(seed)
    return [image(index, int(generator.random() < rate), tp=int(generator.integers(1, 40)),
                  fp=int(generator.integers(0, 9)), fn=int(generator.integers(0, 9))) for index in range(number)]


def test_intervals_hold_the_figures_and_repeat_with_the_seed():
    counts = random_set(60, seed=1)
    figures, intervals = summarise(counts), bootstrap_intervals(counts, seed=3)
    assert intervals == bootstrap_intervals(counts, seed=3)
    assert intervals != bootstrap_intervals(counts, seed=4)
    assert set(intervals) == set(figures)
    for name in RATIOS:
        low, high = intervals[name]
        assert low <= figures[name] <= high
        assert low < high
    assert all(intervals[name] is None for name in COUNTS)


def test_a_wider_level_gives_a_wider_interval():
    counts = random_set(60, seed=1)
    narrow, wide = (bootstrap_intervals(counts, level=level)["iou"] for level in (0.5, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_interval_of_a_rate_has_the_width_of_the_binomial():
    # 400 images with one target each, 320 found: the normal approximation gives 0.8 -+ 1.96 * 0.02.
    counts = [image(index, int(index < 320)) for index in range(400)]
    low, high = bootstrap_intervals(counts)["pd"]
    assert low == pytest.approx(0.8 - 1.96 * 0.02, abs=0.006)
    assert high == pytest.approx(0.8 + 1.96 * 0.02, abs=0.006)


def test_intervals_cover_the_true_rate_about_as_often_as_they_say():
    covered = 0
    for seed in range(200):
        found = np.random.default_rng(seed).random(100) < 0.7
        low, high = bootstrap_intervals([image(index, int(hit)) for index, hit in enumerate(found)], 400, seed)["pd"]
        covered += low <= 0.7 <= high
    assert 175 <= covered <= 199  # 190 expected, and the percentile bootstrap falls a little short


def test_undefined_figures_few_images_and_no_resamples_have_no_interval():
    empty = [image(index, 0, targets=0, tp=0, fp=0, fn=0) for index in range(5)]
    intervals = bootstrap_intervals(empty)
    assert intervals["pd"] is intervals["iou"] is None
    assert intervals["niou"] == (1, 1)
    assert set(bootstrap_intervals(random_set(1, 0)).values()) == {None}
    assert set(bootstrap_intervals([]).values()) == {None}
    assert set(bootstrap_intervals(random_set(9, 0), resamples=0).values()) == {None}


def test_resamples_without_a_target_are_left_out_of_the_interval():
    counts = [image(0, 1), *(image(index, 0, targets=0) for index in range(1, 4))]
    assert bootstrap_intervals(counts)["pd"] == (1, 1)


def test_two_thousand_resamples_of_664_images_take_a_fraction_of_a_second():
    counts = random_set(664, seed=0)
    bootstrap_intervals(counts, resamples=10)
    start = time.perf_counter()
    bootstrap_intervals(counts)
    assert time.perf_counter() - start < 1.0  # 0.05 s measured; the rest is for a busy machine


def test_paired_difference_of_a_set_with_itself_is_nothing():
    counts = random_set(50, seed=2)
    found = paired_bootstrap(counts, counts, "iou")
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_a_clear_difference_is_significant_and_a_small_one_is_not():
    better = [image(index, int(index % 10 != 0)) for index in range(200)]
    worse = [image(index, int(index % 10 > 3)) for index in range(200)]
    found = paired_bootstrap(better, worse, "pd")
    assert found.difference == pytest.approx(0.3)
    assert found.low > 0.2 and found.p_value < 0.01
    swapped = paired_bootstrap(worse, better, "pd")
    assert (swapped.difference, swapped.low) == (-found.difference, pytest.approx(-found.high))
    nearly = [image(index, int(index % 10 != 0 and index != 1)) for index in range(200)]
    assert paired_bootstrap(better, nearly, "pd").p_value > 0.3


def test_pairing_removes_the_spread_that_both_sides_share():
    first = random_set(80, seed=5, rate=0.5)
    second = [image(index, counts.paired) for index, counts in enumerate(first)]
    assert paired_bootstrap(first, second, "pd").high == 0
    assert bootstrap_intervals(first)["pd"][1] - bootstrap_intervals(first)["pd"][0] > 0.1


def test_paired_comparison_needs_the_same_images_in_the_same_order():
    counts = random_set(5, seed=0)
    with pytest.raises(ValueError, match="same images in the same order"):
        paired_bootstrap(counts, counts[::-1], "iou")
    with pytest.raises(ValueError, match="unknown metric 'targets'"):
        paired_bootstrap(counts, counts, "targets")


def test_a_difference_of_an_undefined_figure_is_undefined():
    empty = [image(index, 0, targets=0, tp=0, fp=0, fn=0) for index in range(3)]
    assert paired_bootstrap(empty, empty, "pd").difference is None


@pytest.mark.parametrize(("resamples", "level"), [(-1, 0.95), (10, 0.0), (10, 1.0)])
def test_impossible_settings_are_refused(resamples, level):
    with pytest.raises(ValueError, match="resamples"):
        bootstrap_intervals(random_set(3, 0), resamples, 0, level)


def test_holm_by_hand():
    # 0.01·3 = 0.03; 0.03·2 = 0.06; 0.04·1 is lifted to what came before; an undefined one is not counted
    assert holm([0.04, 0.01, None, 0.03]) == pytest.approx([0.06, 0.03, None, 0.06], nan_ok=True)
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []
