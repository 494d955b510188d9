"""UIU-Net: sizes to the digit, the blocks inside it, cross attention by hand, and a frozen forward."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="module")
def uiunet(stack):
    import baselines.uiunet

    return baselines.uiunet


@pytest.fixture(scope="module")
def net(uiunet):
    """One network for all tests that leave its weights alone: fifty million take a second to draw."""
    torch.manual_seed(0)
    return uiunet.UIUNet(in_channels=1)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


# Of the official network: on a grey image; two more channels are two more 3x3 kernels to 64 channels.
def test_parameter_count_is_the_official_one(net, uiunet):
    with torch.device("meta"):
        colour = uiunet.UIUNet(in_channels=3)
    assert (count(net), count(colour)) == (50_540_309, 50_541_461)
    assert count(colour) - count(net) == 2 * 9 * 64


@pytest.mark.parametrize(("channels", "expected"), [(512, 2_823_442), (256, 707_218), (128, 177_490)])
def test_cross_attention_has_one_refinement_for_both_maps(uiunet, channels, expected):
    # by hand, with q = channels / 4: two 1x1 to q, one q to c, one c to c, one 3x3 c to c, norms, 18 for the pixels
    c, q = channels, channels // 4
    assert (c * c + 3 * c) + 2 * (c * q + 3 * q) + (q * c + 3 * c) + 18 + (9 * c * c + 3 * c) == expected
    assert count(uiunet.CrossAttention(channels)) == expected


@pytest.mark.parametrize("shape", [(33, 47), (64, 32), (1, 1)])
def test_any_size_of_image_comes_out_at_its_size(net, shape):
    with torch.no_grad():
        assert net.eval()(torch.rand(1, 1, *shape)).shape == (1, 1, *shape)


def test_training_gives_seven_maps_of_which_the_first_is_fused_from_the_others(net):
    with torch.no_grad():
        fused, *sides = net.train()(torch.rand(2, 1, 33, 40))
        assert [tuple(logits.shape) for logits in (fused, *sides)] == [(2, 1, 33, 40)] * 7
        torch.testing.assert_close(fused, net.fuse(torch.cat(sides, dim=1)))


def test_the_sides_are_ordered_from_fine_to_coarse(net):
    # A map resized from few pixels is smooth: neighbours along a row differ less the coarser it was.
    with torch.no_grad():
        _, *sides = net.train()(torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0)))
    roughness = [(logits.diff(dim=3).abs().mean() / logits.std()).item() for logits in sides]
    assert roughness == sorted(roughness, reverse=True)


def test_evaluation_gives_the_fused_map_alone(net):
    image = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        single = net.eval()(image)
        net.training = True  # the list of training, from the same running statistics
        assert torch.equal(single, net(image)[0])


@pytest.mark.parametrize(("depth", "scales"), [(7, [64, 32, 16, 8, 4, 2, 2]), (4, [64, 32, 16, 16])])
def test_a_pooling_unet_halves_before_all_levels_but_the_first_and_the_last(uiunet, depth, scales):
    block, seen = uiunet._pooling_unet(1, 2, 3, depth).eval(), []
    for level in block.down:
        level.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[-1]))
    assert block(torch.rand(1, 1, 64, 64)).shape == (1, 3, 64, 64)
    assert seen == scales


def test_a_dilated_unet_keeps_its_size_and_mirrors_its_dilations(uiunet):
    block = uiunet._dilated_unet(1, 2, 3)
    dilations = [module.dilation[0] for module in block.modules() if isinstance(module, torch.nn.Conv2d)]
    assert dilations == [1, 1, 2, 4, 8, 4, 2, 1]  # projection, down, up
    assert block.eval()(torch.rand(1, 1, 5, 7)).shape == (1, 3, 5, 7)


def test_an_inner_unet_adds_the_projected_input(uiunet):
    block = uiunet._pooling_unet(1, 2, 3, depth=4).eval()
    torch.nn.init.zeros_(block.up[-1][0].weight)
    torch.nn.init.constant_(block.up[-1][0].bias, -1)  # below the last ReLU: the U adds nothing
    x = torch.rand(1, 1, 16, 16)
    torch.testing.assert_close(block(x), block.project(x))


def test_cross_attention_without_weights_passes_both_maps_low_first(uiunet):
    # Both weights are sigmoid(0), which the factor two undoes; the refinement is made the identity.
    attention = uiunet.CrossAttention(4).eval()
    for layer in (attention.channel_weights[1], attention.pixel_weights[0]):
        torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(attention.channel_weights[1].bias)
    torch.nn.init.dirac_(attention.refine[0].weight)
    torch.nn.init.zeros_(attention.refine[0].bias)
    high, low = torch.rand(2, 4, 6, 6), torch.rand(2, 4, 6, 6)
    expected = torch.cat([low, attention.adapt(high)], dim=1)
    torch.testing.assert_close(attention(high=high, low=low), expected, rtol=1e-4, atol=1e-4)


def test_cross_attention_weighs_channels_in_float32_under_autocast(uiunet):
    attention, types = uiunet.CrossAttention(8), []
    attention.channel_weights.register_forward_hook(lambda module, inputs, output: types.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        joined = attention(high=torch.rand(2, 8, 6, 6), low=torch.rand(2, 8, 6, 6))
    assert types == [torch.float32] and joined.dtype == torch.bfloat16


def test_a_training_batch_of_one_is_refused_by_batch_norm(uiunet):
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        uiunet.CrossAttention(8).train()(high=torch.rand(1, 8, 6, 6), low=torch.rand(1, 8, 6, 6))


def test_every_parameter_gets_a_gradient(net):
    net.train()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # batch statistics would hide the convolutions' biases
    sum(logits.square().mean() for logits in net(torch.rand(1, 1, 32, 32))).backward()
    missing = [name for name, parameter in net.named_parameters() if not parameter.grad.abs().sum() > 0]
    net.zero_grad()
    assert not missing


def test_forward_equals_frozen_values(uiunet, draw_weights):
    # Frozen from this code when it agreed exactly with the official network (625023a) on random weights.
    net = uiunet.UIUNet(in_channels=1).eval()
    generator = draw_weights(net)
    with torch.no_grad():
        logits = net(torch.randn(1, 1, 33, 48, generator=generator))[0, 0]
    found = torch.stack([logits.mean(), logits.std(), logits[0, 0], logits[8, 9], logits[20, 30], logits[-1, -1]])
    expected = torch.tensor([-0.286867, 0.074177, -0.367289, -0.307882, -0.230783, -0.165228])
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
