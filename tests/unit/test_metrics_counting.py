"""Counting one image: masks small enough to count by eye, bad input, and what undefined means."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmark.metrics.components import closer, find_components, near_pairs
from benchmark.metrics.matching import pair_in_order, pair_nearest
from benchmark.metrics.summary import RATIOS, summarise, undefined_reasons
from benchmark.metrics.target import PROTOCOLS, ImageCounts, count_image, float_at_most

EMPTY = np.zeros((5, 5), bool)
DOT = np.eye(5, dtype=bool) & (np.arange(5) == 2)  # one pixel in the middle


def image(score: np.ndarray, mask: np.ndarray, protocol: str = "standard") -> ImageCounts:
    return count_image(score.astype(np.float32), mask, protocol=protocol)


def test_counts_of_a_mask_small_enough_to_count_by_eye():
    mask = np.array([[1, 1, 0, 0, 0, 0],
                     [1, 1, 0, 0, 0, 1],
                     [0, 0, 0, 0, 0, 0]], bool)
    prediction = np.array([[1, 1, 1, 0, 0, 0],
                           [0, 0, 0, 0, 0, 0],
                           [0, 0, 0, 0, 0, 0]], bool)
    found = image(prediction, mask)
    assert (found.tp, found.fp, found.fn, found.pixels) == (2, 1, 3, 18)
    assert (found.targets, found.predicted, found.paired, found.fa_pixels) == (2, 1, 1, 0)
    assert found.pair_iou_sum == pytest.approx(2 / 5)  # 2 shared pixels of 4 + 3 - 2


def test_components_report_centroid_area_and_first_pixel():
    mask = np.array([[0, 0, 0, 1],
                     [0, 1, 1, 0],
                     [0, 0, 0, 0],
                     [1, 0, 0, 0]], bool)
    found = find_components(mask)
    order = np.argsort(found.areas)
    assert found.areas[order].tolist() == [1, 3]  # diagonal neighbours are connected
    np.testing.assert_allclose(found.centroids[order], [[3, 0], [2 / 3, 2]])
    assert found.boxes[order].tolist() == [[3, 0, 4, 1], [0, 1, 2, 4]]
    assert found.first_pixels(order).tolist() == [12, 3]


def test_two_centroids_exactly_three_pixels_apart_are_not_near_whatever_the_rounding():
    # Centroid columns are thirds and sevenths that no binary fraction holds; all offsets are exactly 3 rows.
    for area in (3, 7, 11, 13):
        sums = np.array([[5 * area, 7 * area + 1]])
        other = np.array([[8 * area, 7 * area + 1]])
        for wrong in (9.0, np.nextafter(9.0, 0), np.nextafter(9.0, 10)):
            areas = np.array([area])
            assert not closer(np.array([wrong]), sums, areas, other, areas)[0]
            other_near = other - [[1, 0]]
            assert closer(np.array([wrong]), sums, areas, other_near, areas)[0]


def test_most_pairs_come_before_least_distance():
    # Target 0 is nearest to prediction 0, which is the only choice of target 1.
    chosen = pair_nearest(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0.1, 2.9, 2.9]), np.array([0, 1, 0]))
    assert chosen.tolist() == [1, 2]


def test_among_equally_many_pairs_the_least_total_distance_wins():
    target, prediction = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert pair_nearest(target, prediction, np.array([1.0, 2.0, 2.0, 2.5]), prediction).tolist() == [0, 3]
    assert pair_nearest(target, prediction, np.array([1.0, 1.2, 1.1, 2.5]), prediction).tolist() == [1, 2]


def test_a_tie_of_distances_is_settled_for_the_larger_prediction():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    prediction = np.zeros((9, 9), bool)
    prediction[4, 2] = True  # both centroids are 2 px away
    prediction[3:6, 6] = True
    for turned in (lambda array: array, np.fliplr, np.flipud, np.transpose):
        found = image(turned(prediction), turned(mask))
        assert (found.paired, found.fa_pixels) == (1, 1)


def test_greedy_pairing_lets_a_target_take_the_only_choice_of_the_next():
    assert pair_in_order(np.array([0, 0, 1]), np.array([0, 1, 0])).tolist() == [0]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nearest_pairing_equals_the_best_of_all_pairings(data):
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    linked = data.draw(hnp.arrays(bool, shape))
    lengths = data.draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 2900))) / 1000
    target, prediction = np.nonzero(linked)
    chosen = pair_nearest(target, prediction, lengths[linked], prediction)
    assert len(set(target[chosen])) == len(set(prediction[chosen])) == len(chosen)
    best = max(_all_pairings(list(zip(target.tolist(), prediction.tolist(), strict=True)), lengths))
    assert len(chosen) == best[0]
    assert lengths[linked][chosen].sum() == pytest.approx(-best[1])


def _all_pairings(edges, lengths):
    if not edges:
        return [(0, 0.0)]
    (one, other), rest = edges[0], edges[1:]
    free = [edge for edge in rest if edge[0] != one and edge[1] != other]
    taken = [(size + 1, total - lengths[one, other]) for size, total in _all_pairings(free, lengths)]
    return taken + _all_pairings(rest, lengths)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(bool, (12, 12)), hnp.arrays(bool, (12, 12)), st.sampled_from(["standard", "opdc", "shooting"]))
def test_order_free_protocols_do_not_change_when_the_image_is_turned(prediction, mask, protocol):
    figures = {(found.paired, found.fa_pixels) for found in (
        image(turned(prediction), turned(mask), protocol) for turned in (np.asarray, np.rot90, np.fliplr, np.transpose)
    )}
    assert len(figures) == 1


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(bool, (10, 10)), hnp.arrays(bool, (10, 10)), st.sampled_from(sorted(PROTOCOLS)))
def test_counts_are_consistent_under_every_protocol(prediction, mask, protocol):
    found = image(prediction, mask, protocol)
    assert found.tp + found.fp == np.count_nonzero(prediction)
    assert found.tp + found.fn == np.count_nonzero(mask)
    assert 0 <= found.paired <= found.targets
    assert 0 <= found.fa_pixels <= found.tp + found.fp
    assert 0 <= found.fa_components <= found.predicted
    assert ImageCounts.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    figures = summarise([found])
    assert all(value is None or value >= 0 for value in figures.values())
    assert all(figures[name] is None or figures[name] <= 1 for name in set(RATIOS) - {
        "fa", "fa_components", "fa_pixel_strict"})
    assert figures["fa_pixel_strict"] == pytest.approx(1e6 * found.fa_pixels_strict / 100)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_perfect_prediction_is_perfect_under_every_protocol(protocol):
    mask = np.kron(np.eye(4, dtype=int)[[0, 2, 1, 3]], np.pad(np.ones((2, 2), int), 3)).astype(bool)
    found = summarise([image(mask, mask, protocol)])
    assert (found["iou"], found["niou"], found["pd"], found["fa"]) == (1, 1, 1, 0)


def test_empty_prediction_on_empty_image_counts_as_perfect_in_niou():
    found = summarise([image(EMPTY, EMPTY), image(EMPTY, DOT)])
    assert found["niou"] == 0.5
    assert found["niou_targets"] == 0
    assert found["iou"] == 0


@pytest.mark.parametrize(("score", "mask", "undefined"), [
    (EMPTY, EMPTY, {"iou", "niou_targets", "precision", "recall", "f1", "pd", "hiou"}),
    (DOT, EMPTY, {"niou_targets", "recall", "pd"}),
    (EMPTY, DOT, {"precision"}),
    (DOT, DOT, set()),
])
def test_what_is_undefined_is_none_and_has_a_reason(score, mask, undefined):
    counts = [image(score, mask)]
    figures = summarise(counts)
    assert {name for name, value in figures.items() if value is None} == undefined
    reasons = undefined_reasons(counts)
    assert set(reasons) == undefined
    assert all(reasons.values())
    assert (figures["targets"], figures["images"]) == (int(mask.any()), 1)


def test_a_prediction_without_a_target_is_a_false_alarm_and_not_a_perfect_score():
    found = summarise([image(DOT, EMPTY)])
    assert (found["iou"], found["niou"], found["precision"], found["f1"], found["hiou"]) == (0, 0, 0, 0, 0)
    assert found["fa"] == found["fa_pixel_strict"] == found["fa_components"] == 1e6 / 25


def test_a_set_without_images_has_no_figures():
    figures = summarise([])
    assert (figures.pop("targets"), figures.pop("images")) == (0, 0)
    assert set(figures.values()) == {None}
    assert set(undefined_reasons([])) == set(RATIOS)


def test_overlap_false_alarm_leaves_images_without_targets_out():
    counts = [image(DOT, EMPTY, "overlap")]
    assert summarise(counts)["fa"] is None
    assert "target" in undefined_reasons(counts)["fa"]


def test_counts_of_different_protocols_are_not_mixed():
    with pytest.raises(ValueError, match="different protocols"):
        summarise([image(DOT, DOT), image(DOT, DOT, "dnanet")])


def test_a_score_equal_to_the_threshold_is_background():
    assert count_image(np.full((3, 3), 0.5), np.ones((3, 3), bool)).tp == 0
    assert count_image(np.full((3, 3), np.nextafter(0.5, 1)), np.ones((3, 3), bool)).tp == 9


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_thresholds_are_compared_exactly_in_every_precision(dtype):
    scores = np.unique(np.concatenate([np.nextafter(dtype(value), dtype([0, 1])) for value in np.arange(1, 100) / 100]))
    for threshold in np.arange(1, 100) / 100:
        exact = np.array([float(score) > threshold for score in scores])
        np.testing.assert_array_equal(scores > float_at_most(threshold, scores.dtype), exact)


@pytest.mark.parametrize(("score", "message"), [
    (np.zeros((5, 4)), "one size"), (np.zeros((0, 5)), "one size"), (np.full((5, 5), np.nan), "NaN"),
    (np.full((5, 5), -0.1), "apply a sigmoid first"), (np.full((5, 5), 7.0), "apply a sigmoid first"),
    (np.ones((5, 5), np.uint8), "floating-point"), (np.full((5, 5), np.inf), "apply a sigmoid first"),
])
def test_scores_that_cannot_be_probabilities_are_refused(score, message):
    with pytest.raises(ValueError, match=message):
        count_image(score, EMPTY)


def test_an_unknown_protocol_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="standard"):
        count_image(DOT.astype(float), DOT, protocol="standrad")


def test_counts_with_a_missing_field_are_refused():
    data = image(DOT, DOT).to_dict()
    del data["paired"]
    with pytest.raises(ValueError, match="paired"):
        ImageCounts.from_dict(data)


def test_near_pairs_are_the_same_whether_distances_fit_in_one_block_or_not(monkeypatch):
    generator = np.random.default_rng(0)
    targets, predicted = (find_components(generator.random((60, 60)) > 0.9) for _ in range(2))
    whole = near_pairs(targets, predicted)
    monkeypatch.setattr("benchmark.metrics.components._BLOCK", 100)
    for one, other in zip(whole, near_pairs(targets, predicted), strict=True):
        np.testing.assert_array_equal(one, other)
