"""A network that trains in milliseconds, and the faults that tests inject into a run; see ``fault_host.py``."""

from __future__ import annotations

import itertools
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

at_step: list[Callable[[int, Tensor], Tensor]] = []
"""Each hears the number of a training step's forward pass, from 1, and its images; what it returns is gone on with."""


@MODELS.register_module()
class TinyNet(nn.Module):
    """Two convolutions."""

    in_channels = 1

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1))
        self.steps = 0

    def forward(self, image: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
            for fault in at_step:
                image = fault(self.steps, image)
        return self.layers(image)


def nan_at(step: int) -> None:
    """The loss of one training step is NaN."""
    at_step.append(lambda number, image: image * float("nan") if number == step else image)


def nan_weights_after(step: int) -> None:
    """One training step has a finite loss and ruins the weights."""
    from mmengine.optim import OptimWrapper

    whole, counter = OptimWrapper.step, itertools.count(1)

    def ruined(self: Any, **more: Any) -> None:
        whole(self, **more)
        if next(counter) == step:
            with torch.no_grad():
                self.optimizer.param_groups[0]["params"][0].fill_(float("nan"))

    OptimWrapper.step = ruined


def fits(images: int) -> None:
    """Memory suffices for so many images of a training step."""

    def allocate(number: int, image: Tensor) -> Tensor:
        if len(image) > images:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return image

    at_step.append(allocate)


def slow(seconds: float) -> None:
    """Each training step takes longer."""

    def wait(number: int, image: Tensor) -> Tensor:
        time.sleep(seconds)
        return image

    at_step.append(wait)


def copies(when: int, source: str, target: str) -> None:
    """A file of the dataset is replaced in a training step, and when so many images have been tested by a method that
    does not train.
    """
    from benchmark.engine import classical

    def replace() -> None:
        Path(target).write_bytes(Path(source).read_bytes())

    def in_step(number: int, image: Tensor) -> Tensor:
        if number == when:
            replace()
        return image

    score, counter = classical._kept_or_computed, itertools.count(1)

    def in_test(*arguments: Any) -> Any:
        if next(counter) == when:
            replace()
        return score(*arguments)

    at_step.append(in_step)
    classical._kept_or_computed = in_test


def clock_runs_back(seconds: float) -> None:
    """Every look at the clock finds it so much earlier than the one before."""
    from benchmark import provenance

    start, looks = time.time(), itertools.count(1)

    def earlier() -> float:
        return start - seconds * next(looks)

    time.time = earlier
    provenance.now = lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(earlier()))


def largest_file(size: int) -> None:
    """The system refuses to let any file grow beyond ``size`` bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def patience(seconds: float) -> None:
    """How long a cell waits for another run."""
    from benchmark import child

    child.LOCK_SECONDS = seconds


def short_report() -> None:
    """Only the texts of a report: figures and PDF take longer than everything else here."""
    import reports.build

    reports.build.FORMATS = ("md", "csv", "json")
    reports.build.draw_figures = lambda *arguments: []


def environment(**variables: str) -> None:
    """Environment variables."""
    os.environ.update(variables)
