"""Boxes of IAANet: those of targets and of background, their overlap, their suppression; (left, top, right, bottom)."""

from __future__ import annotations

import math

import cv2
import torch
from torch import Tensor

TARGET_MARGIN, BACKGROUND_HALF = 4, (5, 8)


def target_boxes(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Image numbers (N,) and boxes (N, 4) in pixels, half open, round 8-connected components of masks (B, 1, H, W)."""
    height, width = mask.shape[-2:]
    found = []
    for index, plane in enumerate(mask[:, 0].to("cpu", torch.uint8).numpy()):
        _, _, statistics, _ = cv2.connectedComponentsWithStats(plane, connectivity=8)
        for left, top, columns, rows, _ in statistics[1:]:  # the first is the background
            found.append((index, max(left - TARGET_MARGIN, 0), max(top - TARGET_MARGIN, 0),
                          min(left + columns + TARGET_MARGIN, width), min(top + rows + TARGET_MARGIN, height)))
    table = torch.tensor(found, dtype=torch.float32, device=mask.device).reshape(-1, 5)
    return table[:, 0].long(), table[:, 1:]


def suppress(boxes: Tensor, max_overlap: float, limit: int) -> Tensor:
    """At most ``limit`` of the boxes (N, 5), most certain first, none overlapping a better one by more than allowed."""
    boxes = boxes[boxes[:, 4].argsort(descending=True, stable=True)]
    kept = []
    while len(boxes) and len(kept) < limit:
        kept.append(boxes[0])
        boxes = boxes[1:][iou(boxes[0], boxes[1:]) <= max_overlap]
    return torch.stack(kept) if kept else boxes


def random_boxes(count: int, size_hw: tuple[int, int]) -> Tensor:
    """Boxes (count, 5) anywhere in the image, certain by one half; drawn from torch's own generator."""
    smallest, largest = BACKGROUND_HALF
    size = torch.tensor(size_hw).flip(0)  # width, height, as x and y
    border = (size // 2).clamp(max=largest)
    half = torch.randint(smallest, largest + 1, (count, 2))
    centre = border + (torch.rand(count, 2) * (size - 2 * border + 1)).long()
    corners = torch.cat([(centre - half).clamp(min=0), torch.minimum(centre + half, size)], dim=1)
    return torch.cat([corners, torch.full((count, 1), 0.5)], dim=1)


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4 or more), broadcast; 0 where both are empty."""
    shared = torch.minimum(first[..., 2:4], second[..., 2:4]) - torch.maximum(first[..., :2], second[..., :2])
    intersection, *areas = (sides[..., 0] * sides[..., 1] for sides in (
        shared.clamp(min=0), first[..., 2:4] - first[..., :2], second[..., 2:4] - second[..., :2]))
    return intersection / (sum(areas) - intersection).clamp(min=1e-9)


def complete_iou(boxes: Tensor, targets: Tensor) -> Tensor:
    """IoU (N,) of pairs of boxes (N, 4) less their distance and difference in shape (CIoU; Zheng et al., AAAI 2020)."""
    span = torch.maximum(boxes[:, 2:], targets[:, 2:]) - torch.minimum(boxes[:, :2], targets[:, :2])
    apart = (boxes[:, :2] + boxes[:, 2:] - targets[:, :2] - targets[:, 2:]) / 2
    distance = apart.square().sum(dim=1) / span.square().sum(dim=1)
    overlap = iou(boxes, targets)
    # the angle of a box that has shrunk to a point has no gradient but NaN
    sides = [(box[:, 2:] - box[:, :2]).clamp(min=1e-6) for box in (boxes, targets)]
    angles = [torch.atan2(side[:, 0], side[:, 1]) for side in sides]
    shape = 4 / math.pi**2 * (angles[0] - angles[1]).square()
    trade_off = (shape / (1 - overlap + shape).clamp(min=1e-9)).detach()
    return overlap - distance - trade_off * shape
