"""The infrared imaging equation and its inverse (SAIST, section 3.3.1, Eq. 9 to 14), as pure functions.

Every argument is a tensor that broadcasts with the others, in any one unit of radiation; results have the
broadcast shape. Exponentials are taken in float32 and bounded, so that half precision cannot overflow.
"""

from __future__ import annotations

import torch
from torch import Tensor

MAX_EXPONENT = 4.0
"""Largest β·d that counts; beyond it e^(β·d) stays at e⁴ ≈ 54.6."""


def transmission(beta_d: Tensor, max_exponent: float = MAX_EXPONENT) -> Tensor:
    """Eq. 10: t = e^(−β·d) in [e^−max_exponent, 1] for β·d ≥ 0, float32."""
    return torch.exp(-_bounded(beta_d, max_exponent))


def infrared_imaging(radiation: Tensor, background: Tensor, t: Tensor) -> Tensor:
    """Eq. 9: I = J·t + A·(1 − t), what a sensor sees of radiation J before background A through transmission t."""
    return radiation * t + background * (1 - t)


def inverse_infrared_imaging(degraded: Tensor, background: Tensor, beta_d: Tensor,
                             max_exponent: float = MAX_EXPONENT) -> Tensor:
    """Eq. 14: J = I·e^(β·d) − A·(e^(β·d) − 1), float32.

    With β·d = 0 this is exactly I. The inverse of ``infrared_imaging(J, A, transmission(beta_d))``.

    Args:
        degraded: I, the observed image.
        background: A, the background radiation.
        beta_d: β·d ≥ 0, the optical depth; values above ``max_exponent`` count as that.
        max_exponent: See ``MAX_EXPONENT``.
    """
    bounded = _bounded(beta_d, max_exponent)
    return degraded.float() * torch.exp(bounded) - background.float() * torch.expm1(bounded)


def _bounded(beta_d: Tensor, max_exponent: float) -> Tensor:
    return beta_d.float().clamp(max=max_exponent)
