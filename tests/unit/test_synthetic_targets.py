"""The targets of synth-sirst: their ratio to the clutter, their masks and their statistics.

The ratio is measured here by a second, slower way from the image and mask alone, not by the generator's own code.
"""

import numpy as np
import pytest
from scipy import ndimage

from benchmark.datasets.synthetic import SyntheticSource
from benchmark.datasets.synthetic.targets import SCR_TOLERANCE, gaussian_target, guard_box, measure_scr

EIGHT = np.ones((3, 3))


@pytest.fixture(scope="module")
def samples():
    source = SyntheticSource.from_config({"counts": {"train": 240}})
    return [source.read(sample_id) for sample_id in source.ids("train")]


def scr_from_image_and_mask(image, mask):
    """SCR of each 8-connected component, in the order of ndimage.label."""
    labels, count = ndimage.label(mask, EIGHT)
    rows, columns = np.indices(mask.shape)

    def inside_box(k, grow_y, grow_x):
        ys, xs = np.nonzero(labels == k)
        return (
            (rows >= ys.min() - grow_y)
            & (rows <= ys.max() + grow_y)
            & (columns >= xs.min() - grow_x)
            & (columns <= xs.max() + grow_x)
        )

    guarded = np.zeros(mask.shape, dtype=bool)
    for k in range(1, count + 1):
        ys, xs = np.nonzero(labels == k)
        guarded |= inside_box(k, max(np.ptp(ys) + 1, 2), max(np.ptp(xs) + 1, 2))
    ratios = []
    for k in range(1, count + 1):
        around = image[inside_box(k, 20, 20) & ~guarded].astype(float)
        ratios.append(abs(image[labels == k].mean() - around.mean()) / around.std())
    return ratios


def by_label_order(sample):
    """The targets' metadata in the order in which ndimage.label meets them."""
    labels, count = ndimage.label(sample.mask, EIGHT)
    order = {labels[round(t["center_xy"][1]), round(t["center_xy"][0])]: t for t in sample.meta["targets"]}
    assert sorted(order) == list(range(1, count + 1))
    return [order[k] for k in range(1, count + 1)]


def test_measured_scr_of_the_8_bit_image_is_the_set_one_within_seven_percent(samples):
    for sample in samples[:80]:
        for measured, target in zip(
            scr_from_image_and_mask(sample.image, sample.mask), by_label_order(sample), strict=True
        ):
            assert measured == pytest.approx(target["scr"], rel=0.07)
            assert measured == pytest.approx(target["scr_realised"], rel=1e-9)


def test_scr_before_quantisation_meets_its_tolerance_in_every_sample(samples):
    for sample in samples:
        for target in sample.meta["targets"]:
            assert target["scr_exposed"] == pytest.approx(target["scr"], rel=SCR_TOLERANCE)


def test_quantisation_shifts_the_scr_by_less_than_one_percent_in_the_median(samples):
    shifts = [abs(t["scr_realised"] / t["scr_exposed"] - 1) for s in samples for t in s.meta["targets"]]
    assert np.median(shifts) < 0.01


def test_set_scrs_fill_the_configured_range_log_uniformly(samples):
    scr = np.array([t["scr"] for s in samples for t in s.meta["targets"]])
    assert scr.min() >= 4 and scr.max() <= 30
    # Half of them below the geometric mean, within three standard errors of some 320 draws. Scenes are dimmed where
    # a drawn ratio does not fit, so that bright ones do not thin out the high end.
    assert np.mean(scr < np.sqrt(4 * 30)) == pytest.approx(0.5, abs=0.085)


def test_targets_are_brighter_than_their_surroundings_and_never_saturated(samples):
    for sample in samples:
        assert all(target["amplitude"] > 0 for target in sample.meta["targets"])
        assert sample.image[sample.mask].max() < 255


def test_median_area_lies_in_the_range_of_the_real_sets(samples):
    areas = [np.bincount(ndimage.label(s.mask, EIGHT)[0].ravel())[1:] for s in samples]
    assert 14 <= np.median(np.concatenate(areas)) <= 31


@pytest.mark.parametrize("part", ["train", "test"])
def test_targets_per_image_lie_in_the_range_of_the_real_sets(part):
    source = SyntheticSource.from_config({"size": (128, 128)})
    counts = [ndimage.label(source.read(i).mask, EIGHT)[1] for i in source.ids(part)]
    assert set(counts) <= {1, 2, 3, 4}
    assert max(counts) == 4
    assert 1.2 <= np.mean(counts) <= 1.5


def test_each_listed_target_is_one_component_of_the_mask(samples):
    for sample in samples:
        labels, count = ndimage.label(sample.mask, EIGHT)
        areas = [np.sum(labels == k) for k in range(1, count + 1)]
        assert areas == [target["area"] for target in by_label_order(sample)]


def test_mask_is_where_a_target_gives_at_least_half_of_its_peak(samples):
    rows, columns = np.indices(samples[0].mask.shape)
    for sample in samples[:60]:
        expected = np.zeros(sample.mask.shape, dtype=bool)
        for t in sample.meta["targets"]:
            dx, dy = columns - t["center_xy"][0], rows - t["center_xy"][1]
            axis = np.array([np.cos(t["angle"]), np.sin(t["angle"])])
            # Inverse covariance of the Gaussian; half of the peak is where the quadratic form is 2 ln 2.
            normal = np.array([-axis[1], axis[0]])
            precision = np.outer(axis, axis) / t["sigma"][0] ** 2 + np.outer(normal, normal) / t["sigma"][1] ** 2
            form = precision[0, 0] * dx**2 + 2 * precision[0, 1] * dx * dy + precision[1, 1] * dy**2
            expected |= form <= 2 * np.log(2) + 1e-12
            expected[round(t["center_xy"][1]), round(t["center_xy"][0])] = True
        np.testing.assert_array_equal(sample.mask, expected)


def test_round_target_of_sigma_one_on_a_pixel_has_the_five_pixel_cross_as_mask():
    # exp(-1/2) = 0.61 beside the centre, exp(-1) = 0.37 on the diagonal
    _, _, mask = gaussian_target((9, 9), (4.0, 4.0), (1.0, 1.0), 0.0)
    assert np.argwhere(mask).tolist() == [[3, 4], [4, 3], [4, 4], [4, 5], [5, 4]]


def test_target_smaller_than_a_pixel_still_has_the_pixel_of_its_peak():
    # the nearest centre, 0.45 pixels away on both axes, sees exp(-0.2025 / 0.09) = 0.11 of the peak
    _, patch, mask = gaussian_target((9, 9), (4.45, 3.55), (0.3, 0.3), 0.0)
    assert patch.max() < 0.5
    assert np.argwhere(mask).tolist() == [[4, 4]]


def test_centres_lie_between_pixels_and_clear_of_the_border(samples):
    centres = np.array([t["center_xy"] for s in samples for t in s.meta["targets"]])
    assert np.std(centres % 1) == pytest.approx(np.sqrt(1 / 12), abs=0.03)
    assert centres.min() > 4 and centres.max() < 251


def test_guard_grows_a_box_by_its_own_size_and_stops_at_the_border():
    mask = np.zeros((30, 30), dtype=bool)
    mask[1:4, 10:15] = True
    assert guard_box(mask) == (slice(0, 7), slice(5, 20))


def test_scr_of_a_hand_made_image_is_contrast_over_spread():
    # A checkerboard of 90 and 110 has mean 100 and deviation 10; a target of 150 stands 5 deviations above it.
    image = np.where(np.indices((60, 60)).sum(axis=0) % 2, 90.0, 110.0)
    mask = np.zeros((60, 60), dtype=bool)
    mask[30:32, 30:32] = True
    image[mask] = 150
    assert measure_scr(image, [mask])[0] == pytest.approx(5.0)


def test_scr_on_a_constant_background_is_undefined():
    mask = np.zeros((60, 60), dtype=bool)
    mask[30, 30] = True
    assert np.isnan(measure_scr(np.where(mask, 200, 10), [mask])[0])
