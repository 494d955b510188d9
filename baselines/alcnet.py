"""ALCNet: attentional local contrast network.

Paper: Dai, Wu, Zhou, Barnard, "Attentional Local Contrast Networks for Infrared Small Target Detection", IEEE TGRS
2021 (arXiv 2012.08573). Official code: YimianDai/open-alcnet (MXNet, no licence). Written from the paper and from
the layer sizes of the released checkpoint; no code was ported. This is the released configuration: a stem that keeps
the input's resolution, four blocks a stage, contrast at two dilations, bottom-up local modulation.

Known differences: PyTorch instead of MXNet (batch-norm momentum 0.9 there is 0.1 here; MXNet's Adagrad decays weights
apart from the gradient, PyTorch's adds the decay to it); the local contrast is computed in float32 also where the
rest runs in half precision. From the released weights this network makes the released predictions, pixel by pixel.
What most re-implementations and tables call ALCNet (XinyiYing/BasicIRSTD: IoU 0.611 on NUAA-SIRST) computes no local
contrast at all and is another network.

To compare with: IoU 0.7614, from the name of the released checkpoint. The released predictions, of the 96 test images
in the first public lists of NUAA-SIRST at 512×512, have IoU 0.741 and nIoU 0.720 on the masks as published now.
"""

from __future__ import annotations

from functools import reduce

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from baselines.blocks import full_stem, msra_prelu_initialise, prediction_head, residual_stage

WIDTHS = (16, 32, 64)
DILATIONS = (13, 17)  # cells of a feature map, the same on all three: 13 to 68 pixels of the image
HALF_COMPASS = ((1, 0), (0, 1), (1, 1), (1, -1))  # (row, column) steps; the other four directions are their opposites


@MODELS.register_module()
class ALCNet(nn.Module):
    """Image (B, C, H, W) to logits (B, 1, H, W), of any size.

    Below 72 pixels the larger dilation wraps round the coarsest map, and the contrast there means little.

    Args:
        blocks: Residual blocks per stage.
        in_channels: Of the image; 3 in the authors' code, where a grey image is repeated.
    """

    size_multiple = 1

    def __init__(self, blocks: int = 4, in_channels: int = 3) -> None:
        super().__init__()
        self.in_channels = in_channels
        c1, c2, c3 = WIDTHS
        self.stem = full_stem(in_channels, c1)
        self.stage1 = residual_stage(c1, c1, blocks, stride=1)
        self.stage2 = residual_stage(c1, c2, blocks, stride=2)
        self.stage3 = residual_stage(c2, c3, blocks, stride=2)
        self.contrast1, self.contrast2, self.contrast3 = (MultiScaleContrast(width, c1) for width in WIDTHS)
        self.fuse2, self.fuse1 = BottomUpModulation(c1), BottomUpModulation(c1)
        self.head = prediction_head(c1, c1 // 4)
        self.apply(msra_prelu_initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, 1, H, W) for an image (B, C, H, W)."""
        fine = self.stage1(self.stem(image))
        middle = self.stage2(fine)
        coarse = self.stage3(middle)
        contrast = self.fuse2(high=self.contrast3(coarse), low=self.contrast2(middle))
        contrast = self.fuse1(high=contrast, low=self.contrast1(fine))
        return self.head(contrast)


class MultiScaleContrast(nn.Module):
    """The larger of the local contrasts at ``DILATIONS``, projected where the width has to change."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.project = nn.Identity() if channels_in == channels_out else nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True))

    def forward(self, features: Tensor) -> Tensor:
        """Contrast (B, channels_out, h, w) in float32 of features (B, channels_in, h, w)."""
        # A product of differences overflows half precision, and the norm after the projection needs it whole.
        with torch.autocast(features.device.type, enabled=False):
            features = features.float()
            return self.project(reduce(torch.maximum, [local_contrast(features, shift) for shift in DILATIONS]))


class BottomUpModulation(nn.Module):
    """The low-level map, plus the high-level one weighted at every point by what the low one holds there."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm_high, self.norm_low = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.attention = nn.Sequential(
            nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.Sigmoid(),
        )

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """Fused map of the shape of ``low``; ``high`` may be coarser."""
        # align_corners as in the authors' framework, where it is the only behaviour
        high = F.interpolate(high, size=low.shape[-2:], mode="bilinear", align_corners=True)
        low = self.norm_low(low)
        return self.attention(low) * self.norm_high(high) + low


def local_contrast(features: Tensor, shift: int) -> Tensor:
    """How far each point stands out, with one sign, against the points ``shift`` cells away in all eight directions.

    The product of the differences to two opposite neighbours is positive only if the point is above both or below
    both; the smallest of the four products is kept. Neighbours beyond the border are those of the opposite border.
    """
    products = []
    for row, column in HALF_COMPASS:
        step = (row * shift, column * shift)
        ahead = features.roll(step, dims=(-2, -1)) - features
        behind = features.roll((-step[0], -step[1]), dims=(-2, -1)) - features
        products.append(ahead * behind)
    return reduce(torch.minimum, products)
