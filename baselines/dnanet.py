"""DNA-Net: a dense nested grid of residual attention blocks whose rows talk to both neighbours.

Paper: Li, Xiao, Wang, Wang, Lin, Li, An, Guo, "Dense Nested Attention Network for Infrared Small Target Detection",
IEEE TIP 2023, online 2022 (arXiv 2106.00487). Official code: YeRen123455/Infrared-Small-Target-Detection at 21584be
(MIT text that names another project's author). Written from the paper, with channel counts and the order of
operations read off the official code; no code was ported.

With equal weights the logits are those of the official network. Known differences around it: the fused map comes
first of the training list instead of last, and is the only one computed in evaluation; the paper's VGG-10 form is
left out, and so are the narrower widths, whose channel attention would have no hidden channel. The official training
also rescales images by 0.5 to 2 and blurs them, and tests on images resized to 256×256.

To compare with: IoU 0.7747 and 0.8709 on the halves 213/214 of NUAA-SIRST and 663/664 of NUDT-SIRST, and 0.7926 and
0.8861 with later weights (official README, best epoch on the test half; its Fa forgets false regions whose area is
that of a true one); 0.7482, 0.9419 and on IRSTD-1k 0.6574 (table of XinyiYing/BasicIRSTD: native size, Adam 5e-4).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

WIDTHS = (16, 32, 64, 128, 256)  # of the rows, finest first
BOTTOM = len(WIDTHS) - 1
REDUCTION = 16  # of channel attention: one hidden channel in the finest row, as the authors have it

# Node (row, column) takes its own row's earlier columns, the row below and the row above, so that nodes of one
# anti-diagonal are evaluated from the coarsest up.
NODES = [(row, diagonal - row) for diagonal in range(len(WIDTHS)) for row in range(diagonal, -1, -1)]


@MODELS.register_module()
class DNANet(nn.Module):
    """Image (B, C, H, W) to logits (B, 1, H, W); while training to a list of four, of which the first is the fused.

    Args:
        blocks: Residual attention blocks of a node in rows 1 to 4; row 0 always has one. (1, 1, 1, 1), (2, 2, 2, 2)
            and (3, 4, 6, 3) are the paper's ResNet-10, -18 and -34.
        in_channels: Of the image; 3 in the authors' code, where a grey image is repeated.
    """

    size_multiple = 2**BOTTOM

    def __init__(self, blocks: Sequence[int] = (2, 2, 2, 2), in_channels: int = 3) -> None:
        super().__init__()
        if len(blocks) != BOTTOM:
            raise ValueError(f"blocks must name {BOTTOM} rows, but got {blocks!r}")
        self.in_channels = in_channels
        repeats = (1, *blocks)
        self.nodes = nn.ModuleDict({
            _name(row, column): _node(_channels_in(row, column, in_channels), WIDTHS[row], repeats[row])
            for row, column in NODES
        })
        finest = WIDTHS[0]
        self.reduce = nn.ModuleList(nn.Conv2d(width, finest, 1) for width in WIDTHS[1:])
        self.fuse = ResidualAttention(len(WIDTHS) * finest, finest)
        self.head = nn.Conv2d(finest, 1, 1)
        self.side_heads = nn.ModuleList(nn.Conv2d(finest, 1, 1) for _ in range(1, BOTTOM))
        self.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """Logits for an image whose H and W are multiples of 16: (fused, X01, X02, X03) in training, else the fused."""
        grid: dict[tuple[int, int], Tensor] = {}
        for row, column in NODES:
            node = self.nodes[_name(row, column)]
            grid[row, column] = node(image if row == column == 0 else _gather(grid, row, column))
        logits = self.head(self.fuse(self._pyramid(grid)))
        if not self.training:
            return logits
        return [logits, *(head(grid[0, column]) for column, head in enumerate(self.side_heads, start=1))]

    def _pyramid(self, grid: dict[tuple[int, int], Tensor]) -> Tensor:
        """The last node of every row at full resolution, coarsest first (B, 5 * 16, H, W)."""
        finest = grid[0, BOTTOM]
        coarser = [_resize(self.reduce[row - 1](grid[row, BOTTOM - row]), finest.shape[-2:])
                   for row in range(BOTTOM, 0, -1)]
        return torch.cat([*coarser, finest], dim=1)


class ResidualAttention(nn.Module):
    """Two 3x3 convolutions, weighed by channel and then by pixel (CBAM), beside a shortcut: a node's block."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, padding=1), nn.BatchNorm2d(channels_out),
        )
        self.attention = nn.Sequential(_ChannelAttention(channels_out), _PixelAttention())
        self.shortcut = nn.Identity() if channels_in == channels_out else nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1), nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, channels_out, h, w) of x (B, channels_in, h, w)."""
        return F.relu(self.attention(self.body(x)) + self.shortcut(x))


class _ChannelAttention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // REDUCTION
        self.weigh = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False), nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        mean, peak = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        return x * (self.weigh(mean) + self.weigh(peak)).sigmoid()


class _PixelAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        mean, peak = x.mean(1, keepdim=True), x.amax(1, keepdim=True)
        return x * self.weigh(torch.cat([mean, peak], dim=1)).sigmoid()


def _node(channels_in: int, channels_out: int, blocks: int) -> nn.Sequential:
    rest = [ResidualAttention(channels_out, channels_out) for _ in range(blocks - 1)]
    return nn.Sequential(ResidualAttention(channels_in, channels_out), *rest)


def _channels_in(row: int, column: int, in_channels: int) -> int:
    above = WIDTHS[row - 1] if row else 0
    if column == 0:
        return above or in_channels
    return column * WIDTHS[row] + WIDTHS[row + 1] + above


def _gather(grid: dict[tuple[int, int], Tensor], row: int, column: int) -> Tensor:
    """Input of node (row, column) at its resolution: its row so far, then the row below, then the row above.

    In column 0, the encoder, only the row above is there, and is max-pooled.
    """
    if column == 0:
        return F.max_pool2d(grid[row - 1, 0], 2)
    own = [grid[row, earlier] for earlier in range(column)]
    size = own[0].shape[-2:]
    neighbours = [grid[row + 1, column - 1]] + ([grid[row - 1, column]] if row else [])
    return torch.cat([*own, *(_resize(neighbour, size) for neighbour in neighbours)], dim=1)


def _resize(x: Tensor, size: torch.Size) -> Tensor:
    # Aligned corners also where a finer row is halved: weights trained so do not carry over to pooling.
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


def _name(row: int, column: int) -> str:
    return f"x{row}{column}"


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_normal_(module.weight)
