"""What makes several processes train one batch as one process would: its images, its statistics, its mean gradient.

Each process takes its share of every batch. Sums over a batch inside a network are batch norm's alone, and those are
shared here. A loss that is not a mean over images (a soft IoU over the whole batch, an MMD) is taken of each share and
averaged, as in all data-parallel training: that is the one difference that remains, besides the order of sums and the
random augmentations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any

import torch
import torch.distributed
from mmengine.dataset import DefaultSampler
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import DATA_SAMPLERS, MODEL_WRAPPERS
from torch import Tensor, nn


@DATA_SAMPLERS.register_module()
class WholeBatchSampler(DefaultSampler):
    """This process's share of the whole batches of an epoch: the same images in each batch for any number of processes.

    MMEngine's own sampler would repeat an image where the number of images is odd, and so could make an epoch one
    batch longer than a single process has it; here the images that fill no batch are left out, in every process.

    Args:
        dataset: What is sampled, in random order.
        batch_size: Of all processes together.
        seed: Of the order; the runner gives its own.
    """

    def __init__(self, dataset: Sized, batch_size: int, seed: int | None = None) -> None:
        super().__init__(dataset, shuffle=True, seed=seed)
        self.total_size = len(dataset) // batch_size * batch_size
        self.num_samples = self.total_size // self.world_size

    def __iter__(self) -> Iterator[int]:
        """Indices of this process, this epoch."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.dataset), generator=generator).tolist()
        return iter(order[self.rank:self.total_size:self.world_size])


@MODEL_WRAPPERS.register_module()
class CPUDistributedModel(MMDistributedDataParallel):
    """MMEngine's data-parallel model on CPUs, where torch has no batch norm over processes: ours takes its place."""

    def __init__(self, module: nn.Module, device_ids: Any = None, **more: Any) -> None:
        super().__init__(module=share_batch_norm(module), device_ids=None, **more)


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose statistics are those of the batch of all processes; for shares of equal size."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) to the same; in evaluation mode as ``BatchNorm2d``."""
        if not self.training:
            return super().forward(input)
        processes = torch.distributed.get_world_size()
        count = input.numel() // self.num_features * processes
        mean = _Sum.apply(input.sum((0, 2, 3))) / count  # (C,)
        centred = input - mean[:, None, None]
        variance = _Sum.apply(centred.square().sum((0, 2, 3))) / count
        if self.track_running_stats:
            self.num_batches_tracked.add_(1)
            momentum = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
            with torch.no_grad():
                self.running_mean.lerp_(mean, momentum)
                self.running_var.lerp_(variance * count / max(count - 1, 1), momentum)
        scale = (variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight
        output = centred * scale[:, None, None]
        return output if self.bias is None else output + self.bias[:, None, None]


class _Sum(torch.autograd.Function):
    # Sum of a tensor over processes. Each process's losses depend on it, so the gradient is a sum over them as well.

    @staticmethod
    def forward(context: Any, tensor: Tensor) -> Tensor:
        return _summed(tensor)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return _summed(gradient)


def _summed(tensor: Tensor) -> Tensor:
    total = tensor.clone(memory_format=torch.contiguous_format)
    torch.distributed.all_reduce(total)
    return total


def share_batch_norm(module: nn.Module) -> nn.Module:
    """Let every batch norm in ``module`` share its statistics; the parts stay the same objects with the same names."""
    for part in module.modules():
        if type(part) is nn.BatchNorm2d:
            part.__class__ = SharedBatchNorm2d
        elif isinstance(part, nn.modules.batchnorm._BatchNorm):
            raise TypeError(f"{type(part).__name__} has no form that shares its statistics over processes on CPUs")
    return module
