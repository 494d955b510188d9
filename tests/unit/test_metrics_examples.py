"""The example masks that tell protocols apart, each with the figures that every protocol must give."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.metrics.summary import summarise
from benchmark.metrics.target import PROTOCOLS, count_image

CANVAS = 256


def boxes(*corners: tuple[int, int, int, int]) -> np.ndarray:
    """Mask of half-open boxes (row0, column0, row1, column1)."""
    mask = np.zeros((CANVAS, CANVAS), bool)
    for top, left, bottom, right in corners:
        mask[top:bottom, left:right] = True
    return mask


def pixels(*positions: tuple[int, int]) -> np.ndarray:
    return boxes(*((row, column, row + 1, column + 1) for row, column in positions))


TARGET = (20, 20, 23, 23)
CASES = {
    "A equal-area false alarm": [(boxes(TARGET), boxes(TARGET, (45, 45, 48, 48)))],
    "A2 control": [(boxes(TARGET), boxes(TARGET, (45, 45, 48, 49)))],
    "B greedy order": [(pixels((10, 10), (10, 14)), pixels((9, 12), (10, 8)))],
    "C merged": [(boxes(TARGET, (20, 25, 23, 28)), boxes((20, 20, 23, 28)))],
    "D exactly 3 px": [(boxes((20, 20, 23, 29)), boxes(TARGET, (20, 26, 23, 29)))],
    "E offset": [(boxes((20, 20, 30, 40)), boxes((20, 20, 30, 32)))],
    "G giant blob": [(pixels((40, 40)), boxes((25, 25, 56, 56)))],
    "H diagonal": [(boxes(TARGET, (23, 23, 26, 26)), boxes(TARGET, (23, 23, 26, 26)))],
    "I3 one empty prediction": [(boxes(TARGET), boxes(TARGET)), (boxes(TARGET), boxes())],
}
EXPECTED = {  # Pd and Fa in pixels per million, as printed with one decimal
    "A equal-area false alarm": {"standard": (1, 137.3), "basicirstd": (1, 137.3), "dnanet": (1, 0),
                                 "opdc": (1, 137.3), "shooting": (1, 137.3), "overlap": (1, 137.3)},
    "A2 control": {"standard": (1, 183.1), "basicirstd": (1, 183.1), "dnanet": (1, 183.1),
                   "opdc": (1, 183.1), "shooting": (1, 183.1), "overlap": (1, 183.1)},
    "B greedy order": {"standard": (1, 0), "basicirstd": (0.5, 15.3), "dnanet": (0.5, 0),
                       "opdc": (1, 0), "shooting": (0, 0), "overlap": (0, 30.5)},
    "C merged": {"standard": (0.5, 0), "basicirstd": (0.5, 0), "dnanet": (0.5, 0),
                 "opdc": (0.5, 0), "shooting": (1, 0), "overlap": (1, 91.6)},
    "D exactly 3 px": {"standard": (0, 274.7), "basicirstd": (0, 274.7), "dnanet": (0, 274.7),
                       "opdc": (0, 274.7), "shooting": (1, 0), "overlap": (1, 0)},
    "E offset": {"standard": (0, 1831.1), "basicirstd": (0, 1831.1), "dnanet": (0, 1831.1),
                 "opdc": (1, 0), "shooting": (1, 0), "overlap": (1, 0)},
    # 960 background pixels are predicted; RPCANet divides by the background, 65535 pixels, and not by the image.
    "G giant blob": {"standard": (1, 0), "basicirstd": (1, 0), "dnanet": (1, 0),
                     "opdc": (1, 0), "shooting": (1, 13427.7), "overlap": (1, 14648.7)},
    "H diagonal": {"standard": (1, 0), "basicirstd": (1, 0), "dnanet": (1, 0),
                   "opdc": (1, 0), "shooting": (1, 0), "overlap": (1, 0)},
    "I3 one empty prediction": dict.fromkeys(PROTOCOLS, (0.5, 0)),
}


def figures(case: str, protocol: str) -> dict[str, float | None]:
    return summarise([count_image(np.float32(0.9) * prediction, mask, protocol=protocol)
                      for mask, prediction in CASES[case]])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("case", CASES)
def test_example_masks_give_the_figures_of_the_protocol(case, protocol):
    found = figures(case, protocol)
    assert (found["pd"], round(found["fa"], 1)) == EXPECTED[case][protocol]


@pytest.mark.parametrize(("case", "hiou"), [
    ("A equal-area false alarm", 0.5), ("B greedy order", 0), ("C merged", 0.1875), ("D exactly 3 px", 0),
    ("E offset", 0.6), ("G giant blob", 1 / 961), ("I3 one empty prediction", 0.5),
])
def test_hierarchical_iou_of_example_masks(case, hiou):
    # C: the 3x8 blob shares 9 of 24 pixels with its target, .375, over one pair and one lost target: .1875.
    assert figures(case, "opdc")["hiou"] == pytest.approx(hiou)


@pytest.mark.parametrize("protocol", ["overlap", "shooting"])
def test_hierarchical_iou_is_undefined_where_pairs_are_not_one_to_one(protocol):
    assert figures("C merged", protocol)["hiou"] is None


@pytest.mark.parametrize(("case", "iou"), [("D exactly 3 px", 2 / 3), ("E offset", 0.6), ("G giant blob", 1 / 961)])
def test_pixel_iou_of_example_masks(case, iou):
    assert figures(case, "standard")["iou"] == pytest.approx(iou)


@pytest.mark.parametrize("protocol", ["standard", "basicirstd", "dnanet"])
def test_pooled_iou_and_mean_iou_differ_when_target_sizes_do(protocol):
    images = [(boxes((20, 20, 30, 30)), boxes((20, 20, 30, 30))), (boxes((20, 20, 22, 22)), pixels((20, 20)))]
    found = summarise([count_image(prediction.astype(float), mask, protocol=protocol) for mask, prediction in images])
    assert found["iou"] == pytest.approx(101 / 104)
    assert found["niou"] == found["niou_targets"] == 0.625


def test_excess_pixels_of_a_paired_blob_appear_in_the_strict_figure_only():
    found = figures("G giant blob", "standard")
    assert found["fa"] == 0
    assert found["fa_pixel_strict"] == pytest.approx(1e6 * 960 / 65536)


def test_components_that_are_false_alarms_are_counted_per_million_pixels():
    assert figures("A equal-area false alarm", "standard")["fa_components"] == pytest.approx(1e6 / 65536)
    assert figures("A equal-area false alarm", "dnanet")["fa_components"] == 0


@pytest.mark.parametrize(("threshold", "pd", "fa"), [(0.3, 0, 595.1), (0.5, 1, 0)])
def test_a_lower_threshold_can_lose_a_target_and_raise_a_false_alarm(threshold, pd, fa):
    score = np.where(boxes(TARGET), 0.9, 0.0)
    score[20:23, 23:33] = 0.4  # 39 pixels in all, whose centroid has moved 5 columns away
    found = summarise([count_image(score, boxes(TARGET), threshold=threshold)])
    assert (found["pd"], round(found["fa"], 1)) == (pd, fa)
