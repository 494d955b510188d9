"""Modulated deformable convolution (DCNv2): torchvision's operator where it is compiled, plain torch elsewhere.

Paper: Zhu, Hu, Lin, Dai, "Deformable ConvNets v2: More Deformable, Better Results", CVPR 2019 (arXiv 1811.11168),
equation 1. Only what this project needs: stride 1, no dilation, one group of offsets.
The plain form is also what ONNX export and torch.compile see, since neither knows torchvision's operator everywhere.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import deform_conv2d as torchvision_deform_conv2d


class ModulatedDeformConv2d(nn.Module):
    """Convolution that predicts, for each output pixel, where each kernel point samples and how much it counts.

    Starts as half an ordinary convolution: offsets 0, and a sigmoid of 0 as the weight of every kernel point.

    Args:
        channels_in: Of the input.
        channels_out: Of the output, which has the size of the input.
        kernel_size: Rows and columns, both odd.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel_size: tuple[int, int]) -> None:
        super().__init__()
        rows, columns = kernel_size
        self.points = rows * columns
        self.padding = (rows // 2, columns // 2)
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in, rows, columns))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        self.sampling = nn.Conv2d(channels_in, 3 * self.points, kernel_size, padding=self.padding)
        bound = (channels_in * self.points) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        self.reset_sampling()

    def reset_sampling(self) -> None:
        """Offsets back to zero; to be called after an initialiser that runs over every convolution of a network."""
        nn.init.zeros_(self.sampling.weight)
        nn.init.zeros_(self.sampling.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels_out, H, W) for maps (B, channels_in, H, W), in the type of the weights."""
        # bfloat16 has 8 bits: from pixel 256 on it could not even tell neighbouring positions apart
        with torch.autocast(maps.device.type, enabled=False):
            maps = maps.to(self.weight.dtype)
            offset, strength = self.sampling(maps).split([2 * self.points, self.points], dim=1)
            return deform_conv2d(maps, offset, strength.sigmoid(), self.weight, self.bias, self.padding)


def deform_conv2d(maps: Tensor, offset: Tensor, strength: Tensor, weight: Tensor, bias: Tensor,
                  padding: tuple[int, int]) -> Tensor:
    """(B, O, H', W'): the modulated deformable convolution of maps (B, C, H, W), by whichever implementation is there.

    Args:
        maps: Sampled bilinearly; zero outside.
        offset: (B, 2K, H', W') for K kernel points in row-major order: row and column shift of the first, of the
            second and so on, in pixels.
        strength: (B, K, H', W') factor of each sample.
        weight: (O, C, rows, columns), rows * columns = K.
        bias: (O,).
        padding: Rows and columns of zeros on each side.
    """
    if has_compiled_operator() and not _is_captured():
        return torchvision_deform_conv2d(maps, offset, weight, bias, padding=padding, mask=strength)
    return plain_deform_conv2d(maps, offset, strength, weight, bias, padding)


def has_compiled_operator() -> bool:
    """Whether torchvision's own operators were loaded; PyPI's build of it has none beside a CPU build of torch."""
    return hasattr(torch.ops.torchvision, "deform_conv2d")


def plain_deform_conv2d(maps: Tensor, offset: Tensor, strength: Tensor, weight: Tensor, bias: Tensor,
                        padding: tuple[int, int]) -> Tensor:
    """What ``deform_conv2d`` says, in operators that every back end has; gradients are torchvision's too."""
    points, height, width = strength.shape[1:]
    kernel_columns = weight.shape[3]
    point = torch.arange(points, device=maps.device)
    row_start = (point // kernel_columns - padding[0])[:, None, None]
    column_start = (point % kernel_columns - padding[1])[:, None, None]
    shift = offset.unflatten(1, (points, 2))
    rows = shift[:, :, 0] + row_start + torch.arange(height, device=maps.device)[:, None]
    columns = shift[:, :, 1] + column_start + torch.arange(width, device=maps.device)
    samples = sample_bilinear(maps, rows.flatten(1), columns.flatten(1)) * strength.flatten(1)[:, None]
    samples = samples.reshape(maps.shape[0], -1, height, width)  # (B, C * K, H', W')
    return F.conv2d(samples, weight.flatten(1)[:, :, None, None], bias)


def sample_bilinear(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Values (B, C, N) of maps (B, C, H, W) at N fractional pixel positions (B, N) an image; zero outside.

    Not ``grid_sample``: its scaling of positions to [-1, 1] and back moves whole pixels by a rounding error to either
    side, and so makes the gradient at an offset of 0 the slope to one or the other neighbour by chance.
    """
    height, width = maps.shape[-2:]
    flat = maps.flatten(2)
    values = torch.zeros((), dtype=maps.dtype, device=maps.device)
    column_neighbours = _neighbours(columns, width)
    for row, row_share in _neighbours(rows, height):
        for column, column_share in column_neighbours:
            index = (row * width + column)[:, None].expand(-1, flat.shape[1], -1)
            values = values + flat.gather(2, index) * (row_share * column_share)[:, None]
    return values


def _neighbours(position: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """Index and share of the whole positions below and above a fractional one; outside ``size`` the share is 0."""
    low = position.floor()
    pairs = (low, low + 1 - position), (low + 1, position - low)
    return [(whole.clamp(0, size - 1).long(), share * ((whole >= 0) & (whole < size))) for whole, share in pairs]


def _is_captured() -> bool:
    # a plain trace too, so that multiply-accumulates are counted alike on every machine
    return torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export() or torch.jit.is_tracing()
