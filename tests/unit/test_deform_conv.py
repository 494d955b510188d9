"""Modulated deformable convolution: every implementation that runs here against a slow loop, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

KERNELS = [(3, 1), (1, 3), (3, 3)]


@pytest.fixture(scope="module")
def deform_conv(stack):
    import baselines.deform_conv

    return baselines.deform_conv


@pytest.fixture(scope="module")
def implementations(deform_conv):
    """The plain one always; torchvision's where it is compiled."""
    compiled = [deform_conv.deform_conv2d] if deform_conv.has_compiled_operator() else []
    return [deform_conv.plain_deform_conv2d, *compiled]


def arguments(kernel, offset_scale=2.0, height=6, width=7):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    points = kernel[0] * kernel[1]
    return dict(
        maps=normal(2, 3, height, width), offset=normal(2, 2 * points, height, width) * offset_scale,
        strength=torch.rand(2, points, height, width, generator=generator, dtype=torch.float64),
        weight=normal(4, 3, *kernel), bias=normal(4), padding=(kernel[0] // 2, kernel[1] // 2),
    )


def sampled(image, row, column):
    """Bilinear value of a 2-D array at a fractional position, by the four pixels round it; zero outside."""
    value = 0.0
    for i in (int(np.floor(row)), int(np.floor(row)) + 1):
        for j in (int(np.floor(column)), int(np.floor(column)) + 1):
            if 0 <= i < image.shape[0] and 0 <= j < image.shape[1]:
                value += image[i, j] * (1 - abs(row - i)) * (1 - abs(column - j))
    return value


def slow(maps, offset, strength, weight, bias, padding):
    """The definition, one output number at a time."""
    maps, offset, strength, weight, bias = (tensor.numpy() for tensor in (maps, offset, strength, weight, bias))
    batch, (outputs, channels, kernel_rows, kernel_columns) = maps.shape[0], weight.shape
    height, width = offset.shape[2:]
    result = np.zeros((batch, outputs, height, width))
    for b, o, y, x in np.ndindex(result.shape):
        total = bias[o]
        for c, i, j in np.ndindex(channels, kernel_rows, kernel_columns):
            k = i * kernel_columns + j
            row = y - padding[0] + i + offset[b, 2 * k, y, x]
            column = x - padding[1] + j + offset[b, 2 * k + 1, y, x]
            total += weight[o, c, i, j] * strength[b, k, y, x] * sampled(maps[b, c], row, column)
        result[b, o, y, x] = total
    return torch.from_numpy(result)


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_implementation_equals_the_definition_inside_and_outside_the_image(implementations, kernel):
    given = arguments(kernel)
    expected = slow(**given)
    for implementation in implementations:
        assert torch.allclose(implementation(**given), expected)


@pytest.mark.parametrize("kernel", KERNELS)
def test_without_offsets_and_at_full_strength_it_is_a_convolution(implementations, kernel):
    given = arguments(kernel, offset_scale=0) | dict(strength=torch.ones(2, kernel[0] * kernel[1], 6, 7).double())
    expected = F.conv2d(given["maps"], given["weight"], given["bias"], padding=given["padding"])
    for implementation in implementations:
        assert torch.allclose(implementation(**given), expected)


def test_a_row_offset_of_one_reads_the_next_row_and_zero_below_the_last(implementations):
    maps = torch.arange(6.0).reshape(1, 1, 3, 2)
    offset = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1).expand(-1, -1, 3, 2)
    one = torch.ones(1, 1, 3, 2)
    for implementation in implementations:
        moved = implementation(maps, offset, one, torch.ones(1, 1, 1, 1), torch.zeros(1), (0, 0))
        assert moved[0, 0].tolist() == [[2, 3], [4, 5], [0, 0]]


def test_the_gradient_of_a_zero_offset_is_the_slope_to_the_next_pixel(implementations):
    # Row 1 4 9: slopes to the right are 3, 5 and, to the zero outside, -9; downwards everything falls to zero.
    maps = torch.tensor([1.0, 4.0, 9.0]).reshape(1, 1, 1, 3)
    for implementation in implementations:
        offset = torch.zeros(1, 2, 1, 3, requires_grad=True)
        read = implementation(maps, offset, torch.ones(1, 1, 1, 3), torch.ones(1, 1, 1, 1), torch.zeros(1), (0, 0))
        read.sum().backward()
        assert offset.grad[0, :, 0].tolist() == [[-1, -4, -9], [3, 5, -9]]


def test_far_offsets_read_nothing(implementations):
    given = arguments((3, 1)) | dict(offset=torch.full((2, 6, 6, 7), 1e6, dtype=torch.float64))
    for implementation in implementations:
        assert torch.equal(implementation(**given), given["bias"][None, :, None, None].expand(2, -1, 6, 7))


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_new_layer_is_half_a_convolution(deform_conv, kernel):
    layer = deform_conv.ModulatedDeformConv2d(3, 4, kernel)
    maps = torch.randn(2, 3, 5, 6)
    assert torch.allclose(layer(maps), F.conv2d(maps, layer.weight / 2, padding=layer.padding), atol=1e-6)


def test_under_autocast_positions_keep_full_precision(deform_conv):
    layer = deform_conv.ModulatedDeformConv2d(2, 2, (1, 3))
    torch.nn.init.normal_(layer.sampling.weight)
    maps = torch.randn(1, 2, 4, 300)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = layer(maps)
    assert cast.dtype == torch.float32 and torch.equal(cast, layer(maps))


def test_a_captured_graph_holds_no_compiled_operator(deform_conv, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the compiled operator was called")

    monkeypatch.setattr(deform_conv, "has_compiled_operator", lambda: True)
    monkeypatch.setattr(deform_conv, "torchvision_deform_conv2d", refuse)
    layer, maps = deform_conv.ModulatedDeformConv2d(2, 2, (3, 1)), torch.randn(1, 2, 4, 5)
    with pytest.raises(AssertionError, match="was called"):
        layer(maps)
    with torch.no_grad():
        traced = torch.jit.trace(layer, maps, check_trace=False)(maps)
        exported = torch.export.export(layer, (maps,)).module()(maps)
    assert torch.allclose(traced, F.conv2d(maps, layer.weight / 2, padding=layer.padding), atol=1e-6)
    assert torch.allclose(exported, traced, atol=1e-6)
