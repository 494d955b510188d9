"""Transforms between our samples and mmseg: sizes, values and the promise that a positive crop holds a target."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.datasets.sample import Sample


@pytest.fixture(scope="module")
def transforms(stack):
    from benchmark.datasets import transforms

    return transforms


def sample(shape=(40, 60), dtype=np.uint8, target=(5, 50)) -> Sample:
    image = np.full(shape, np.iinfo(dtype).max // 5, dtype)
    mask = np.zeros(shape, bool)
    mask[target] = True
    return Sample("a", image, mask, text="a photo of a scene")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_loaded_images_are_in_0_to_255_and_masks_in_0_and_1(transforms, dtype):
    results = transforms.LoadSample().transform({"sample": sample(dtype=dtype)})
    assert results["img"].dtype == np.float32
    assert results["img"].max() == pytest.approx(51, abs=1e-3)  # a fifth of 255
    assert set(np.unique(results["gt_seg_map"])) == {0, 1}  # 255 would be mmseg's ignore label
    assert results["count_shape"] == results["ori_shape"] == (40, 60)


@pytest.mark.parametrize("shape", [(40, 60), (300, 20), (16, 16), (33, 31)])
def test_a_positive_crop_always_holds_a_target_pixel(transforms, shape):
    crop = transforms.TargetCrop(size=(24, 32), positive=1.0, pad_value=7.0)
    for corner in ((0, 0), (shape[0] - 1, shape[1] - 1), (shape[0] // 2, 0)):
        for _ in range(20):
            results = crop.transform(transforms.LoadSample().transform({"sample": sample(shape, target=corner)}))
            assert results["img"].shape == results["gt_seg_map"].shape == (24, 32)
            assert results["gt_seg_map"].sum() == 1


def test_small_images_are_padded_with_the_given_value_and_an_empty_mask(transforms):
    crop = transforms.TargetCrop(size=(64, 64), positive=0.0, pad_value=7.0)
    results = crop.transform(transforms.LoadSample().transform({"sample": sample((40, 60))}))
    assert (results["img"] == 7).sum() == 64 * 64 - 40 * 60
    assert results["gt_seg_map"].sum() == 1


def test_an_image_without_targets_is_cropped_like_any_other(transforms):
    empty = Sample("a", np.zeros((40, 60), np.uint8), np.zeros((40, 60), bool))
    results = transforms.TargetCrop((16, 16), 1.0, 0.0).transform(transforms.LoadSample().transform({"sample": empty}))
    assert results["gt_seg_map"].shape == (16, 16) and not results["gt_seg_map"].any()


def test_resizing_for_testing_keeps_the_mask_at_original_size(transforms):
    loaded = transforms.LoadSample().transform({"sample": sample()})
    results = transforms.ResizeView((80, 80), mask=False).transform(loaded)
    assert results["img"].shape == (80, 80) and results["gt_seg_map"].shape == (40, 60)
    assert results["count_shape"] == (40, 60)


def test_resizing_for_training_resizes_the_mask_too(transforms):
    loaded = transforms.LoadSample().transform({"sample": sample()})
    results = transforms.ResizeView((80, 80), mask=True).transform(loaded)
    assert results["gt_seg_map"].shape == results["count_shape"] == (80, 80)


def test_transposition_moves_image_and_mask_together(transforms):
    loaded = transforms.LoadSample().transform({"sample": sample((40, 40), target=(3, 30))})
    results = transforms.RandomTranspose(prob=1.0).transform(loaded)
    assert np.argwhere(results["gt_seg_map"]).tolist() == [[30, 3]]
