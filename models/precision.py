"""The number format that a network runs in; its weights, losses and scores stay float32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def running_in(precision: torch.dtype | None, inputs: Tensor) -> AbstractContextManager:
    """Autocast on the inputs' device; with None nothing is changed, and an autocast of the caller stays in force."""
    return nullcontext() if precision is None else torch.autocast(inputs.device.type, dtype=precision)
