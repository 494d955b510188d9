"""Maximum mean discrepancy between textual and visual prompts (SAIST, Eq. 7 and 8)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

BANDWIDTHS = (1.0, 2.0, 4.0, 8.0, 16.0)


def mmd(first: Tensor, second: Tensor, bandwidths: Sequence[float] = BANDWIDTHS) -> Tensor:
    """Squared MMD of two sample sets, biased estimator (Eq. 8), float32 scalar ≥ 0; 0 for equal sets.

    The paper leaves the kernel open. Here it is a sum of Gaussian kernels exp(−‖x − y‖² / (b·m)), where m is the median
    of the squared distances between different samples of both sets; no gradient flows through m.

    Args:
        first: (n, D) samples.
        second: (m, D) samples.
        bandwidths: Factors b.
    """
    first, second = first.float(), second.float()
    distances = _squared_distances(torch.cat([first, second]))
    scale = _median(distances)
    kernel = sum(torch.exp(-distances / (factor * scale)) for factor in bandwidths)
    n = len(first)
    value = kernel[:n, :n].mean() - 2 * kernel[:n, n:].mean() + kernel[n:, n:].mean()
    return value.clamp(min=0)


def _squared_distances(samples: Tensor) -> Tensor:
    # Differences are formed before they are squared: through scalar products near samples would come out negative.
    return (samples.unsqueeze(0) - samples.unsqueeze(1)).square().sum(dim=-1)


def _median(distances: Tensor) -> Tensor:
    count = len(distances)
    rows, columns = torch.triu_indices(count, count, offset=1, device=distances.device)
    median = distances.detach()[rows, columns].median()
    return torch.where(median > 0, median, torch.ones_like(median))
