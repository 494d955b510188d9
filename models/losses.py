"""Loss of a mask from its logits."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def mask_loss(logits: Tensor, mask: Tensor, bce: float = 1.0, dice: float = 1.0, positive: float = 1.0,
              smooth: float = 1.0) -> Tensor:
    """``bce`` times binary cross-entropy plus ``dice`` times Dice loss, float32 scalar.

    Dice is taken per image and averaged, with ``smooth`` in both parts of its fraction, so that an image without a
    target has a finite loss and gradient.

    Args:
        logits: (B, 1, H, W).
        mask: (B, 1, H, W), 0 or 1.
        bce, dice, smooth: As above.
        positive: Weight of target pixels in the cross-entropy. Targets are a thousandth of the pixels: a network from
            scratch with weight 1 first learns that all is background, where Dice has no gradient left either.
    """
    logits, mask = logits.float(), mask.float()
    probability = logits.sigmoid()
    overlap = (probability * mask).sum((1, 2, 3))
    sizes = probability.sum((1, 2, 3)) + mask.sum((1, 2, 3))
    dice_loss = 1 - ((2 * overlap + smooth) / (sizes + smooth)).mean()
    weight = 1 + (positive - 1) * mask
    return bce * F.binary_cross_entropy_with_logits(logits, mask, weight) + dice * dice_loss
