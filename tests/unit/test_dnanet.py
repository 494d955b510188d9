"""DNA-Net: sizes to the digit, the wiring of the nested grid, attention by hand, and a frozen forward."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="module")
def dnanet(stack):
    import baselines.dnanet

    return baselines.dnanet


@pytest.fixture(scope="module")
def small(dnanet):
    """The ResNet-10 form, seeded."""
    torch.manual_seed(0)
    return dnanet.DNANet((1, 1, 1, 1), in_channels=1)


# Counts of the official network: ResNet-18 on grey and on colour images, ResNet-10, ResNet-34.
@pytest.mark.parametrize(("blocks", "channels", "expected"), [
    ((2, 2, 2, 2), 1, 4_696_568), ((2, 2, 2, 2), 3, 4_696_888), ((1, 1, 1, 1), 3, 2_612_196),
    ((3, 4, 6, 3), 3, 8_792_702),
])
def test_parameter_count_is_the_official_one(dnanet, blocks, channels, expected):
    assert sum(parameter.numel() for parameter in dnanet.DNANet(blocks, channels).parameters()) == expected


def test_the_finest_attention_has_one_hidden_channel(dnanet):
    # 16 -> 1 -> 16 without biases, and one 7x7 kernel over two maps
    block = dnanet.ResidualAttention(16, 16)
    assert sum(parameter.numel() for parameter in block.attention.parameters()) == 16 + 16 + 2 * 49


def test_training_gives_the_fused_map_and_three_more_at_full_size(small):
    maps = small.train()(torch.rand(2, 1, 32, 48))
    assert [tuple(logits.shape) for logits in maps] == [(2, 1, 32, 48)] * 4


def test_evaluation_gives_the_fused_map_alone(small):
    image = torch.rand(1, 1, 32, 48)
    with torch.no_grad():
        single = small.eval()(image)
        small.training = True  # the list of training, from the same running statistics
        assert torch.equal(single, small(image)[0])


def test_nodes_are_ordered_so_that_their_neighbours_come_first(dnanet):
    done = set()
    for row, column in dnanet.NODES:
        needed = {(row, earlier) for earlier in range(column)}
        needed |= {(row + 1, column - 1)} if column else set()
        needed |= {(row - 1, column)} if row else set()
        assert needed <= done, (row, column)
        done.add((row, column))
    assert len(done) == 15


def test_a_node_takes_its_row_then_the_row_below_then_the_row_above(dnanet):
    # Constant maps stay constant when resized, so that each channel's value names its source.
    grid = {(row, column): torch.full((1, dnanet.WIDTHS[row], 32 >> row, 32 >> row), 10.0 * row + column)
            for row, column in dnanet.NODES}
    taken = dnanet._gather(grid, 1, 2)
    assert taken.shape == (1, 32 + 32 + 64 + 16, 16, 16)
    torch.testing.assert_close(taken[0, :, 5, 7], torch.tensor([10.0] * 32 + [11.0] * 32 + [21.0] * 64 + [2.0] * 16))


def test_the_row_above_is_halved_between_aligned_corners(dnanet):
    # Four columns onto two: corners stay, where pooling or free corners would give 0.5 and 2.5.
    ramp = torch.arange(4.0).expand(1, 16, 4, 4)
    grid = {(0, 1): ramp, (1, 0): torch.zeros(1, 32, 2, 2), (2, 0): torch.zeros(1, 64, 1, 1)}
    torch.testing.assert_close(dnanet._gather(grid, 1, 1)[0, -1, 0], torch.tensor([0.0, 3.0]))


def test_the_pyramid_is_stacked_from_coarse_to_fine(dnanet, small):
    grid = {(row, 4 - row): torch.zeros(1, width, 16 >> row, 16 >> row) for row, width in enumerate(dnanet.WIDTHS)}
    grid[0, 4] += 9
    biases = [convolution.bias for convolution in small.reduce]  # of rows 1 to 4, all that is left of a zero map
    expected = torch.cat([*reversed(biases), torch.full((16,), 9.0)])
    torch.testing.assert_close(small._pyramid(grid)[0, :, 3, 3], expected)


def test_attention_without_weights_halves_twice(dnanet):
    # sigmoid(0) for the channel and for the pixel: the body counts a quarter.
    block = dnanet.ResidualAttention(16, 16).eval()
    for parameter in block.attention.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.rand(1, 16, 8, 8)
    torch.testing.assert_close(block(x), torch.relu(block.body(x) / 4 + x))


def test_channel_attention_by_hand(dnanet):
    # Means 1 and peaks 4 over 16 channels, all weights 1/16: hidden units 1 and 4, each sent back as 1/16 of itself.
    attention = dnanet._ChannelAttention(16)
    for parameter in attention.parameters():
        torch.nn.init.constant_(parameter, 1 / 16)
    x = torch.tensor([[4.0, 0.0], [0.0, 0.0]]).expand(1, 16, 2, 2)
    torch.testing.assert_close(attention(x), x * torch.sigmoid(torch.tensor(5 / 16)))


def test_every_parameter_gets_a_gradient(dnanet):
    net = dnanet.DNANet((1, 1, 1, 1), in_channels=1).train()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # batch statistics would hide the convolutions' biases
        elif isinstance(module, dnanet._ChannelAttention):
            torch.nn.init.ones_(module.weigh[0].weight)  # else the single hidden unit is dead for half of all seeds
    sum(logits.square().mean() for logits in net(torch.rand(1, 1, 32, 32))).backward()
    missing = [name for name, parameter in net.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert not missing


def test_bfloat16_autocast_gives_the_same_logits_to_its_precision(small):
    image = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        exact = small.eval()(image)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = small(image)
    assert (rounded.float() - exact).abs().mean() < 0.05 * exact.abs().mean()


def test_a_wrong_number_of_rows_is_refused(dnanet):
    with pytest.raises(ValueError, match="4 rows"):
        dnanet.DNANet((2, 2, 2))


def test_forward_equals_frozen_values(dnanet, draw_weights):
    # Frozen from this code when it agreed exactly with the official network (21584be) on random weights.
    net = dnanet.DNANet((1, 1, 1, 1), in_channels=1).eval()
    generator = draw_weights(net)
    with torch.no_grad():
        logits = net(torch.randn(1, 1, 32, 48, generator=generator))[0, 0]
    found = torch.stack([logits.mean(), logits.std(), logits[0, 0], logits[8, 9], logits[20, 30], logits[-1, -1]])
    expected = torch.tensor([-0.375025, 0.095548, -0.250699, -0.347974, -0.316656, -0.412328])
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
