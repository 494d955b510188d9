"""UIU-Net: a U-Net whose every stage is a small residual U-Net, with cross attention between encoder and decoder.

Paper: Wu, Hong, Chanussot, "UIU-Net: U-Net in U-Net for Infrared Small Object Detection", IEEE TIP 32 (2023) 364-376
(arXiv 2212.00968). Official code: danfenghong/IEEE_TIP_UIU-Net at 625023a (Apache-2.0 by its LICENSE file, GPL-3.0 by
its README). Written from the paper, with channel counts and the order of operations read off the official code; no
code was ported.

With equal weights the seven maps are those of the official network. Known differences around it: maps are logits, not
probabilities, so that the cross-entropy is exact and safe in half precision; in evaluation only the fused map is
returned; the loss is the mean over the seven maps, not their sum, and Adam's step does not depend on such a factor.
The official training also crops 288×288 from images resized to 320×320, flips vertically only, divides each image by
its maximum and does not shuffle; the official test stretches every score map to [0, 1] by its own extremes, so that an
empty image gets a detection too, and thresholds at 0.22 on real images and 0.8 on synthetic ones.

To compare with: IoU 0.7753, 0.9052 and 0.6569 on NUAA-SIRST, NUDT-SIRST and IRSTD-1k (table of XinyiYing/BasicIRSTD:
native size, threshold 0.5).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

REDUCTION = 4


@MODELS.register_module()
class UIUNet(nn.Module):
    """Image (B, C, H, W) of any size to logits (B, 1, H, W); while training to seven: the fused, then fine to coarse.

    A training batch holds two images at least: cross attention normalises channel vectors over the batch alone.

    Args:
        in_channels: Of the image; 3 in the authors' code, where a grey image is repeated.
    """

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.encoder = nn.ModuleList([
            _pooling_unet(in_channels, 32, 64, depth=7),
            nn.Sequential(_pool(), _pooling_unet(64, 32, 128, depth=6)),
            nn.Sequential(_pool(), _pooling_unet(128, 64, 256, depth=5)),
            nn.Sequential(_pool(), _pooling_unet(256, 128, 512, depth=4)),
            nn.Sequential(_pool(), _dilated_unet(512, 256, 512)),
            nn.Sequential(_pool(), _dilated_unet(512, 256, 512)),
        ])
        # From here on coarse to fine.
        self.join = nn.ModuleList([*(CrossAttention(channels) for channels in (512, 512, 256, 128)), _Concatenation()])
        self.decoder = nn.ModuleList([
            _dilated_unet(1024, 256, 512),
            _pooling_unet(1024, 128, 256, depth=4),
            _pooling_unet(512, 64, 128, depth=5),
            _pooling_unet(256, 32, 64, depth=6),
            _pooling_unet(128, 16, 64, depth=7),
        ])
        self.heads = nn.ModuleList(nn.Conv2d(channels, 1, 3, padding=1) for channels in (512, 512, 256, 128, 64, 64))
        self.fuse = nn.Conv2d(len(self.heads), 1, 1)

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """Fused logits (B, 1, H, W), in training followed by the six maps that they are fused from."""
        skips = [image]
        for stage in self.encoder:
            skips.append(stage(skips[-1]))
        features = [skips.pop()]
        for join, stage, skip in zip(self.join, self.decoder, reversed(skips[1:]), strict=True):
            features.append(stage(join(high=_resize_like(features[-1], skip), low=skip)))
        sides = [_resize_like(head(x), image) for head, x in zip(self.heads, features, strict=True)]
        sides.reverse()
        fused = self.fuse(torch.cat(sides, dim=1))
        return [fused, *sides] if self.training else fused


class InnerUNet(nn.Module):
    """A residual U-Net of one width, from its input's resolution back to it: the block of U2-Net.

    Args:
        channels_in: Of the input.
        hidden: Width of all levels.
        channels_out: Of the result and of the projected input that is added to it.
        dilations: Of the encoder's convolutions, finest first; a decoder level takes its partner's.
        pools: Whether the resolution halves before each level but the first and the last.
    """

    def __init__(self, channels_in: int, hidden: int, channels_out: int, dilations: tuple[int, ...],
                 pools: bool) -> None:
        super().__init__()
        self.project = _unit(channels_in, channels_out)
        first, *middle, last = dilations
        self.down = nn.ModuleList([
            _unit(channels_out, hidden, first),
            *(nn.Sequential(_pool() if pools else nn.Identity(), _unit(hidden, hidden, dilation))
              for dilation in middle),
            _unit(hidden, hidden, last),
        ])
        self.up = nn.ModuleList([
            *(_unit(2 * hidden, hidden, dilation) for dilation in reversed(middle)),
            _unit(2 * hidden, channels_out, first),
        ])

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, channels_out, h, w) of x (B, channels_in, h, w)."""
        projected = self.project(x)
        levels = [projected]
        for down in self.down:
            levels.append(down(levels[-1]))
        deep = levels.pop()
        for up, level in zip(self.up, reversed(levels[1:]), strict=True):
            deep = up(torch.cat([_resize_like(deep, level), level], dim=1))
        return deep + projected


class CrossAttention(nn.Module):
    """The paper's interactive cross attention (IC-A): each of two maps of one size weighs the other.

    The high map, pooled globally, weighs the channels of the low one; the low one, so weighed, the pixels of the high.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = channels // REDUCTION
        self.adapt = _unit(channels, channels, kernel=1)
        self.channel_weights = nn.Sequential(
            _unit(channels, squeezed, kernel=1), nn.Conv2d(squeezed, channels, 1), nn.BatchNorm2d(channels),
            nn.Sigmoid())
        self.squeeze = _unit(channels, squeezed, kernel=1)
        self.pixel_weights = nn.Sequential(nn.Conv2d(2, 1, 3, padding=1, bias=False), nn.Sigmoid())
        self.refine = _unit(channels, channels)  # one for both maps, as the authors have it

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """The low and the high map, weighed and side by side (B, 2 * channels, h, w)."""
        high = self.adapt(high)
        # Batch norm over a handful of channel vectors magnifies what half precision rounds off.
        with torch.autocast(high.device.type, enabled=False):
            channel_weights = self.channel_weights(high.mean((2, 3), keepdim=True, dtype=torch.float32))
        low = low * channel_weights.to(low.dtype)
        summary = self.squeeze(low)
        summary = torch.cat([summary.mean(1, keepdim=True), summary.amax(1, keepdim=True)], dim=1)
        high = high * self.pixel_weights(summary)
        return torch.cat([self.refine(2 * low), self.refine(2 * high)], dim=1)


class _Concatenation(nn.Module):
    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        return torch.cat([high, low], dim=1)


def _pooling_unet(channels_in: int, hidden: int, channels_out: int, depth: int) -> InnerUNet:
    return InnerUNet(channels_in, hidden, channels_out, dilations=(1,) * (depth - 1) + (2,), pools=True)


def _dilated_unet(channels_in: int, hidden: int, channels_out: int) -> InnerUNet:
    # For maps that are too coarse to be pooled any further.
    return InnerUNet(channels_in, hidden, channels_out, dilations=(1, 2, 4, 8), pools=False)


def _unit(channels_in: int, channels_out: int, dilation: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, padding=dilation * (kernel // 2), dilation=dilation),
        nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True))


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(2, ceil_mode=True)  # so that an odd last row is not lost


def _resize_like(x: Tensor, target: Tensor) -> Tensor:
    size = target.shape[-2:]
    return x if x.shape[-2:] == size else F.interpolate(x, size=size, mode="bilinear", align_corners=False)
