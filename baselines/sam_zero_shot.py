"""SAM as it comes: automatic masks of everything in the image, of which the small ones are called targets.

Paper: Kirillov et al., "Segment Anything", ICCV 2023 (arXiv 2304.02643); masks by the generator of the official package
(facebookresearch/segment-anything, Apache-2.0) from a grid of points, the same for every image. Nothing is trained and
nothing is taken from the ground truth.

The choice among its masks is ours: area at most ``max_area`` of the image, and brighter than their surroundings, as
targets are in this task. A pixel's score is the largest predicted quality of the chosen masks that hold it.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from mmseg.registry import MODELS
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.modeling import MaskDecoder, Sam, TwoWayTransformer
from torch import Tensor, nn

from models.cg_sam.sam import PIXEL_MEAN, PIXEL_STD, SAM
from models.checkpoints import load_exactly, read_state
from models.weights import locate

SIDE = 1024
POINTS_AT_ONCE = {"cpu": 2, "cuda": 64}
"""Same masks either way. On a CPU two points' maps stay in its caches: 1.8 times as fast as the official 64."""


@MODELS.register_module()
class SAMZeroShot:
    """Score maps from SAM's automatic masks.

    Args:
        sam: ``encoder`` and ``checkpoint`` of ``models.cg_sam.sam.SAM``.
        points_per_side: Of the grid of point prompts; the official default is 32, whose cost is the square of it.
        pred_iou_thresh, stability_score_thresh: The generator's own filters, at their defaults.
        max_area: Largest share of the image that a target covers.
        ring: Width in pixels of the surroundings that a target must outshine.
        device: ``'auto'``, ``'cpu'`` or ``'cuda'``.
    """

    def __init__(self, sam: dict[str, Any], points_per_side: int = 32, pred_iou_thresh: float = 0.88,
                 stability_score_thresh: float = 0.95, max_area: float = 0.005, ring: int = 4,
                 device: str = "auto") -> None:
        self.max_area, self.ring = max_area, ring
        device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self.generator = SamAutomaticMaskGenerator(
            _official(sam).to(device), points_per_side=points_per_side, points_per_batch=POINTS_AT_ONCE[device],
            pred_iou_thresh=pred_iou_thresh, stability_score_thresh=stability_score_thresh)

    def score(self, image: np.ndarray) -> np.ndarray:
        """(H, W) float32 in [0, 1] for (H, W) uint8 or uint16 grey levels."""
        grey = image if image.dtype == np.uint8 else (image / 257.0).round().astype(np.uint8)
        score = np.zeros(image.shape, np.float32)
        with torch.no_grad():
            found = self.generator.generate(np.repeat(grey[..., None], 3, axis=2))
        for mask in found:
            region = mask["segmentation"]
            if 0 < mask["area"] <= self.max_area * image.size and self._outshines(grey, region):
                score[region] = np.maximum(score[region], min(mask["predicted_iou"], 1.0))
        return score

    def _outshines(self, grey: np.ndarray, region: np.ndarray) -> bool:
        kernel = np.ones((2 * self.ring + 1,) * 2, np.uint8)
        around = cv2.dilate(region.astype(np.uint8), kernel).astype(bool) & ~region
        return bool(around.any()) and grey[region].mean() > grey[around].mean()


class _LateMap(nn.Module):
    """Our encoder as the official model calls one: image in, embedding out."""

    img_size = SIDE

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, image: Tensor) -> Tensor:
        return self.encoder(image).late


def _official(sam: dict[str, Any]) -> Sam:
    parts = SAM(**sam, tune="frozen")
    decoder = MaskDecoder(transformer_dim=256, transformer=TwoWayTransformer(
        depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8))
    if parts.checkpoint is not None:
        path = locate(parts.checkpoint)
        load_exactly(decoder, read_state(path), path=path, prefix="mask_decoder.")
    whole = Sam(_LateMap(parts.encoder), parts.prompt_encoder, decoder, list(PIXEL_MEAN), list(PIXEL_STD))
    return whole.requires_grad_(False).eval()
