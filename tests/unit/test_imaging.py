"""The infrared imaging equation: what Eq. 9 to 14 promise, whatever the numbers."""

from __future__ import annotations

import pytest
import torch

from models.cg_sam.imaging import MAX_EXPONENT, infrared_imaging, inverse_infrared_imaging, transmission


def scene(seed=0, scale=5.0):
    generator = torch.Generator().manual_seed(seed)
    radiation, background = (scale * torch.randn(2, 1, 9, 7, generator=generator) for _ in range(2))
    return radiation, background, MAX_EXPONENT * torch.rand(2, 1, 9, 7, generator=generator)


@pytest.mark.parametrize("seed", range(5))
def test_the_inverse_gives_back_the_scene_that_was_imaged(seed):
    radiation, background, beta_d = scene(seed)
    observed = infrared_imaging(radiation, background, transmission(beta_d))
    # e⁴ magnifies float32's rounding of the observation by as much
    assert torch.allclose(inverse_infrared_imaging(observed, background, beta_d), radiation, atol=5e-4)
    observed = infrared_imaging(radiation.double(), background.double(), torch.exp(-beta_d.double()))
    back = observed * torch.exp(beta_d.double()) - background.double() * torch.expm1(beta_d.double())
    assert torch.allclose(back, radiation.double(), atol=1e-12)


def test_at_ordinary_depths_the_round_trip_is_exact_to_1e_5():
    radiation, background, beta_d = scene(scale=1.0)
    beta_d = beta_d / MAX_EXPONENT  # β·d up to 1
    observed = infrared_imaging(radiation, background, transmission(beta_d))
    assert torch.allclose(inverse_infrared_imaging(observed, background, beta_d), radiation, atol=1e-5)


def test_without_attenuation_the_scene_is_the_observation_bit_for_bit():
    observed, background, _ = scene()
    assert torch.equal(inverse_infrared_imaging(observed, background, torch.zeros_like(observed)), observed)


def test_a_hand_computed_pixel():
    values = [torch.tensor(value) for value in (2.0, 1.0, 0.5)]
    # 2·e^0.5 − 1·(e^0.5 − 1) = e^0.5 + 1
    assert inverse_infrared_imaging(*values).item() == pytest.approx(2.6487212707, abs=1e-6)
    assert transmission(values[2]).item() == pytest.approx(0.6065306597, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_never_overflows(dtype):
    observed, background, _ = (value.to(dtype) for value in scene())
    result = inverse_infrared_imaging(observed, background, torch.full_like(observed, 1e4))
    assert result.dtype == torch.float32 and torch.isfinite(result).all()


def test_transmission_stays_between_its_bounds():
    assert transmission(torch.tensor(0.0)).item() == 1.0
    assert transmission(torch.tensor(1e9)).item() == pytest.approx(torch.exp(torch.tensor(-MAX_EXPONENT)).item())
