"""ALCNet: sizes to the digit, the local contrast by hand and by brute force, and a frozen forward pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch


@pytest.fixture(scope="module")
def alcnet(stack):
    import baselines.alcnet

    return baselines.alcnet


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("channels", "expected"), [(3, 372_573), (1, 372_285)])
def test_parameter_count_is_the_one_of_the_released_checkpoint(alcnet, channels, expected):
    assert parameters(alcnet.ALCNet(in_channels=channels)) == expected


def test_parameter_counts_of_the_parts_by_hand(alcnet):
    net = alcnet.ALCNet()
    assert parameters(net.stem) == 3 * 16 * 9 + 2 * 16
    assert parameters(net.contrast1) == 0
    assert parameters(net.contrast2) == 32 * 16 + 2 * 16
    assert parameters(net.contrast3) == 64 * 16 + 2 * 16
    assert parameters(net.fuse1) == 2 * (2 * 16) + 2 * (16 * 16 + 16 + 2 * 16)


@pytest.mark.parametrize("size", [(1, 7), (64, 68), (80, 125)])
def test_logits_have_the_size_of_an_image_of_any_size(alcnet, size):
    net = alcnet.ALCNet(blocks=1, in_channels=1).eval()
    assert net(torch.rand(2, 1, *size)).shape == (2, 1, *size)


def test_one_map_comes_out_in_training_at_batch_one(alcnet):
    assert alcnet.ALCNet(blocks=1).train()(torch.rand(1, 3, 40, 32)).shape == (1, 1, 40, 32)


def test_every_parameter_gets_a_gradient(alcnet):
    torch.manual_seed(0)
    net = alcnet.ALCNet(blocks=1)
    net(torch.rand(2, 3, 48, 48)).square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        if parameter.ndim > 1:  # a bias that a norm follows has a gradient of zero
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("shift", [3, 13])
@pytest.mark.parametrize("value", [1.0, -1.0])
def test_contrast_of_a_single_point_is_one_there_and_zero_elsewhere(alcnet, shift, value):
    features = torch.zeros(1, 2, 40, 44)
    features[0, 1, 20, 5] = value
    assert torch.equal(alcnet.local_contrast(features, shift), features.abs())


def test_contrast_of_a_constant_map_is_zero(alcnet):
    assert not alcnet.local_contrast(torch.full((1, 3, 30, 30), 7.5), 13).any()


def test_contrast_is_nowhere_positive_on_an_edge_or_a_slope(alcnet):
    rows = torch.arange(30.0).expand(1, 1, 30, 30)
    assert alcnet.local_contrast((rows > 14).float(), 5).max() <= 0
    assert alcnet.local_contrast(rows, 5)[..., 5:-5].max() <= 0  # the wrapped border is no slope


def test_neighbours_beyond_the_border_are_those_of_the_opposite_border(alcnet):
    features = torch.zeros(1, 1, 30, 30)
    features[0, 0, 0, 0] = features[0, 0, 30 - 13, 0] = 1  # thirteen rows above the first is row seventeen
    assert not alcnet.local_contrast(features, 13)[0, 0, 0].any()


def test_contrast_equals_the_definition_cell_by_cell(alcnet):
    features = np.random.default_rng(0).normal(size=(1, 2, 9, 7))
    expected = np.empty_like(features)
    for channel, row, column in np.ndindex(features.shape[1:]):
        centre = features[0, channel, row, column]
        products = []
        for down, right in ((0, 2), (2, 0), (2, 2), (2, -2)):
            one = features[0, channel, (row + down) % 9, (column + right) % 7]
            other = features[0, channel, (row - down) % 9, (column - right) % 7]
            products.append((one - centre) * (other - centre))
        expected[0, channel, row, column] = min(products)
    assert np.allclose(alcnet.local_contrast(torch.from_numpy(features), 2), expected, rtol=1e-12)


def test_the_larger_of_two_dilations_counts(alcnet):
    features = torch.zeros(1, 16, 60, 60)
    features[..., 20, 20] = features[..., 33, 20] = 1  # thirteen rows apart: hidden at 13, plain at 17
    contrast = alcnet.MultiScaleContrast(16, 16)(features)
    assert contrast[0, 0, 20, 20] == contrast[0, 0, 33, 20] == 1 == contrast.max()


def test_contrast_stays_in_float32_under_autocast(alcnet):
    features = torch.zeros(2, 32, 40, 40, dtype=torch.float16)
    features[..., 20, 20] = 1000  # its square is beyond half precision
    with torch.autocast("cpu", dtype=torch.float16):
        contrast = alcnet.MultiScaleContrast(32, 16).eval()(features)
    assert contrast.dtype == torch.float32
    assert torch.isfinite(contrast).all() and contrast.max() > 70_000


def test_modulation_adds_half_of_the_high_map_where_attention_knows_nothing(alcnet):
    fuse = alcnet.BottomUpModulation(2).eval()
    for parameter in fuse.attention.parameters():
        torch.nn.init.zeros_(parameter)
    high, low = torch.full((1, 2, 2, 2), 3.0), torch.rand(1, 2, 5, 4)
    assert torch.allclose(fuse(high=high, low=low), low + 1.5, rtol=1e-4)


def golden_weights(net):
    generator = torch.Generator().manual_seed(0)
    for name, value in sorted(net.state_dict().items()):
        if value.is_floating_point():
            noise = torch.randn(value.shape, generator=generator)
            if name.endswith("running_var"):
                value.fill_(1)
            elif value.ndim == 4:
                value.copy_(noise * (2 / value[0].numel()) ** 0.5)
            else:
                value.copy_(noise * 0.05 + name.endswith("weight"))
    return net


def test_a_forward_pass_with_fixed_weights_gives_the_frozen_logits(alcnet):
    # Made by this network after it had given, from the authors' released weights, the masks of their 96 released
    # predictions pixel by pixel.
    frozen = [1.14587, 0.84750, -0.59759, -0.20310, -1.83359, 3.69441]
    image = torch.randn(1, 3, 72, 76, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = golden_weights(alcnet.ALCNet(blocks=2)).eval()(image)[0, 0]
    picked = torch.stack([logits[0, 0], logits[10, 50], logits[40, 3], logits[71, 75], logits.mean(), logits.std()])
    assert torch.allclose(picked, torch.tensor(frozen), rtol=1e-3, atol=1e-4)
