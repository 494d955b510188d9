"""Pieces that several baselines have in common: stems, residual stages, prediction head, and MXNet's initialiser."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with an identity shortcut, or a strided 1x1 one where the shape changes; no biases."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False), nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False), nn.BatchNorm2d(channels_out),
        )
        self.shortcut = nn.Identity() if stride == 1 and channels_in == channels_out else nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, channels_out, ceil(h / stride), ceil(w / stride)) of x (B, channels_in, h, w)."""
        return F.relu(self.body(x) + self.shortcut(x))


def residual_stage(channels_in: int, channels_out: int, blocks: int, stride: int) -> nn.Sequential:
    """``blocks`` residual blocks, of which the first changes width and resolution."""
    rest = [ResidualBlock(channels_out, channels_out, 1) for _ in range(blocks - 1)]
    return nn.Sequential(ResidualBlock(channels_in, channels_out, stride), *rest)


def full_stem(channels_in: int, channels: int) -> nn.Sequential:
    """Normalises the input and takes it to ``channels`` at its own resolution."""
    return nn.Sequential(
        nn.BatchNorm2d(channels_in, affine=False),
        nn.Conv2d(channels_in, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def strided_stem(channels_in: int, channels: int, *, affine: bool, pool: bool) -> nn.Sequential:
    """Normalises the input and takes it to ``channels`` at half its resolution, pooled once more to a quarter.

    Three 3x3 convolutions, the first strided, instead of a ResNet's single 7x7. ``affine``: of the first batch norm.
    """
    half = channels // 2
    layers: list[nn.Module] = [nn.BatchNorm2d(channels_in, affine=affine)]
    for source, width, stride in ((channels_in, half, 2), (half, half, 1), (half, channels, 1)):
        layers += [nn.Conv2d(source, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, *[nn.MaxPool2d(3, 2, 1)] * pool)


def prediction_head(channels_in: int, hidden: int, prior: float | None = None) -> nn.Sequential:
    """From features (B, channels_in, h, w) to one logit map (B, 1, h, w) by way of ``hidden`` channels.

    Args:
        prior: Probability of a target that the untrained head starts near, by the bias of its last layer (Lin et al.,
            Focal Loss for Dense Object Detection, ICCV 2017, section 4.1); None for PyTorch's own start, near a half.
    """
    head = nn.Sequential(
        nn.Conv2d(channels_in, hidden, 3, padding=1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU(inplace=True),
        nn.Dropout(0.1), nn.Conv2d(hidden, 1, 1),
    )
    if prior is not None:
        nn.init.constant_(head[-1].bias, math.log(prior / (1 - prior)))
    return head


def msra_prelu_initialise(module: nn.Module) -> None:
    """MXNet's ``MSRAPrelu`` for a convolution (to be given to ``Module.apply``): slope 0.25, fan averaged both ways."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(module.weight)
        nn.init.normal_(module.weight, std=(2.0 / ((1 + 0.25**2) * (fan_in + fan_out) / 2)) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
