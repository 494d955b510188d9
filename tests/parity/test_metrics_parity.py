"""Our counts against PyIRSTDMetrics, scikit-learn and a brute-force reading of the definitions."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import py_irstd_metrics as pyirstd
import pytest
from scipy import ndimage
from sklearn import metrics as sk

from benchmark.metrics.roc import RocAccumulator
from benchmark.metrics.summary import summarise
from benchmark.metrics.target import ImageCounts, count_image


def sparse_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes as targets and, some moved or lost, as predictions with random scores; float32 map and bool mask."""
    generator = np.random.default_rng(seed)
    mask, score = np.zeros((48, 60), bool), np.zeros((48, 60), np.float32)
    for _ in range(generator.integers(0, 7)):
        row, column = generator.integers(0, 44), generator.integers(0, 56)
        height, width = generator.integers(1, 6, 2)
        mask[row:row + height, column:column + width] = True
        row, column = np.maximum((row, column) + generator.integers(-3, 4, 2), 0)
        if generator.random() < 0.8:
            height, width = np.maximum((height, width) + generator.integers(-1, 3, 2), 1)
            score[row:row + height, column:column + width] = generator.random()
    return np.where(generator.random(score.shape) > 0.99, generator.random(), score).astype(np.float32), mask


def degenerate_pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Every pair of the shapes at which code breaks."""
    empty = np.zeros((16, 16), bool)
    dot, border, checks = empty.copy(), empty.copy(), np.indices((16, 16)).sum(axis=0) % 2 == 0
    dot[7, 8] = border[0] = border[:, -1] = True
    scattered = np.zeros_like(empty)
    scattered[::2, ::2] = True
    shapes = {"empty": empty, "full": ~empty, "dot": dot, "border": border, "checkerboard": checks,
              "grid of dots": scattered}
    return {f"{first} on {second}": (shapes[first].astype(np.float32), shapes[second])
            for first, second in itertools.product(shapes, shapes)}


PAIRS = {f"random {seed}": sparse_pair(seed) for seed in range(40)} | degenerate_pairs()


@pytest.mark.parametrize("name", PAIRS)
def test_basicirstd_counts_equal_pyirstdmetrics_at_ten_thresholds(name):
    score, mask = PAIRS[name]
    theirs = pyirstd.ProbabilityDetectionAndFalseAlarmRate(num_bins=10)
    theirs.update(score, mask)
    ours = RocAccumulator(theirs.thresholds, protocol="basicirstd").contribution(score, mask)
    np.testing.assert_array_equal(ours.paired, theirs.tp_objs)
    np.testing.assert_array_equal(ours.fa_pixels, theirs.fp_area)
    assert ours.targets == theirs.tp_objs[0] + theirs.fn_objs[0]


@pytest.mark.parametrize("name", PAIRS)
def test_shooting_counts_equal_pyirstdmetrics_at_ten_thresholds(name):
    score, mask = PAIRS[name]
    theirs = pyirstd.ShootingRuleBasedProbabilityDetectionAndFalseAlarmRate(num_bins=10)
    theirs.update(score, mask)
    ours = RocAccumulator(theirs.thresholds, protocol="shooting").contribution(score, mask)
    np.testing.assert_array_equal(ours.paired, theirs.tp_objs)
    np.testing.assert_array_equal(ours.fa_pixels, theirs.fp_area)


@pytest.mark.parametrize("seed", range(40))
def test_opdc_counts_equal_pyirstdmetrics_where_its_two_defects_do_not_show(seed):
    score, mask = sparse_pair(seed)
    ours = count_image(score, mask, threshold=0.2, protocol="opdc")
    if not ours.targets or not ours.predicted:
        assert (ours.paired, ours.fa_components) == (0, ours.predicted)  # theirs counts a phantom on empty images
        return
    theirs = pyirstd.MatchingBasedMetrics(num_bins=5, matching_method=pyirstd.OPDCMatching())
    theirs.update(score, mask)
    index = int(np.flatnonzero(np.isclose(theirs.thresholds, 0.2))[0])
    # Their second defect, an assignment over distances that are not allowed, can only lose pairs.
    assert ours.paired >= theirs.tp_objs[index]
    if ours.paired == theirs.tp_objs[index]:
        assert ours.fa_pixels == theirs.fp_area[index]
        assert ours.fa_components == theirs.fp_objs[index]
        assert ours.pair_iou_sum == pytest.approx(theirs.tp_ious[index])


def test_opdc_parity_is_not_vacuous():
    equal = 0
    for seed in range(40):
        score, mask = sparse_pair(seed)
        theirs = pyirstd.MatchingBasedMetrics(num_bins=5, matching_method=pyirstd.OPDCMatching())
        theirs.update(score, mask)
        equal += count_image(score, mask, threshold=0.2, protocol="opdc").paired == theirs.tp_objs[1] > 0
    assert equal >= 20


def test_pooled_and_mean_iou_equal_pyirstdmetrics_over_a_set():
    pooled = pyirstd.IoUHandler(with_binary=True, sample_based=False)
    single = pyirstd.IoUHandler(with_binary=True, sample_based=True)
    theirs = pyirstd.CMMetrics(threshold=0.3, metric_handlers={"iou": pooled, "niou": single})
    counts = []
    for seed in range(30):
        score, mask = sparse_pair(seed)
        theirs.update(score, mask)
        counts.append(count_image(score, mask, threshold=0.3))
    ours, found = summarise(counts), theirs.get()
    both_empty = sum(image.tp + image.fp + image.fn == 0 for image in counts)
    assert ours["iou"] == pytest.approx(found["iou"]["binary"], rel=1e-12)
    # An image with nothing to find and nothing predicted counts 1 for us, 0 for them.
    assert ours["niou"] == pytest.approx(found["niou"]["binary"] + both_empty / 30, rel=1e-12)


@pytest.mark.parametrize("name", PAIRS)
def test_pixel_figures_equal_scikit_learn(name):
    score, mask = PAIRS[name]
    found = summarise([count_image(score, mask, threshold=0.4)])
    truth, prediction = mask.ravel(), (score > 0.4).ravel()
    either = truth.any() or prediction.any()
    for key, function, defined in (
            ("iou", sk.jaccard_score, either), ("precision", sk.precision_score, prediction.any()),
            ("recall", sk.recall_score, truth.any()), ("f1", sk.f1_score, either)):
        assert found[key] == (pytest.approx(function(truth, prediction, zero_division=0)) if defined else None), key


@pytest.mark.parametrize("seed", range(12))
def test_exact_pixel_curve_has_the_area_of_scikit_learn(seed):
    score, mask = sparse_pair(seed)
    score = np.clip(score + np.random.default_rng(seed).integers(0, 40, score.shape) / 100, 0, 1).astype(np.float32)
    mask[3:5, 3:5] = True
    curve = RocAccumulator("exact")
    curve.add(score, mask)
    assert curve.result().pixel_auc == pytest.approx(sk.roc_auc_score(mask.ravel(), score.ravel()), rel=1e-12)


# Trying every pairing of 64 dots with their 64 neighbourhoods would not end.
@pytest.mark.parametrize("name", [name for name in PAIRS if name != "grid of dots on grid of dots"])
def test_standard_counts_equal_a_brute_force_reading_of_the_definition(name):
    score, mask = PAIRS[name]
    prediction = score > 0.3
    ours = count_image(score, mask, threshold=0.3)
    expected = brute_force_standard(prediction, mask)
    assert (ours.targets, ours.predicted, ours.paired) == expected[:3]
    assert ours.fa_pixels in expected[3]


def test_a_grid_of_dots_predicted_exactly_is_found_whole():
    counts = count_image(*PAIRS["grid of dots on grid of dots"], threshold=0.3)
    assert (counts.targets, counts.paired, counts.fa_pixels) == (64, 64, 0)


def brute_force_standard(prediction: np.ndarray, mask: np.ndarray) -> tuple[int, int, int, set[int]]:
    """Targets, predictions, pairs and the false-alarm areas of all equally good pairings, found by trying them all."""
    eight = np.ones((3, 3), int)
    (found, n_found), (true, n_true) = (ndimage.label(image, eight) for image in (prediction, mask))
    areas = ndimage.sum_labels(prediction, found, np.arange(1, n_found + 1)).astype(int)
    near = {}
    for one in range(n_true):
        for other in range(n_found):
            offset = np.subtract(*(np.argwhere(labels == label + 1).mean(axis=0)
                                   for labels, label in ((true, one), (found, other))))
            if np.hypot(*offset) < 3 - 1e-9:
                near.setdefault(one, {})[other] = float(np.hypot(*offset))
    best: tuple[int, float] = (-1, 0.0)
    alarms: set[int] = set()
    for pairs in _pairings(sorted(near), near, frozenset()):
        length = sum(near[one][other] for one, other in pairs)
        alarm = int(areas.sum() - sum(areas[other] for _, other in pairs))
        if (len(pairs), -length) > (best[0], -best[1] + 1e-9):
            best, alarms = (len(pairs), length), {alarm}
        elif len(pairs) == best[0] and abs(length - best[1]) <= 1e-9:
            alarms.add(alarm)
    return n_true, n_found, best[0], alarms


def _pairings(targets, near, used):
    if not targets:
        yield ()
        return
    for rest in _pairings(targets[1:], near, used):
        yield rest
    for other in near[targets[0]]:
        if other not in used:
            for rest in _pairings(targets[1:], near, used | {other}):
                yield ((targets[0], other), *rest)


def test_area_value_false_alarm_equals_a_direct_reading_of_its_published_rule():
    for seed in range(40):
        score, mask = sparse_pair(seed)
        raster, by_value = (count_image(score, mask, threshold=0.2, protocol=name) for name in ("basicirstd", "dnanet"))
        labels, number = ndimage.label(score > 0.2, np.ones((3, 3), int))
        areas = ndimage.sum_labels(score > 0.2, labels, np.arange(1, number + 1)).astype(int).tolist()
        assert by_value.paired == raster.paired
        assert by_value.fa_pixels in _by_value(areas, raster)


def _by_value(areas: list[int], raster: ImageCounts) -> set[int]:
    """Area left over for every set of paired components that has the right total, most sets being impossible."""
    paired_area = sum(areas) - raster.fa_pixels
    return {sum(area for area in areas if area not in paired)
            for paired in itertools.combinations(areas, raster.paired) if sum(paired) == paired_area}


def test_curve_on_a_large_noisy_map_equals_pyirstdmetrics():
    generator = np.random.default_rng(0)
    noise = cv2.GaussianBlur(generator.random((256, 256)).astype(np.float32), (0, 0), 3)
    score = (noise - noise.min()) / np.ptp(noise)
    mask = np.zeros(score.shape, bool)
    mask[100:104, 60:64] = mask[200:203, 120:125] = mask[3:6, 250:256] = True
    theirs = pyirstd.ProbabilityDetectionAndFalseAlarmRate(num_bins=30)
    theirs.update(score, mask)
    ours = RocAccumulator(theirs.thresholds, protocol="basicirstd").contribution(score, mask)
    np.testing.assert_array_equal(ours.paired, theirs.tp_objs)
    np.testing.assert_array_equal(ours.fa_pixels, theirs.fp_area)
