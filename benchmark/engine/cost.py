"""What a network costs: parameters, multiply-accumulates, time an image, peak memory; measured, not quoted."""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import numpy as np
import torch
from mmengine.analysis import get_model_complexity_info

WARM_UP, REPEATS = 2, 7


def network_cost(model: torch.nn.Module, size_hw: tuple[int, int]) -> dict[str, Any]:
    """``params``, ``trainable_params``, ``macs`` and ``latency_ms`` (median, batch of one) at ``macs_input`` = size_hw.

    The model is put into evaluation mode and takes grey images. MACs count one multiply-accumulate once, which is
    what most papers of the field print as FLOPs.
    """
    model.eval()
    device = next(model.parameters()).device
    image = torch.zeros(1, 1, *size_hw, device=device)
    with torch.no_grad():
        macs = get_model_complexity_info(model, inputs=(image,), show_table=False, show_arch=False)["flops"]
        milliseconds = [_timed(model, image) for _ in range(WARM_UP + REPEATS)][WARM_UP:]
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return {
        "params": sum(size for size, _ in sizes), "trainable_params": sum(size for size, train in sizes if train),
        "macs": int(macs), "macs_input": list(size_hw), "latency_ms": float(np.median(milliseconds)),
    }


def peak_memory_mb() -> float:
    """Largest resident size of this process so far in MiB, or of the GPU's allocations where there is one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _timed(model: torch.nn.Module, image: torch.Tensor) -> float:
    start = time.perf_counter()
    model(image)
    if image.is_cuda:
        torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3
