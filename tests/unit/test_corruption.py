"""Corrupted test images: what each kind does, that it grows, and that it depends on nothing but its arguments."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.datasets.corruption import KINDS, SEVERITIES, STRENGTHS, CorruptedSource, corrupt
from benchmark.datasets.sample import Sample
from benchmark.errors import ConfigError


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 190, (120, 160)).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gets_worse_with_severity_and_keeps_type_and_size(kind, image):
    distances = []
    for severity in range(1, SEVERITIES + 1):
        found = corrupt(image, kind, severity, "a")
        assert found.dtype == image.dtype and found.shape == image.shape
        distances.append(np.abs(found.astype(float) - image).mean())
    assert distances == sorted(distances) and distances[0] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_image_is_corrupted_alike_and_another_is_not(kind, image):
    assert np.array_equal(corrupt(image, kind, 3, "a"), corrupt(image, kind, 3, "a"))
    if kind not in ("blur", "contrast"):
        assert not np.array_equal(corrupt(image, kind, 3, "a"), corrupt(image, kind, 3, "b"))


def test_noise_has_the_stated_strength_and_stripes_are_constant_along_a_column():
    grey = np.full((400, 400), 128, np.uint8)
    assert corrupt(grey, "noise", 3, "a").std() == pytest.approx(STRENGTHS["noise"][2], rel=0.03)
    striped = corrupt(grey, "stripes", 3, "a")
    assert (striped == striped[0]).all() and striped[0].std() == pytest.approx(STRENGTHS["stripes"][2], rel=0.15)


def test_contrast_keeps_the_mean_and_scales_the_spread(image):
    found = corrupt(image, "contrast", 2, "a").astype(float)
    assert found.mean() == pytest.approx(image.mean(), abs=0.1)
    assert found.std() == pytest.approx(0.5 * image.std(), rel=0.01)


def test_bad_pixels_are_dead_or_saturated_in_the_stated_share():
    grey = np.full((1000, 1000), 128, np.uint8)
    found = corrupt(grey, "bad pixels", 5, "a")
    assert set(np.unique(found)) == {0, 128, 255}
    assert (found != 128).mean() == pytest.approx(0.01, rel=0.05)


def test_sixteen_bits_are_corrupted_in_proportion():
    grey = np.full((300, 300), 128 * 257, np.uint16)
    assert corrupt(grey, "noise", 3, "a").std() / 257 == pytest.approx(STRENGTHS["noise"][2], rel=0.05)


@pytest.mark.parametrize(("kind", "severity", "message"), [
    ("nois", 1, "unknown corruption 'nois'; did you mean noise"), ("noise", 6, "expected 1 to 5, got 6")])
def test_unknown_kinds_and_severities_are_refused(kind, severity, message, image):
    with pytest.raises(ConfigError, match=message):
        corrupt(image, kind, severity, "a")


def test_a_corrupted_source_changes_images_alone(image):
    class Source:
        name = "toy"

        def read(self, sample_id):
            return Sample(sample_id, image, image > 180, "a text")

    source = CorruptedSource(Source(), "blur", 5)
    sample = source.read("a")
    assert source.name == "toy" and sample.text == "a text" and np.array_equal(sample.mask, image > 180)
    assert not np.array_equal(sample.image, image)
