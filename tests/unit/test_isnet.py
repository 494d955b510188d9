"""ISNet: sizes by part, the gradient image and the Taylor step by hand, what its loss compares, a golden forward."""

from __future__ import annotations

import math

import pytest
import torch


@pytest.fixture(scope="module")
def isnet(stack):
    import baselines.isnet

    return baselines.isnet


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts_are_those_of_the_official_networks_living_parts(isnet):
    net = isnet.ISNet()
    # Per step, as published: two pairs of 3x3 convolutions 64 to 64 and their norms, gate, mixing.
    step = 2 * (2 * 64 * 64 * 9 + 2 * 2 * 64) + (2 * 65 + 65 * 66 + 66 + 2) + 64 * 64
    assert step == 156_552
    assert [size(module) for module in net.edge.steps] == [step] * 3
    assert size(net) == 1_090_671 - 103_709 == 986_962


def test_training_and_evaluation_give_one_map_of_the_size_of_the_image(isnet):
    net = isnet.ISNet(blocks=1, edge_width=8)
    assert net(torch.randn(1, 3, 32, 48)).shape == (1, 1, 32, 48)
    assert net.eval()(torch.randn(2, 3, 32, 48)).shape == (2, 1, 32, 48)


def test_the_edge_map_has_the_size_of_the_image_and_runs_on_one_channel_too(isnet):
    mask, edge = isnet.ISNet(blocks=1, in_channels=1, edge_width=8).mask_and_edge(torch.randn(2, 1, 16, 32))
    assert mask.shape == edge.shape == (2, 1, 16, 32)


def test_deformable_convolutions_start_without_offsets_and_norms_without_bias(isnet):
    net = isnet.ISNet(blocks=1)
    layers = [module for module in net.modules() if isinstance(module, isnet.ModulatedDeformConv2d)]
    assert len(layers) == 4
    assert not any(parameter.any() for layer in layers for parameter in layer.sampling.parameters())
    assert not any(module.bias.any() for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d))


def test_gradient_of_a_constant_image_is_zero_inside_and_the_constant_at_the_border(isnet):
    magnitude = isnet.gradient_magnitude(torch.full((1, 2, 5, 6), 3.0))
    assert torch.allclose(magnitude[..., 1:-1, 1:-1], torch.tensor(1e-3))
    assert torch.allclose(magnitude[..., 0, 1:-1], torch.tensor(3.0))
    assert magnitude[0, 0, 0, 0].item() == pytest.approx(3 * math.sqrt(2), abs=1e-5)


def test_gradient_of_one_bright_pixel_by_hand(isnet):
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 2, 2] = 2
    expected = torch.full((5, 5), 1e-3)
    expected[[1, 2, 2, 3], [2, 1, 3, 2]] = 2.0
    assert torch.allclose(isnet.gradient_magnitude(image)[0, 0], expected, atol=1e-6)


def test_the_loss_compares_the_edge_with_a_gradient_cut_at_one(isnet, monkeypatch):
    net = isnet.ISNet(blocks=1)
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 4:9, 4:9] = 1
    right_edge = isnet.gradient_magnitude(mask).clamp(max=1).logit(eps=1e-7)
    monkeypatch.setattr(net, "mask_and_edge", lambda image: ((mask - 0.5) * 60, right_edge))
    losses = net.training_losses(torch.zeros(1, 3, 16, 16), mask)
    # A pixel on the edge costs nothing; one off it, where the target is 0.001, its own entropy. Soft IoU of a map with
    # itself is sum(t²) / (2 sum(t) - sum(t²)), not quite 1 for those.
    off = (right_edge < 0).sum().item()
    on = 256 - off
    entropy = -(0.001 * math.log(0.001) + 0.999 * math.log(0.999))
    squares = on + off * 1e-6
    assert list(losses) == ["loss_mask", "loss_edge", "loss_edge_iou"]
    assert losses["loss_mask"].item() == pytest.approx(0, abs=1e-5)
    assert losses["loss_edge"].item() == pytest.approx(10 * off / 256 * entropy, rel=1e-3)
    expected = 1 - squares / (2 * (on + off * 1e-3) - squares)
    assert losses["loss_edge_iou"].item() == pytest.approx(expected, rel=1e-3)


def test_an_undecided_edge_costs_ten_times_the_log_of_two(isnet, monkeypatch):
    net = isnet.ISNet(blocks=1)
    zeros = torch.zeros(2, 1, 16, 16)
    monkeypatch.setattr(net, "mask_and_edge", lambda image: (zeros, zeros))
    assert net.training_losses(torch.zeros(2, 3, 16, 16), zeros)["loss_edge"].item() == pytest.approx(10 * math.log(2))


def test_attention_of_an_empty_shallow_map_is_twice_the_deep_one(isnet):
    attention = isnet.TwoOrientationAttention(4)
    for layer in attention.project:
        torch.nn.init.zeros_(layer.bias)
    deep = torch.randn(1, 4, 5, 6)
    assert torch.allclose(attention(deep, torch.zeros_like(deep)), 2 * attention.project(deep))


def test_attention_weighs_the_shallow_map_once_before_it_has_learnt(isnet):
    attention = isnet.TwoOrientationAttention(4)
    for layer in (attention.along_columns, attention.along_rows):
        torch.nn.init.zeros_(layer.weight)  # sigmoid of zero, twice
    deep, shallow = torch.randn(2, 1, 4, 5, 6)
    assert torch.allclose(attention(deep, shallow), 2 * attention.project(deep) + attention.project(shallow))


def test_a_taylor_step_without_second_difference_is_three_times_the_first(isnet):
    step = isnet.TaylorStep(3).eval()
    for parameter in step.second.parameters():
        torch.nn.init.zeros_(parameter)
    features = torch.randn(1, 3, 6, 6)
    expected = 3 * step.first(features).relu()
    assert torch.allclose(step(features, torch.randn(1, 1, 6, 6)), expected)


def test_a_gate_that_is_shut_passes_features_once_and_an_open_one_doubles_them(isnet):
    gate = isnet.GuidedGate(2).eval()
    torch.nn.init.eye_(gate.mix.weight.data[:, :, 0, 0])
    features, guide = torch.rand(1, 2, 4, 4), torch.randn(1, 1, 4, 4)
    for bias, factor in ((-50.0, 1), (50.0, 2)):
        torch.nn.init.constant_(gate.gate[4].bias, bias)
        assert torch.allclose(gate(features, guide), factor * features)


def test_every_parameter_gets_a_gradient(isnet):
    net = isnet.ISNet(blocks=1, edge_width=8).eval()  # in training a bias before a norm has none
    mask = torch.zeros(2, 1, 32, 32)
    mask[..., 10:14, 10:14] = 1
    sum(net.training_losses(torch.randn(2, 3, 32, 32), mask).values()).backward()
    silent = [name for name, parameter in net.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert not silent


# Printed by this network (torch 2.13, CPU) after its logits agreed with the official one's under shared weights: four
# pixels, mean and standard deviation of the mask, then of the edge.
GOLDEN = [14.34503, 23.55023, 3.92984, 4.65382, 41.91562, 62.44495,
          -25.93133, 97.93524, 100.79108, -117.80865, 73.82825, 91.77265]


def test_golden_forward(isnet):
    net = isnet.ISNet(blocks=1, edge_width=16).eval()
    fill(net)
    image = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        mask, edge = net.mask_and_edge(image)
    found = [*mask[0, 0, [0, 7, 15, 31], [0, 40, 20, 47]].tolist(), mask.mean().item(), mask.std().item(),
             *edge[0, 0, [0, 7, 15, 31], [0, 40, 20, 47]].tolist(), edge.mean().item(), edge.std().item()]
    assert found == pytest.approx(GOLDEN, rel=1e-3, abs=1e-4)


def fill(net):
    """Weights that depend on the order of their names alone, of a size that lets the image through."""
    generator = torch.Generator().manual_seed(0)
    for name, value in sorted(net.state_dict().items()):
        if value.is_floating_point():
            value.copy_(torch.randn(value.shape, generator=generator))
            value.mul_((2 / value[0].numel()) ** 0.5 if value.dim() > 1 else 0.05)
            if name.endswith("running_var") or name.endswith("weight") and value.dim() == 1:
                value.fill_(1)
