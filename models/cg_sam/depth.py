"""Depth as classification: d(z) = F(I(z)) = ResNet(I(z)) (SAIST, Eq. 11 and 12, after Cao et al., TCSVT 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with group normalisation and a skip; normalisation does not look across the batch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(4, width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(4, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) → the same shape."""
        return torch.relu(x + self.body(x))


class DepthHead(nn.Module):
    """F: classifies each pixel of the degraded image over depth bins; the depth is the expectation over them.

    The paper names a ResNet and pixel-wise classification and leaves the rest open. Chosen here: ``blocks`` residual
    blocks of ``width`` channels, ``bins`` bin centres evenly over [0, 1].

    Args:
        bins: Number of depth bins K.
        width: Channels, a multiple of 4.
        blocks: Number of residual blocks.
    """

    def __init__(self, bins: int = 16, width: int = 16, blocks: int = 2) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1, bias=False), nn.GroupNorm(4, width), nn.ReLU(),
            *[ResidualBlock(width) for _ in range(blocks)], nn.Conv2d(width, bins, 1),
        )
        self.register_buffer("centres", torch.linspace(0, 1, bins).reshape(1, bins, 1, 1), persistent=False)

    def forward(self, degraded: Tensor) -> Tensor:
        """(B, 1, h, w) degraded image → (B, 1, h, w) depth in [0, 1], float32."""
        probabilities = self.network(degraded).float().softmax(dim=1)
        return (probabilities * self.centres).sum(dim=1, keepdim=True)
