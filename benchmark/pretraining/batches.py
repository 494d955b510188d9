"""What the towers see of the pairs: batches with hard negatives, augmented scenes, captions that follow them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.pretraining.pairs import mirrored

SMALLEST_CROP = 0.75
"""Side of the smallest crop as part of the whole: captions speak of corners and edges, which should stay."""
GAIN, OFFSET, NOISE = 0.15, 0.06, 0.02
"""Largest changes of contrast, brightness and noise, as parts of the full scale: captions speak of tones, too."""


def batches(classes: np.ndarray, size: int, hard_share: float, random: np.random.Generator) -> list[np.ndarray]:
    """Rows of an epoch's batches; each row is in one batch at most, and a rest too small for one is left out.

    Args:
        classes: (N,) scene classes.
        size: Of a batch.
        hard_share: Part of the rows that are drawn class by class, so that a batch holds scenes of one class and its
            negatives can only be told apart by what is in them. Other batches are mixed.
        random: Decides everything.
    """
    rows = random.permutation(len(classes))
    hard, mixed = np.split(rows, [round(hard_share * len(rows))])
    order = random.permutation(int(classes.max()) + 1)
    hard = hard[np.argsort(order[classes[hard]], kind="stable")]
    cut = [part[start:start + size] for part in (hard, mixed) for start in range(0, len(part) - size + 1, size)]
    return [cut[index] for index in random.permutation(len(cut))]


def augment(scenes: np.ndarray, captions: Sequence[dict[str, Any]], size: int,
            random: np.random.Generator) -> tuple[Tensor, list[str]]:
    """A random view of each scene and a caption that is true of it.

    Crops, mirror images (their captions mirrored), small changes of contrast, brightness and noise; captions with their
    objects in another order, some without their closing clause.

    Args:
        scenes: (B, S, S) uint8.
        captions: B captions.
        size: Side of the views.
        random: Decides everything.

    Returns:
        (B, size, size) float32 grey levels 0 to 255, and B texts.
    """
    count = len(scenes)
    scale = random.uniform(SMALLEST_CROP, 1.0, (count, 2))
    shift = random.uniform(-1.0, 1.0, (count, 2)) * (1 - scale)
    flip = random.random(count) < 0.5
    transform = np.zeros((count, 2, 3), np.float32)
    transform[:, 0, 0], transform[:, 1, 1] = np.where(flip, -scale[:, 0], scale[:, 0]), scale[:, 1]
    transform[:, :, 2] = shift
    grid = F.affine_grid(torch.from_numpy(transform), (count, 1, size, size), align_corners=False)
    views = F.grid_sample(torch.from_numpy(scenes).float().unsqueeze(1), grid, padding_mode="border",
                          align_corners=False)[:, 0]
    gain = random.uniform(1 - GAIN, 1 + GAIN, (count, 1, 1))
    offset = random.uniform(-OFFSET, OFFSET, (count, 1, 1)) * 255
    noise = random.standard_normal(views.shape, dtype=np.float32) * random.uniform(0, NOISE, (count, 1, 1)) * 255
    views = (views * torch.from_numpy(gain) + torch.from_numpy(offset + noise)).clamp(0, 255).float()
    texts = [_reworded(caption, random) for caption in captions]
    return views, [mirrored(text) if mirror else text for text, mirror in zip(texts, flip, strict=True)]


def _reworded(caption: dict[str, Any], random: np.random.Generator) -> str:
    text, objects = caption["text"], caption["objects"]
    listed = f"{objects[0]}, {objects[1]}, and {objects[2]}"
    draw = random.random()
    if draw < 0.4 or listed not in text:
        return text
    first, second, third = (objects[index] for index in random.permutation(3))
    start, end = text.split(listed, 1)
    return f"{start}{first}, {second}, and {third}{'.' if draw > 0.8 else end}"
