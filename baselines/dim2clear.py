"""A reconstruction in the manner of Dim2Clear, not its authors' network.

Paper: Zhang, Zhang, Zhang, Guo, Li, Gao, "Dim2Clear Network for Infrared Small Target Detection", IEEE TGRS 61 (2023)
5001714, doi 10.1109/TGRS.2023.3263848. There is no official code and no other implementation, and its text is not
open: only the first half of the abstract was read. No number measured with this file says anything about the paper.
What it is built from:

[A] stated in the abstract: a U-Net encoder; a context mixer decoder of cascaded ordinary residual blocks with two
    spatial and frequency attentions (SFA) in between; an SFA takes features of different residual blocks, makes of
    them a spatial attention map that modulates the low-level ones, and splits the result by a discrete cosine
    transform into low and high frequencies; an eyeball-shaped enhancement module (EEM), of which only the name is
    known.
[F] habits of the same group, read off its published ISNet: widths 8, 16, 32, 64, four residual blocks a stage, stem
    and head; a single logit map; soft IoU as the loss.
[C] our choice, because nothing is known: everything else. The stem does not pool, so that half the resolution is
    kept; the attention map is drawn from the high-level features alone; the transform works on 8x8 blocks, so that
    the network fits any image, and the ten coefficients of the lowest diagonals are the low band; each band has a 1x1
    convolution and squeeze-and-excitation of its own before both are added back; the EEM is three dilations, of which
    the narrowest is set against the mean of the wider two, as a pupil against its iris, and stands before the head;
    the head starts near a probability of 0.01, without which soft IoU takes hundreds of steps to clear the background.

The paper's numbers, which are not this network's: IoU 0.7729, 0.8137 and 0.6634 on NUAA-SIRST, NUDT-SIRST and IRSTD-1k
(as quoted in table 1 of the SAIST paper, CVPR 2025).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from baselines.blocks import prediction_head, residual_stage, strided_stem

WIDTHS = (16, 32, 64)
BLOCK = 8  # cells of a feature map that are transformed together, the usual size of a cosine transform
LOW_DIAGONALS = 4  # coefficients (u, v) with u + v below this are the low band: 10 of 64
REDUCTION = 4
DILATIONS = (1, 3, 5)


@MODELS.register_module()
class Dim2Clear(nn.Module):
    """Image (B, C, H, W) to logits (B, 1, H, W); H and W multiples of 32.

    Args:
        blocks: Residual blocks per stage.
        in_channels: Of the image.
    """

    size_multiple = 4 * BLOCK  # the coarser of the two transformed maps is at a quarter of the resolution

    def __init__(self, blocks: int = 4, in_channels: int = 1) -> None:
        super().__init__()
        self.in_channels = in_channels
        c1, c2, c3 = WIDTHS
        self.stem = strided_stem(in_channels, c1, affine=True, pool=False)
        self.stage1 = residual_stage(c1, c1, blocks, stride=1)
        self.stage2 = residual_stage(c1, c2, blocks, stride=2)
        self.stage3 = residual_stage(c2, c3, blocks, stride=2)
        self.reduce2, self.reduce1 = nn.Conv2d(c3, c2, 1), nn.Conv2d(c2, c1, 1)
        self.attend2, self.attend1 = SpatialFrequencyAttention(c2), SpatialFrequencyAttention(c1)
        self.refine2 = residual_stage(c2, c2, blocks, stride=1)
        self.refine1 = residual_stage(c1, c1, blocks, stride=1)
        self.enhance = EyeballEnhancement(c1)
        self.head = prediction_head(c1, c1 // 4, prior=0.01)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, 1, H, W) of an image (B, C, H, W)."""
        fine = self.stage1(self.stem(image))
        middle = self.stage2(fine)
        coarse = self.stage3(middle)
        middle = self.refine2(self.attend2(low=middle, high=_doubled(self.reduce2(coarse))))
        fine = self.refine1(self.attend1(low=fine, high=_doubled(self.reduce1(middle))))
        return _doubled(self.head(self.enhance(fine)))


class SpatialFrequencyAttention(nn.Module):
    """Fuse a low- and a high-level map of one size, then weigh the low and high frequencies of the sum by channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.where = nn.Sequential(nn.Conv2d(2, 1, 7, padding=3), nn.Sigmoid())
        self.split = FrequencySplit()
        self.weigh_low, self.weigh_high = _band(channels), _band(channels)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """(B, C, h, w) for two maps of that shape; h and w multiples of 8."""
        summary = torch.cat([high.mean(1, keepdim=True), high.amax(1, keepdim=True)], dim=1)
        mixed = low * self.where(summary) + high
        low_band, high_band = self.split(mixed)
        return mixed + self.weigh_low(low_band) + self.weigh_high(high_band)


class EyeballEnhancement(nn.Module):
    """Add to a map what its narrow view of each point holds beyond its two wider ones: a centre against a surround."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.views = nn.ModuleList(
            nn.Conv2d(channels, half, 3, padding=dilation, dilation=dilation, bias=False) for dilation in DILATIONS)
        self.mix = nn.Sequential(
            nn.Conv2d(channels + half, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) for x of that shape."""
        centre, near, far = (view(x) for view in self.views)
        return x + self.mix(torch.cat([x, centre - (near + far) / 2], dim=1))


class FrequencySplit(nn.Module):
    """A map (B, C, h, w), h and w multiples of 8, to its low and its high band, whose sum it is."""

    def __init__(self) -> None:
        super().__init__()
        order = torch.arange(BLOCK)
        self.register_buffer("cosines", cosine_matrix(BLOCK), persistent=False)
        self.register_buffer("is_low", (order[:, None] + order < LOW_DIAGONALS).float(), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Low and high band, by the cosine transform of 8x8 blocks."""
        # Small coefficients are what a tiny target leaves in a block, and half precision drops them.
        with torch.autocast(x.device.type, enabled=False):
            values = x.float()
            blocks = values.unflatten(3, (-1, BLOCK)).unflatten(2, (-1, BLOCK)).transpose(3, 4)
            coefficients = self.cosines @ blocks @ self.cosines.T  # (B, C, h / 8, w / 8, 8, 8)
            low = self.cosines.T @ (coefficients * self.is_low) @ self.cosines
            low = low.transpose(3, 4).flatten(4, 5).flatten(2, 3)
            # The transform is orthonormal: what is left of the coefficients transforms back to what is left of x.
            high = values - low
        return low.to(x.dtype), high.to(x.dtype)


class SqueezeExcitation(nn.Module):
    """Weigh channels by what they hold on average."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels // REDUCTION, 1), nn.ReLU(inplace=True),
            nn.Conv2d(channels // REDUCTION, channels, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) for x of that shape."""
        return x * self.weigh(x)


def cosine_matrix(size: int) -> Tensor:
    """Orthonormal DCT-II as a matrix (size, size), one frequency a row."""
    sample = torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi / size * (sample + 0.5) * sample[:, None]) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix.float()


def _band(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True),
        SqueezeExcitation(channels))


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
