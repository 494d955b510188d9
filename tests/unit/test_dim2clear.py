"""The reconstruction of Dim2Clear: the frequency split by an independent transform, its parts by hand, a frozen one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dct, dctn, idctn


@pytest.fixture(scope="module")
def dim2clear(stack):
    import baselines.dim2clear

    return baselines.dim2clear


@pytest.fixture(scope="module")
def small(dim2clear):
    """One block a stage, seeded."""
    torch.manual_seed(0)
    return dim2clear.Dim2Clear(blocks=1)


def basis(row, column):
    """The 8x8 image of one cosine coefficient."""
    coefficients = np.zeros((8, 8))
    coefficients[row, column] = 1
    return torch.from_numpy(idctn(coefficients, norm="ortho")).float().view(1, 1, 8, 8)


def test_a_marked_reconstruction_has_no_recipe_of_its_own():
    from benchmark import configs

    config = configs.load("methods", "dim2clear")
    assert config["method"]["reconstruction"] is True
    assert "recipes" not in config


def test_parameter_counts_of_the_new_parts(dim2clear):
    # channels 16: 7x7 on two maps; two bands of 1x1, norm, and 16-4-16 squeeze
    squeeze = 16 * 4 + 4 + 4 * 16 + 16
    attention = dim2clear.SpatialFrequencyAttention(16)
    assert sum(p.numel() for p in attention.parameters()) == 2 * 49 + 1 + 2 * (256 + 32 + squeeze)
    # three 3x3 views 16-8, then 1x1 24-16 and norm
    eyeball = dim2clear.EyeballEnhancement(16)
    assert sum(p.numel() for p in eyeball.parameters()) == 3 * 16 * 8 * 9 + 24 * 16 + 32


@pytest.mark.parametrize("shape", [(1, 1, 32, 32), (2, 1, 64, 96)])
def test_training_and_evaluation_give_one_map_of_the_size_of_the_image(small, shape):
    assert small.train()(torch.randn(shape)).shape == shape
    assert small.eval()(torch.randn(shape)).shape == shape


def test_the_cosine_matrix_is_the_orthonormal_one(dim2clear):
    matrix = dim2clear.cosine_matrix(8)
    torch.testing.assert_close(matrix, torch.from_numpy(dct(np.eye(8), axis=0, norm="ortho")).float())
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(8))


def test_the_low_band_is_the_one_of_an_independent_transform(dim2clear):
    x = torch.randn(2, 3, 16, 24)
    low, high = dim2clear.FrequencySplit()(x)
    order = np.arange(8)
    is_low = order[:, None] + order <= 3
    assert is_low.sum() == 10
    block = x[1, 2, 8:16, 16:24].double().numpy()
    expected = idctn(dctn(block, norm="ortho") * is_low, norm="ortho")
    np.testing.assert_allclose(low[1, 2, 8:16, 16:24], expected, atol=1e-5)
    torch.testing.assert_close(low + high, x)


@pytest.mark.parametrize(("row", "column", "is_low"), [(0, 0, True), (1, 2, True), (3, 0, True), (2, 2, False),
                                                      (0, 4, False), (7, 7, False)])
def test_a_single_frequency_falls_into_one_band(dim2clear, row, column, is_low):
    low, high = dim2clear.FrequencySplit()(basis(row, column))
    kept, lost = (low, high) if is_low else (high, low)
    torch.testing.assert_close(kept, basis(row, column), atol=1e-6, rtol=0)
    torch.testing.assert_close(lost, torch.zeros(1, 1, 8, 8), atol=1e-6, rtol=0)


def test_a_point_changes_no_band_outside_its_block(dim2clear):
    x = torch.zeros(1, 1, 16, 16)
    x[0, 0, 3, 12] = 1
    for band in dim2clear.FrequencySplit()(x):
        assert band[..., :8, 8:].abs().min() > 0
        band[..., :8, 8:] = 0
        assert not band.any()


def test_a_silent_attention_adds_half_of_the_low_map_to_the_high_one(dim2clear):
    attention = dim2clear.SpatialFrequencyAttention(16).eval()
    for parameter in [*attention.where.parameters(), attention.weigh_low[1].weight, attention.weigh_high[1].weight]:
        torch.nn.init.zeros_(parameter)
    low, high = torch.randn(1, 16, 8, 8), torch.randn(1, 16, 8, 8)
    torch.testing.assert_close(attention(low=low, high=high), low / 2 + high)


def test_squeeze_and_excitation_by_hand(dim2clear):
    # Mean 2 in each of 8 channels, all weights 1/8: hidden units 2, each channel 2 of them / 8: sigmoid(1/2).
    squeeze = dim2clear.SqueezeExcitation(8)
    for parameter in squeeze.parameters():
        torch.nn.init.constant_(parameter, 1 / 8 if parameter.ndim > 1 else 0)
    x = torch.tensor([[0.0, 4.0], [4.0, 0.0]]).expand(1, 8, 2, 2)
    torch.testing.assert_close(squeeze(x), x * torch.sigmoid(torch.tensor(0.5)))


def test_an_eye_that_sees_the_same_everywhere_sees_no_contrast(dim2clear):
    enhance = dim2clear.EyeballEnhancement(16).eval()
    for view in enhance.views[1:]:
        view.load_state_dict(enhance.views[0].state_dict())
    mixed = []
    enhance.mix.register_forward_pre_hook(lambda module, arguments: mixed.append(arguments[0]))
    enhance(torch.full((1, 16, 16, 16), 3.0))
    # only where the widest view does not reach beyond the border, five cells in
    torch.testing.assert_close(mixed[0][:, 16:, 5:-5, 5:-5], torch.zeros(1, 8, 6, 6), atol=1e-5, rtol=0)


def test_every_parameter_gets_a_gradient(dim2clear):
    torch.manual_seed(0)
    net = dim2clear.Dim2Clear(blocks=1).train()
    net(torch.randn(2, 1, 64, 64)).square().mean().backward()
    missing = [name for name, parameter in net.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert not missing


def test_bfloat16_autocast_gives_the_same_logits_to_its_precision(small):
    image = torch.randn(1, 1, 32, 64)
    with torch.no_grad():
        exact = small.eval()(image)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = small(image)
    assert (rounded.float() - exact).abs().mean() < 0.05 * exact.abs().mean()


def test_forward_equals_frozen_values(dim2clear, draw_weights):
    # Frozen from this code, once its parts had passed the tests above; there is nothing official to agree with.
    net = dim2clear.Dim2Clear(blocks=1).eval()
    generator = draw_weights(net)
    with torch.no_grad():
        logits = net(torch.randn(1, 1, 32, 64, generator=generator))[0, 0]
    found = torch.stack([logits.mean(), logits.std(), logits[0, 0], logits[8, 9], logits[20, 30], logits[-1, -1]])
    expected = torch.tensor([-0.846002, 0.235462, -0.675125, -1.109742, -0.975901, -0.114150])
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
