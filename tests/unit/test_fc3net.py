"""FC3-Net: sizes to the digit, the order of its units, its two modules by hand, and a frozen forward pass."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn


@pytest.fixture(scope="module")
def fc3net(stack):
    import baselines.fc3net

    return baselines.fc3net


def parameters(module, trainable=False):
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad or not trainable)


def test_parameter_count_is_the_one_of_the_released_network(fc3net):
    released, clean = fc3net.FC3Net(), fc3net.FC3Net(faithful=False)
    assert parameters(released) == parameters(clean) == parameters(clean, trainable=True) == 7_043_864
    assert parameters(released, trainable=True) == 7_043_864 - 147_840  # one unit of 128 channels never runs


def test_parameter_counts_of_the_parts_by_hand(fc3net):
    net = fc3net.FC3Net()
    # A unit of i to o channels has 9io + 3o; summed over the chains of a branch of w channels:
    assert [parameters(branch) for branch in net.branches] == [321 * w**2 + 87 * w for w in (32, 64, 128)]
    assert parameters(net.stem) == 6 + (27 * 32 + 96) + (9 * 32**2 + 96) + (32 * 16 + 32)
    assert parameters(net.correlate) == (64 * 16 + 48) + (32 * 16 + 48) + 3 + 2 * 9


def test_norms_are_as_quick_as_in_the_released_network(fc3net):
    norms = {name: module for name, module in fc3net.FC3Net().named_modules() if isinstance(module, nn.BatchNorm2d)}
    slow = {name for name, norm in norms.items() if norm.momentum == 0.1}
    assert slow == {"correlate.reduce_middle.1", "correlate.reduce_high.1", "head.1"}
    assert {norm.momentum for name, norm in norms.items() if name not in slow} == {0.2}


@pytest.mark.parametrize("size", [(32, 32), (64, 96)])
def test_logits_have_the_size_of_the_image(fc3net, size):
    net = fc3net.FC3Net(in_channels=1).eval()
    assert net(torch.rand(2, 1, *size)).shape == (2, 1, *size)


def test_every_trainable_parameter_gets_a_gradient_at_batch_one(fc3net):
    net = fc3net.FC3Net()
    net(torch.rand(1, 3, 64, 64)).square().mean().backward()
    without = {name for name, parameter in net.named_parameters() if parameter.grad is None}
    assert without == {name for name, parameter in net.named_parameters() if name.startswith("branches.2.centre.2.")}


@pytest.mark.parametrize(("faithful", "expected"), [(True, [1, 1, 0, 1, 2, 1]), (False, [1] * 6)])
def test_units_of_the_third_branch_run_as_often_as_in_the_released_network(fc3net, faithful, expected):
    net, calls = fc3net.FC3Net(faithful=faithful).eval(), Counter()
    for branch, module in enumerate(net.branches):
        for unit, layer in enumerate(module.centre):
            layer.register_forward_hook(lambda *_, key=(branch, unit): calls.update([key]))
    net(torch.rand(1, 3, 32, 32))
    assert [calls[2, unit] for unit in range(6)] == expected
    assert all(calls[branch, unit] == 1 for branch in (0, 1) for unit in range(6))


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, features):
        return features * self.factor


class Constant(nn.Module):
    def __init__(self, value, shape):
        super().__init__()
        self.value, self.shape = value, shape

    def forward(self, features):
        return torch.full(self.shape, self.value)


def test_the_centre_is_compensated_after_every_second_unit(fc3net):
    branch, shape = fc3net.CompensationBranch(4), (1, 4, 2, 2)
    branch.centre = nn.ModuleList(Times(2) for _ in range(6))
    branch.fine = nn.ModuleList(Times(3) for _ in range(6))
    branch.from_fine = nn.ModuleList(Constant(value, shape) for value in (1.0, 10.0, 100.0))
    branch.from_coarse = nn.ModuleList(Constant(value, shape) for value in (2.0, 20.0, 200.0))
    fine, centre = branch.eval()(torch.ones(1, 2, 4, 4), torch.ones(shape))
    assert torch.equal(centre, torch.full(shape, ((4.0 + 3) * 4 + 30) * 4 + 300))
    assert torch.equal(fine, torch.full((1, 2, 4, 4), 3.0**6))


def test_the_correlation_by_hand(fc3net):
    module = fc3net.CrossLevelCorrelation(1, 1, 1)
    module.reduce_middle = module.reduce_high = nn.Identity()
    module.weights.data = torch.tensor([0.5, 0.25, 0.125])
    nn.init.zeros_(module.energy.weight)  # half of the middle map passes
    low, middle, high = torch.full((1, 1, 8, 8), 1.0), torch.full((1, 1, 4, 4), 2.0), torch.full((1, 1, 2, 2), 3.0)
    expected = (1 + 0.5) * 1 + 0.25 * 3 + 0.125 * 2 + 2 * 0.5
    assert torch.equal(module(low, middle, high), torch.full((1, 1, 8, 8), expected))


def test_the_energy_is_of_the_channels_mean_and_maximum(fc3net):
    module = fc3net.CrossLevelCorrelation(2, 2, 2)
    module.reduce_middle = module.reduce_high = nn.Identity()
    nn.init.zeros_(module.weights)
    nn.init.zeros_(module.energy.weight)
    module.energy.weight.data[0, :, 1, 1] = torch.tensor([1.0, 2.0])  # the cell itself: mean + 2 * maximum
    high = torch.tensor([1.0, -2.0]).reshape(1, 2, 1, 1)
    passing = module(torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 2, 2), high)
    assert torch.allclose(passing, torch.tensor(-0.5 + 2 * 1.0).sigmoid().expand(1, 2, 4, 4))


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


@pytest.mark.parametrize(("faithful", "frozen"), [
    (True, [0.03803, 0.20241, 0.39149, -0.65541, 0.44530, 0.74377]),
    (False, [0.03803, -0.13826, 0.41682, -0.82223, 0.28597, 0.79706]),
])
def test_a_forward_pass_with_fixed_weights_gives_the_frozen_logits(fc3net, faithful, frozen):
    # Made by this network; the released one, given the same weights, gives the first row to all five digits.
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = golden_weights(fc3net.FC3Net(faithful=faithful)).eval()(image)[0, 0]
    picked = torch.stack([logits[0, 0], logits[10, 50], logits[40, 3], logits[63, 95], logits.mean(), logits.std()])
    assert torch.allclose(picked, torch.tensor(frozen), rtol=1e-3, atol=1e-4)
