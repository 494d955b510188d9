"""Bringing scores to the size at which they are counted: the last step of every trainable method."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from mmengine.structures import PixelData
from torch import Tensor


def attach_scores(scores: Tensor, data_samples: list[Any]) -> list[Any]:
    """The samples, each with ``pred_score``: (1, H, W) float32 in [0, 1] at ``count_shape`` (else input) size.

    Args:
        scores: (B, 1, H, W) in [0, 1] at input size.
        data_samples: B samples.
    """
    for score, sample in zip(scores, data_samples, strict=True):
        sample.pred_score = PixelData(data=at_count_shape(score[None], sample).clamp(0, 1)[0])
    return data_samples


def at_count_shape(maps: Tensor, sample: Any) -> Tensor:
    """(1, C, H, W) maps at input size without what was padded (``img_shape``), resized to ``count_shape``."""
    shape = tuple(sample.metainfo.get("count_shape", maps.shape[-2:]))
    valid = tuple(sample.metainfo.get("img_shape", maps.shape[-2:]))[:2]
    maps = maps[..., : valid[0], : valid[1]]
    return maps if valid == shape else F.interpolate(maps, size=shape, mode="bilinear", align_corners=False)
