"""SCTransNet: sizes to the digit by part, the order of its maps, channel attention by hand, and a frozen forward."""

from __future__ import annotations

import pytest
import torch

WIDTHS = (32, 64, 128, 256)


@pytest.fixture(scope="module")
def sctransnet(stack):
    import baselines.sctransnet

    return baselines.sctransnet


@pytest.fixture(scope="module")
def small(sctransnet):
    """One transformer layer, seeded."""
    torch.manual_seed(0)
    return sctransnet.SCTransNet(layers=1)


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_count_is_the_official_one_without_dead_weights(sctransnet):
    positions = 256 * sum(WIDTHS)  # of a 256x256 image: 256 patches at each level
    scalars = 4 * 16
    assert size(sctransnet.SCTransNet()) == 11_325_939 - positions - scalars == 11_202_995


def test_attention_has_grouped_queries_of_two_channels_and_depthwise_keys(sctransnet):
    # 1x1 and grouped 3x3 of two channels for each query, 1x1 and depth-wise 3x3 for key and value, 1x1 at the end
    queries = sum(c * c + c * 2 * 9 for c in WIDTHS)
    both = 2 * (480 * 480 + 480 * 9)
    assert size(sctransnet.ChannelCrossAttention()) == queries + both + sum(c * c for c in WIDTHS) == 652_160


@pytest.mark.parametrize(("channels", "hidden"), [(32, 85), (64, 170), (128, 340), (256, 680)])
def test_feed_forward_widens_by_a_truncated_factor(sctransnet, channels, hidden):
    expected = channels * 2 * hidden + hidden * (9 + 25) + 2 * hidden * channels + 3
    assert size(sctransnet.ComplementaryFeedForward(channels)) == expected


def test_training_gives_six_maps_of_the_size_of_the_image(small):
    maps = small.train()(torch.randn(2, 1, 48, 80))
    assert [tuple(logits.shape) for logits in maps] == [(2, 1, 48, 80)] * 6


def test_evaluation_gives_the_first_of_the_six_which_is_not_the_fused(small):
    image = torch.randn(1, 1, 64, 48)
    with torch.no_grad():
        single = small.eval()(image)
        small.training = True  # the list of training, from the same running statistics
        maps = small(image)
        fused = small.fuse(torch.cat([*maps[2:], maps[0]], dim=1))
    assert torch.equal(single, maps[0])
    torch.testing.assert_close(maps[1], fused)
    assert not torch.allclose(maps[0], maps[1])


def test_side_maps_are_listed_fine_to_coarse(sctransnet):
    net = sctransnet.SCTransNet(layers=1).train()
    assert [head.in_channels for head in net.side_heads] == [32, 64, 128, 256]  # of each decoder stage but the last
    for value, head in enumerate(net.side_heads):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.constant_(head.bias, value)
    with torch.no_grad():
        maps = net(torch.randn(2, 1, 32, 32))
    for value, logits in enumerate(maps[2:]):
        torch.testing.assert_close(logits, torch.full((2, 1, 32, 32), float(value)))


def test_a_silent_transformer_leaves_the_skips_as_they_are(sctransnet):
    transformer = sctransnet.SkipTransformer(layers=1).eval()
    for _, norm, _ in transformer.rebuild:
        torch.nn.init.zeros_(norm.weight)
    skips = [torch.randn(1, width, 32 >> level, 32 >> level) for level, width in enumerate(WIDTHS)]
    for skip, returned in zip(skips, transformer([skip.clone() for skip in skips]), strict=True):
        assert torch.equal(skip, returned)


def test_skips_of_a_silent_transformer_reach_the_decoder_twice(small, monkeypatch):
    seen = []
    monkeypatch.setattr(small.transformer, "forward", lambda skips: skips)
    monkeypatch.setattr(small.decoder[0], "forward", lambda deep, skip: seen.append(skip) or skip)
    image = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        small.eval()(image)
        torch.testing.assert_close(seen[0], 2 * small.encoder[0](image))


def test_equal_keys_make_every_channel_the_mean_of_all_values(sctransnet):
    query, value = torch.randn(2, 4, 3, 5), torch.randn(2, 6, 3, 5)
    key = torch.randn(2, 1, 3, 5).expand(2, 6, 3, 5)
    found = sctransnet._channel_attention(query, key, value)
    # the row norm of a score is the same for all six, so each has a sixth of the weight
    torch.testing.assert_close(found, value.mean(1, keepdim=True).expand(2, 4, 3, 5))


def test_channel_attention_by_hand(sctransnet):
    # Two points. Both queries lie along the first key; keys are orthogonal: cosines 1 and 0 over a root of 2. Over the
    # matrix their mean is m and their deviation m too (m = 1 / 8 ** 0.5), so normed they are about 1 and -1.
    query = torch.tensor([[[[5.0, 0.0]], [[2.0, 0.0]]]])
    key = torch.tensor([[[[3.0, 0.0]], [[0.0, 7.0]]]])
    value = torch.tensor([[[[1.0, 2.0]], [[3.0, 6.0]]]])
    deviation = (1 / 8 + 1e-5) ** 0.5
    first = torch.sigmoid(torch.tensor(2 * 8**-0.5 / deviation))
    expected = first * value[:, :1] + (1 - first) * value[:, 1:]
    torch.testing.assert_close(sctransnet._channel_attention(query, key, value), expected.expand(1, 2, 1, 2))


def test_the_order_of_the_channels_attended_to_does_not_matter(sctransnet):
    query, key, value = torch.randn(1, 4, 3, 3), torch.randn(1, 6, 3, 3), torch.randn(1, 6, 3, 3)
    order = torch.randperm(6)
    torch.testing.assert_close(sctransnet._channel_attention(query, key[:, order], value[:, order]),
                               sctransnet._channel_attention(query, key, value))


def test_channel_norm_makes_each_point_zero_mean_and_unit_variance(sctransnet):
    normed = sctransnet.ChannelNorm(32)(3 + 2 * torch.randn(2, 32, 4, 5))
    torch.testing.assert_close(normed.mean(1), torch.zeros(2, 4, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(normed.var(1, unbiased=False), torch.ones(2, 4, 5), atol=1e-3, rtol=0)


def test_a_gate_without_weights_halves_the_skip_and_drops_its_negatives(sctransnet, monkeypatch):
    merge = sctransnet.GatedMerge(4, 2)
    for judge in (merge.judge_skip, merge.judge_deep):
        torch.nn.init.zeros_(judge.weight)
        torch.nn.init.zeros_(judge.bias)
    monkeypatch.setattr(merge, "merge", torch.nn.Identity())
    deep, skip = torch.randn(1, 4, 2, 2), torch.randn(1, 4, 4, 4)
    doubled = deep.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(merge(deep, skip), torch.cat([skip.relu() / 2, doubled], dim=1))


def test_every_parameter_gets_a_gradient_at_another_size_than_the_authors(sctransnet):
    net = sctransnet.SCTransNet(layers=2).train()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # batch statistics would hide the convolutions' biases
    sum(logits.square().mean() for logits in net(torch.randn(1, 1, 48, 64))).backward()
    missing = [name for name, parameter in net.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert not missing


def test_bfloat16_autocast_gives_the_same_logits_to_its_precision(small):
    image = torch.randn(1, 1, 48, 48)
    with torch.no_grad():
        exact = small.eval()(image)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = small(image)
    assert (rounded.float() - exact).abs().mean() < 0.1 * exact.abs().mean()


def test_forward_equals_frozen_values(sctransnet, draw_weights):
    # Frozen from this code when its six maps agreed with the official network (e027628) on random weights.
    net = sctransnet.SCTransNet(layers=2).eval()
    generator = draw_weights(net)
    with torch.no_grad():
        logits = net(torch.randn(1, 1, 32, 48, generator=generator))[0, 0]
    found = torch.stack([logits.mean(), logits.std(), logits[0, 0], logits[8, 9], logits[20, 30], logits[-1, -1]])
    expected = torch.tensor([0.176778, 0.173449, 0.059518, 0.193827, 0.309841, 0.110570])
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
