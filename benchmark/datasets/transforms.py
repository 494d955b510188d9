"""The few image transforms that mmcv and mmseg do not have: our samples, and crops that do not miss the target.

Images travel as (H, W) float32 in 0–255, masks as (H, W) uint8 with 1 on targets. 255 never occurs in a mask: it is
mmseg's ignore label, and a 0/255 mask would score any prediction as perfect.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from benchmark.datasets.sample import Sample


@TRANSFORMS.register_module()
class LoadSample(BaseTransform):
    """Unpack ``results['sample']`` into the keys that mmseg's transforms use.

    ``count_shape`` is the (H, W) at which this image will be counted: its original size, unless a later transform
    resizes the mask too.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """``results`` with ``img, gt_seg_map, img_id, img_shape, ori_shape, count_shape, text``."""
        sample: Sample = results.pop("sample")
        full_scale = np.iinfo(sample.image.dtype).max
        shape = sample.image.shape
        return results | {
            "img": sample.image.astype(np.float32) * (255.0 / full_scale),
            "gt_seg_map": sample.mask.astype(np.uint8),
            "seg_fields": ["gt_seg_map"],
            "img_id": sample.id, "text": sample.text,
            "img_shape": shape, "ori_shape": shape, "count_shape": shape,
        }


@TRANSFORMS.register_module()
class SceneView(BaseTransform):
    """Keep a small copy of the whole image as ``scene``, before it is cropped, flipped or turned.

    For methods that describe the scene: what a caption says is about the whole image, and a copy that no augmentation
    touches has features that need computing once.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = tuple(size)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """``results`` with ``scene``, (H, W) uint8 of ``size``."""
        height, width = self.size
        scene = cv2.resize(results["img"], (width, height), interpolation=cv2.INTER_AREA)
        return results | {"scene": scene.round().clip(0, 255).astype(np.uint8)}


@TRANSFORMS.register_module()
class ResizeView(BaseTransform):
    """The whole image at ``size`` (H, W), bilinear; with ``mask`` its mask as well, by nearest neighbour.

    Without ``mask`` the mask keeps its size, and so does ``count_shape``: scores are brought back before counting.
    """

    def __init__(self, size: tuple[int, int], mask: bool) -> None:
        self.size, self.mask = tuple(size), mask

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """``results`` with ``img`` (and the mask) of the new size."""
        height, width = self.size
        results["img"] = cv2.resize(results["img"], (width, height), interpolation=cv2.INTER_LINEAR)
        results["img_shape"] = self.size
        if self.mask:
            results["gt_seg_map"] = cv2.resize(results["gt_seg_map"], (width, height), interpolation=cv2.INTER_NEAREST)
            results["count_shape"] = self.size
        return results


@TRANSFORMS.register_module()
class TargetCrop(BaseTransform):
    """A random crop of ``size`` (H, W), with probability ``positive`` one that holds a random target pixel.

    mmseg's RandomCrop looks for a crop of mixed classes by trial, which on targets of a few pixels nearly always
    fails ten times over. Images smaller than the crop are padded at random with ``pad_value``, which should be the
    value that normalisation maps to 0.
    """

    def __init__(self, size: tuple[int, int], positive: float, pad_value: float) -> None:
        self.size, self.positive, self.pad_value = tuple(size), positive, pad_value

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """``results`` with ``img`` and ``gt_seg_map`` of the crop's size."""
        image, mask = results["img"], results["gt_seg_map"]
        window = [slice(None), slice(None)]
        pixel = _random_target_pixel(mask) if np.random.rand() < self.positive else None
        for axis, (length, wanted) in enumerate(zip(image.shape, self.size, strict=True)):
            low, high = 0, max(length - wanted, 0)
            if pixel is not None:
                low, high = max(low, pixel[axis] - wanted + 1), min(high, pixel[axis])
            start = np.random.randint(low, high + 1)
            window[axis] = slice(start, start + wanted)
        image, mask = image[tuple(window)], mask[tuple(window)]
        before = [np.random.randint(0, max(wanted - length, 0) + 1)
                  for length, wanted in zip(image.shape, self.size, strict=True)]
        margins = [(first, wanted - length - first)
                   for first, length, wanted in zip(before, image.shape, self.size, strict=True)]
        results["img"] = np.pad(image, margins, constant_values=self.pad_value)
        results["gt_seg_map"] = np.pad(mask, margins)
        results["img_shape"] = results["count_shape"] = self.size
        return results


@TRANSFORMS.register_module()
class RandomTranspose(BaseTransform):
    """Swap rows and columns with probability ``prob``; with the two flips this gives all eight orientations."""

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """``results``, image and mask transposed or as they were."""
        if np.random.rand() < self.prob:
            for name in ("img", "gt_seg_map"):
                results[name] = np.ascontiguousarray(results[name].T)
            results["img_shape"] = results["count_shape"] = results["img"].shape
        return results


def _random_target_pixel(mask: np.ndarray) -> tuple[int, int] | None:
    pixels = np.flatnonzero(np.ascontiguousarray(mask).view(bool))  # ten times as fast as of bytes, in the same order
    if not len(pixels):
        return None
    row, column = divmod(int(pixels[np.random.randint(len(pixels))]), mask.shape[1])
    return row, column
