"""The shared pieces of baselines: sizes by hand, shapes, the shortcut, and the spread of initial weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from baselines.blocks import ResidualBlock, msra_prelu_initialise, prediction_head, residual_stage


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts_by_hand():
    plain = 2 * (16 * 16 * 9 + 2 * 16)  # two convolutions without bias, two norms
    strided = (16 * 32 * 9 + 64) + (32 * 32 * 9 + 64) + (16 * 32 + 64)
    assert parameters(ResidualBlock(16, 16, 1)) == plain
    assert parameters(ResidualBlock(16, 32, 2)) == strided
    assert parameters(residual_stage(16, 16, blocks=4, stride=1)) == 4 * plain
    assert parameters(prediction_head(16, 4)) == (16 * 4 * 9) + 2 * 4 + (4 + 1)


def test_a_head_with_a_prior_starts_there_and_is_otherwise_the_same():
    heads = []
    for prior in (None, 0.01):
        torch.manual_seed(0)
        heads.append(prediction_head(16, 4, prior))
    (*plain, first), (*same, second) = (list(head.parameters()) for head in heads)
    assert all(torch.equal(a, b) for a, b in zip(plain, same, strict=True))
    assert second.sigmoid().item() == pytest.approx(0.01) and first.sigmoid().item() > 0.2


@pytest.mark.parametrize(("stride", "expected"), [(1, (13, 18)), (2, (7, 9))])
def test_a_stage_strides_once_and_rounds_up(stride, expected):
    assert residual_stage(4, 8, blocks=3, stride=stride)(torch.rand(2, 4, 13, 18)).shape == (2, 8, *expected)


def test_a_block_without_weights_passes_positive_features_on():
    block = ResidualBlock(3, 3, 1).eval()
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    features = torch.randn(1, 3, 5, 5)
    assert torch.equal(block(features), features.relu())


def test_initial_weights_have_the_spread_of_the_authors_framework():
    conv = nn.Conv2d(64, 192, 3)
    msra_prelu_initialise(conv)
    # Mean fan (64 + 192) / 2 * 9 = 1152; variance 2 / (1 + 0.25^2) / 1152.
    assert conv.weight.var().item() == pytest.approx(2 / 1.0625 / 1152, rel=0.03)
    assert not conv.bias.any()
