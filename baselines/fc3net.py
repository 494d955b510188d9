"""FC3-Net: feature compensation and cross-level correlation.

Paper: Zhang, Yue, Zhang, Li, Gao, "Exploring Feature Compensation and Cross-level Correlation for Infrared Small
Target Detection", ACM Multimedia 2022, pp. 1857-1865. Official code: IPIC-Lab/SIRST-Detection-FC3-Net (MIT), which
holds the network alone: no loss, training or weights. Written from the paper and the layer sizes of that file; no
code was ported.

Known differences: the loss and the training are ours, none being published. As released, the third branch never
calls one unit and calls another twice; ``faithful=False`` calls each once, as the other branches do. The unit that
is never called is frozen here, so that distributed training does not wait for its gradient.

To compare with: IoU 0.742 on NUAA-SIRST and 0.650 on IRSTD-1k, as quoted in tables of later papers; no
independent run has been published.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from baselines.blocks import prediction_head

WIDTHS = (16, 32, 64, 128)  # at 1/2, 1/4, 1/8 and 1/16 of the image
BN_MOMENTUM = 0.2  # of the encoder and the branches; the correlation and the head have PyTorch's 0.1
COMPENSATIONS = 3  # per branch, one after every second unit
UNIT_ORDER = (0, 1, 2, 3, 4, 5)
RELEASED_UNIT_ORDER = (0, 1, 3, 4, 4, 5)  # of the third branch's centre: 2 is left out, 4 runs twice


@MODELS.register_module()
class FC3Net(nn.Module):
    """Image (B, C, H, W) to logits (B, 1, H, W); H and W multiples of 32, in training above 32 at batch one.

    Args:
        in_channels: Of the image; 3 in the authors' code, where a grey image is repeated.
        faithful: Run the third branch's units in the order of the released file, not each once.
    """

    size_multiple = 32

    def __init__(self, in_channels: int = 3, faithful: bool = True) -> None:
        super().__init__()
        self.in_channels = in_channels
        half, quarter, eighth, sixteenth = WIDTHS
        self.stem = nn.Sequential(
            nn.BatchNorm2d(in_channels, momentum=BN_MOMENTUM), _unit(in_channels, 32, stride=2), _unit(32, 32),
            _pointwise(32, half, bias=False))
        self.down = nn.ModuleList(_unit(fine, coarse, stride=2) for fine, coarse in _neighbours())
        order = RELEASED_UNIT_ORDER if faithful else UNIT_ORDER
        self.branches = nn.ModuleList([
            CompensationBranch(quarter), CompensationBranch(eighth), CompensationBranch(sixteenth, order)])
        self.merge = nn.ModuleList(_pointwise(coarse, fine) for fine, coarse in _neighbours())
        self.correlate = CrossLevelCorrelation(half, quarter, eighth)
        self.head = prediction_head(half, half // 4)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, 1, H, W) for an image (B, C, H, W)."""
        levels = [self.stem(image)]
        for down in self.down:
            levels.append(down(levels[-1]))
        ends = [branch(fine, centre)
                for branch, fine, centre in zip(self.branches, levels[:-1], levels[1:], strict=True)]
        compensated = [ends[0][0], *(centre for _, centre in ends)]  # of the fine ends only the finest goes on
        pyramid = compensated[-1:]  # coarsest first
        for merge, level in zip(reversed(self.merge), reversed(compensated[:-1]), strict=True):
            pyramid.append(merge(_double(pyramid[-1])) + level)
        _, high, middle, low = pyramid
        return F.interpolate(self.head(self.correlate(low, middle, high)), size=image.shape[-2:], mode="bilinear")


class CompensationBranch(nn.Module):
    """A chain of six units at one scale that takes in, after every second, a finer and a coarser chain (F-MFC).

    Args:
        width: Channels of the centre; half of it at twice its resolution, twice of it at half of it.
        order: In which the centre's six units run.
    """

    def __init__(self, width: int, order: tuple[int, ...] = UNIT_ORDER) -> None:
        super().__init__()
        self.order = order
        self.descend = _unit(width, width * 2, stride=2)
        self.fine = _chain(width // 2)
        self.centre = _chain(width)
        self.coarse = _chain(width * 2)
        self.from_fine = nn.ModuleList(_unit(width // 2, width, stride=2) for _ in range(COMPENSATIONS))
        self.from_coarse = nn.ModuleList(_pointwise(width * 2, width) for _ in range(COMPENSATIONS))
        for unused in set(UNIT_ORDER) - set(order):
            self.centre[unused].requires_grad_(False)

    def forward(self, fine: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
        """Ends of the fine and the centre chain for fine (B, width / 2, 2h, 2w) and centre (B, width, h, w)."""
        coarse = self.descend(centre)
        for step, (from_fine, from_coarse) in enumerate(zip(self.from_fine, self.from_coarse, strict=True)):
            for position in (2 * step, 2 * step + 1):
                fine = self.fine[position](fine)
                centre = self.centre[self.order[position]](centre)
                coarse = self.coarse[position](coarse)
            centre = centre + from_fine(fine) + from_coarse(_double(coarse))
        return fine, centre


class CrossLevelCorrelation(nn.Module):
    """Weighted sum of three levels, plus the middle one where the energy of the highest lets it pass (CFC)."""

    def __init__(self, low: int, middle: int, high: int) -> None:
        super().__init__()
        self.reduce_middle = _pointwise(middle, low, momentum=0.1)
        self.reduce_high = _pointwise(high, low, momentum=0.1)
        self.weights = nn.Parameter(torch.randn(3))  # of low, high and middle
        self.energy = nn.Conv2d(2, 1, 3, padding=1, bias=False)

    def forward(self, low: Tensor, middle: Tensor, high: Tensor) -> Tensor:
        """Map of the shape of low (B, c, h, w), for middle and high at 1/2 and 1/4 of its resolution."""
        middle, high = self.reduce_middle(middle), self.reduce_high(high)
        of_low, of_high, of_middle = self.weights
        total = (1 + of_low) * low + of_high * _repeat(high, 4) + of_middle * _repeat(middle, 2)
        energy = torch.cat([high.mean(1, keepdim=True), high.amax(1, keepdim=True)], dim=1)
        passing = _repeat(self.energy(energy).sigmoid(), 2)
        return total + _repeat(middle * passing, 2)


def _neighbours() -> list[tuple[int, int]]:
    return list(zip(WIDTHS[:-1], WIDTHS[1:], strict=True))


def _unit(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, stride, 1),
                         nn.BatchNorm2d(channels_out, momentum=BN_MOMENTUM), nn.ReLU(inplace=True))


def _chain(width: int) -> nn.ModuleList:
    return nn.ModuleList(_unit(width, width) for _ in UNIT_ORDER)


def _pointwise(channels_in: int, channels_out: int, bias: bool = True, momentum: float = BN_MOMENTUM) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, bias=bias),
                         nn.BatchNorm2d(channels_out, momentum=momentum), nn.ReLU(inplace=True))


def _double(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2, mode="bilinear")


def _repeat(features: Tensor, times: int) -> Tensor:
    return F.interpolate(features, scale_factor=times, mode="nearest")
