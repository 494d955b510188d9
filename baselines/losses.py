"""Losses of the baselines, on logits, registered once and shared.

Each takes logits and a 0/1 mask of one shape (B, 1, H, W) and gives a scalar; none holds a sigmoid of its own
besides the one it needs, so a network never ends in a sigmoid.
"""

from __future__ import annotations

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class SoftIoULoss(nn.Module):
    """One minus the soft IoU of probabilities and mask, with ``smooth`` added to both parts of the fraction.

    Source: Rahman and Wang 2016, as used by ACM (WACV 2021), where the sums run over the whole batch.

    Args:
        per_image: Sum over each image and average, as ISNet does, instead of over the batch.
        smooth: Keeps the fraction finite on images without a target.
    """

    def __init__(self, per_image: bool = False, smooth: float = 1.0) -> None:
        super().__init__()
        self.dims = (1, 2, 3) if per_image else (0, 1, 2, 3)
        self.smooth = smooth

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Scalar in [0, 1]; in float32 whatever the logits' type, since sums over a batch overflow half precision."""
        probability, mask = logits.float().sigmoid(), mask.float()
        intersection = (probability * mask).sum(self.dims)
        union = (probability + mask).sum(self.dims) - intersection
        return 1 - ((intersection + self.smooth) / (union + self.smooth)).mean()


@MODELS.register_module()
class BCELoss(nn.Module):
    """Mean binary cross-entropy over all pixels: UIU-Net (IEEE TIP 2023), SCTransNet (IEEE TGRS 2024)."""

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Scalar ≥ 0, float32."""
        return F.binary_cross_entropy_with_logits(logits.float(), mask.float())
