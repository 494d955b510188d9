"""Training steps to be timed against each other: the runner's beside a bare loop's, and one net in several forms."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import LOOPS, OPTIMIZERS, init_default_scope
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmengine.utils import import_modules_from_strings
from mmseg.registry import DATASETS, MODELS

import benchmark.engine.registered  # noqa: F401
from benchmark.engine import runner_config

SCOPE = "mmseg"


class BareStep:
    """A training step as one writes it without a framework: the runner's net, optimiser and schedule, copied."""

    def __init__(self, runner: Runner) -> None:
        self.model = copy.deepcopy(runner.model).train()
        self.optimizer = build_optimizer(self.model, runner.cfg.optim_wrapper)
        (schedule,) = runner.cfg.param_scheduler
        rate = self.optimizer.param_groups[0]["lr"]
        self.losses: list[float] = []
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, runner.max_iters,
                                                                   rate * schedule["eta_min_ratio"])

    def __call__(self, batch: Mapping[str, Any]) -> None:
        """Learn from a collated batch; its loss goes to ``losses``."""
        loss = loss_of(self.model, batch)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.losses.append(loss.item())


@LOOPS.register_module()
class PairedLoop(EpochBasedTrainLoop):
    """The runner's own loop with all its hooks; after or before each of its steps the bare one does the same batch.

    ``seconds`` has, by ``'runner'`` and ``'bare'``, the seconds of all steps of an epoch, epoch by epoch, and by
    ``'epoch'`` those of the hooks at its two ends, of which the checkpoint is one.
    """

    def run(self) -> Any:
        """Train both to the end."""
        self.bare = BareStep(self.runner)
        self.seconds: dict[str, list[float]] = {"runner": [], "bare": [], "epoch": []}
        return super().run()

    def run_epoch(self) -> None:
        """As the base's, with its own parts timed."""
        for record in self.seconds.values():
            record.append(0.0)
        with self._timed("epoch"):
            self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        for index, batch in enumerate(self.dataloader):
            self.run_iter(index, batch)
        with self._timed("epoch"):
            self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Mapping[str, Any]) -> None:
        """Both steps, the first to go in turn: the second finds the batch in the processor's cache."""
        def ours() -> None:
            with self._timed("runner"):
                super(PairedLoop, self).run_iter(idx, data_batch)

        def bare() -> None:
            with self._timed("bare"):
                self.bare(data_batch)

        for step in (ours, bare) if idx % 2 else (bare, ours):
            step()

    @contextlib.contextmanager
    def _timed(self, name: str) -> Any:
        start = time.perf_counter()
        yield
        self.seconds[name][-1] += time.perf_counter() - start


def train_beside_bare(config: dict[str, Any], root: Path, folder: Path, epochs: int) -> PairedLoop:
    """Train the config's method by the runner of a cell, beside a bare loop; the loop has their seconds.

    Args:
        config: Resolved config of a cell.
        root: Data root.
        folder: Work folder; checkpoints and the curve go there. Its name is the runner's.
        epochs: Of the training.
    """
    import_modules_from_strings(config["custom_imports"]["imports"])
    settings = runner_config.train_config(config | {"train_cfg": {"max_epochs": epochs, "val_interval": 1}}, root=root,
                                          folder=folder, cell_id=folder.name, device="cpu", resume_from=None)
    settings["train_cfg"] = {"type": "PairedLoop", "max_epochs": epochs}
    runner = Runner.from_cfg(Config(settings, format_python_code=False))
    runner.train()
    return runner.train_loop


def first_batch(config: dict[str, Any], root: Path) -> dict[str, Any]:
    """The first images of the training part as the runner's loader would collate them."""
    init_default_scope(SCOPE)
    settings = runner_config.train_config(config, root=root, folder=root, cell_id="batch", device="cpu",
                                          resume_from=None)["train_dataloader"]
    dataset = DATASETS.build(settings["dataset"])
    return pseudo_collate([dataset[index] for index in range(settings["batch_size"])])


def variant_step(config: dict[str, Any], batch: Mapping[str, Any], changes: Sequence[str]) -> Callable[[], None]:
    """A call that trains the method's net by one step on ``batch``.

    Args:
        config: Resolved config of a cell.
        batch: From ``first_batch``.
        changes: Of ``'bf16'``, ``'channels-last'`` and ``'torch.compile'``; without any the net is plain float32.
    """
    init_default_scope(SCOPE)
    import_modules_from_strings(config["custom_imports"]["imports"])
    torch.manual_seed(0)
    settings = runner_config.model_config(config)
    last, half = "channels-last" in changes, "bf16" in changes
    if "channels_last" in settings:
        settings["channels_last"] = last
    if "autocast" in settings:  # a net that decides by itself what runs in half precision
        settings["autocast"], half = "bfloat16" if half else None, False
    model = MODELS.build(settings).train()
    if last:
        model.to(memory_format=torch.channels_last)
    if "torch.compile" in changes:
        # A transformer block by block: they are alike and compiled once, where the whole encoder takes many minutes.
        for part in [model.network] if hasattr(model, "network") else model.sam.encoder.blocks:
            part.compile()
    optimizer = build_optimizer(model, config["optim_wrapper"])

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = loss_of(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def loss_of(model: Any, batch: Mapping[str, Any]) -> torch.Tensor:
    """The sum of a segmentor's losses on a collated batch, brought into the form that it was made for."""
    images, how = torch.stack(batch["inputs"]).float(), model.data_preprocessor
    if hasattr(how, "mean"):
        images = (images - how.mean) / how.std
    return sum(model.loss(images, batch["data_samples"]).values())


def build_optimizer(model: torch.nn.Module, wrapper: Mapping[str, Any]) -> torch.optim.Optimizer:
    """The optimiser that a cell's config names, over what trains."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return OPTIMIZERS.build(dict(wrapper["optimizer"]) | {"params": trained})
