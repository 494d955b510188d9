"""Every colour mode and mask coding of the public sets, and every way in which a file can be broken."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from PIL import Image

from benchmark.datasets.images import read_image, read_mask
from benchmark.errors import DataError

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


def save(path, array, mode=None):
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path)
    return path


@pytest.mark.parametrize("mode", [None, "RGB", "RGBA", "LA", "P"])
def test_every_colour_mode_of_a_grey_image_gives_its_grey_levels(tmp_path, mode):
    found = read_image(save(tmp_path / "a.png", GREY, mode))
    assert found.dtype == np.uint8 and np.array_equal(found, GREY)


def test_colours_become_luminance(tmp_path):
    colour = np.zeros((4, 4, 3), np.uint8)
    colour[..., 1] = 200
    assert set(np.unique(read_image(save(tmp_path / "a.png", colour)))) == {117}  # 0.587 of 200


def test_transparency_is_ignored(tmp_path):
    rgba = np.dstack([GREY, GREY, GREY, np.zeros_like(GREY)])
    assert np.array_equal(read_image(save(tmp_path / "a.png", rgba)), GREY)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_stay_sixteen_bits(tmp_path, suffix):
    deep = GREY.astype(np.uint16) * 200
    found = read_image(save(tmp_path / f"a.{suffix}", deep))
    assert found.dtype == np.uint16 and np.array_equal(found, deep)


@pytest.mark.parametrize(("values", "foreground"), [
    ((0, 255), (255,)), ((0, 1), (1,)), ((0, 64, 127, 128, 255), (128, 255)), ((0,), ()), ((255,), (255,)),
    ((1,), (1,)),
])
def test_the_maximum_of_a_mask_tells_its_coding(tmp_path, values, foreground):
    grey = np.resize(np.array(values, np.uint8), (6, 8))
    assert np.array_equal(read_mask(save(tmp_path / "m.png", grey)), np.isin(grey, foreground))


@pytest.mark.parametrize("top", [2, 7, 127])
def test_a_mask_of_neither_coding_is_refused(tmp_path, top):
    path = save(tmp_path / "m.png", np.resize(np.array([0, top], np.uint8), (6, 8)))
    with pytest.raises(DataError, match=rf"m.png: largest mask value is {top}, expected 1 .* or above 127"):
        read_mask(path)


def test_a_rescaled_mask_is_brought_to_its_image_with_one_warning(tmp_path, caplog):
    mask = np.zeros((400, 592), np.uint8)
    mask[100:140, 200:260] = 255
    path = save(tmp_path / "Misc_111_pixels0.png", mask)
    with caplog.at_level(logging.WARNING):
        first, second = read_mask(path, (220, 325)), read_mask(path, (220, 325))
    assert first.shape == (220, 325) and np.array_equal(first, second)
    assert first.mean() == pytest.approx((mask > 0).mean(), rel=0.05)
    assert len([record for record in caplog.records if "Misc_111" in record.message]) == 1


def test_a_mask_that_is_no_rescale_of_its_image_is_refused_with_both_sizes(tmp_path):
    path = save(tmp_path / "m.png", np.zeros((40, 60), np.uint8))
    with pytest.raises(DataError, match="mask is 60×40 but its image 60×50, which is no rescale"):
        read_mask(path, (50, 60))


def broken_files(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    whole = save(tmp_path / "whole.png", noise).read_bytes()
    yield "cut off", whole[: len(whole) // 2]
    yield "half a header", whole[:12]
    yield "empty", b""
    yield "text", b"not an image at all"
    yield "flipped bits", whole[:100] + bytes(byte ^ 0x5A for byte in whole[100:140]) + whole[140:]


def test_every_broken_file_is_one_line_with_its_name(tmp_path):
    for name, content in broken_files(tmp_path):
        path = tmp_path / "broken.png"
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            read_image(path)
        assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value), name


def test_a_missing_file_and_a_floating_point_image_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(DataError, match="floating-point image"):
        read_image(save(tmp_path / "f.tif", GREY.astype(np.float32)))


def test_an_image_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(DataError, match="larger than 20 pixels"):
        read_image(save(tmp_path / "a.png", GREY))
