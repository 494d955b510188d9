"""A network that says where it runs and can be told to fail, and what two processes do with a padded test; for tests.

The network looks at each pixel by itself, so that flips of an image change neither its loss nor its batch statistics:
training it must give the same weights however images are shared out and whatever augmentation is drawn.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

SEEN = ("CUDA_VISIBLE_DEVICES", "PYTORCH_NVML_BASED_CUDA_CHECK", "RANK", "WORLD_SIZE")


@MODELS.register_module()
class ProbeNetwork(nn.Module):
    """Two pointwise convolutions with a batch norm between them.

    Args:
        notes: Folder that gets ``<process id>.json`` with what this process sees of its environment.
        fail: ``'raise'`` or ``'kill'``: how the second process ends in its third training step; ``''`` for not.
        slow: Seconds that each training step takes longer.
    """

    in_channels = 1

    def __init__(self, notes: str, fail: str = "", slow: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 1))
        self.unused = nn.Conv2d(1, 1, 1)  # some networks have parts that a batch leaves out
        self.fail, self.slow, self.steps = fail, slow, 0
        seen = {name: os.environ.get(name) for name in SEEN}
        (Path(notes) / f"{os.getpid()}.json").write_text(json.dumps(seen))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 1, H, W)."""
        if self.training:
            self.steps += 1
            signal.sigtimedwait([], self.slow)
            if self.fail and self.steps == 3 and os.environ.get("RANK") == "1":
                if self.fail == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise RuntimeError("told to fail")
        return self.layers(x)


def samples(count: int) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Id, score and mask of ``count`` images with something in them."""
    found = []
    for number in range(count):
        generator = np.random.default_rng(number)
        mask = generator.random((24, 31)) > 0.97
        score = np.clip(mask * 0.6 + generator.random((24, 31)) * 0.5, 0, 1).astype(np.float32)
        found.append((f"image-{number}", score, mask))
    return found


def count_padded(rank: int, processes: int, meeting: str, out: str, images: int) -> None:
    """One of ``processes`` that count ``images`` under MMEngine's own padding sampler; the first writes what it has."""
    from mmengine.dataset import DefaultSampler

    from benchmark.metrics.irstd_metric import IRSTDMetric

    if processes > 1:
        torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes)
    content = samples(images)
    metric = IRSTDMetric(roc_thresholds=20, collect_device="gpu")
    for index in DefaultSampler(content, shuffle=False):
        metric.process({}, [_sample(*content[index])])
    shares = len(metric.results)
    figures = metric.evaluate(images)
    if rank == 0:
        found = {"shares": shares, "figures": figures, "rows": metric.evaluation.rows(),
                 "roc": metric.evaluation.roc_lists()}
        Path(out).write_bytes(pickle.dumps(found))
    if processes > 1:
        torch.distributed.destroy_process_group()


def _sample(name: str, score: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
    return {"img_id": name, "pred_score": {"data": torch.from_numpy(score)},
            "gt_sem_seg": {"data": torch.from_numpy(mask.astype(np.uint8))}}
