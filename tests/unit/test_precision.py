"""The number format of networks: none of one's own leaves the caller's in force."""

from __future__ import annotations

import pytest
import torch

from models.precision import running_in


@pytest.mark.parametrize(("own", "callers", "expected"), [
    (None, None, torch.float32), (None, torch.bfloat16, torch.bfloat16), (torch.bfloat16, None, torch.bfloat16),
    (torch.float16, torch.bfloat16, torch.float16)])
def test_ones_own_precision_else_the_callers_else_float32(own, callers, expected):
    x = torch.ones(2, 2)
    with torch.autocast("cpu", dtype=callers or torch.bfloat16, enabled=callers is not None), running_in(own, x):
        assert (x @ x).dtype == expected
    assert (x @ x).dtype == torch.float32
