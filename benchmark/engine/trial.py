"""What one trial measures: IoU and false alarms on images that are not test images, reported as it goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings
from mmseg.registry import MODELS
from threadpoolctl import threadpool_limits

import benchmark.engine.registered  # noqa: F401
from benchmark.datasets.catalog import open_dataset
from benchmark.engine import runner_config
from benchmark.engine.classical import EVALUATION_KEYS
from benchmark.errors import TrainingError
from benchmark.metrics.evaluation import Evaluation
from benchmark.metrics.summary import summarise

Report = Callable[[int, float, float], None]
"""Hears the step (epochs or images done), IoU and Fa; raises to stop the trial."""
CLASSICAL_REPORTS = 9


def measure(config: dict[str, Any], root: Path, folder: Path, device: str, name: str, report: Report) -> dict[str, Any]:
    """``iou`` and ``fa`` of a config on its tuning images, and the ``step`` at which they were measured.

    A method that trains is validated after every epoch, and its figures are those that its ``selection`` would
    choose: the best epoch's, or the last one's. Another is measured on training images.

    Args:
        config: Resolved config whose dataset has ``tuning``.
        root: Data root.
        folder: Log and curve go there; no checkpoint is kept.
        device: ``'cpu'`` or ``'cuda'``.
        name: Of the runner, unlike any other in the process.
        report: See ``Report``.
    """
    import_modules_from_strings(config.get("custom_imports", {}).get("imports", []))
    if not config["method"]["trainable"]:
        return _classical(config, root, report)
    settings = runner_config.train_config(config | {"selection": "val-best"}, root=root, folder=folder, cell_id=name,
                                          device=device, resume_from=None)
    settings["default_hooks"]["checkpoint"] = None
    runner = Runner.from_cfg(Config(settings, format_python_code=False))
    hook = ReportHook(report)
    runner.register_hook(hook)
    runner.train()
    best = max(hook.seen, key=lambda seen: seen["iou"])
    return hook.seen[-1] if config["selection"] == "last" else best


class ReportHook(Hook):
    """Report each validation; the report may end the training by raising. Given to the runner as an object."""

    priority = "LOWEST"

    def __init__(self, report: Report) -> None:
        self.report = report
        self.seen: list[dict[str, Any]] = []

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Pass this epoch's figures on."""
        self.seen.append(_figures(runner.epoch, metrics["irstd/iou"], metrics["irstd/fa"]))
        self.report(*self.seen[-1].values())


def _classical(config: dict[str, Any], root: Path, report: Report) -> dict[str, Any]:
    method = MODELS.build(config["model"])
    source = open_dataset(config["dataset"], root, config["split"], config["seed"])
    settings = {name: config["evaluation"][name] for name in EVALUATION_KEYS} | {"roc_thresholds": None}
    evaluation, ids = Evaluation(**settings), source.ids("train")
    every, found = max(1, len(ids) // CLASSICAL_REPORTS), {}
    with threadpool_limits(1):
        for done, sample_id in enumerate(ids, start=1):
            sample = source.read(sample_id)
            evaluation.add(sample_id, method.score(sample.image), sample.mask)
            if done % every == 0 or done == len(ids):
                values = summarise(evaluation.counts)
                found = _figures(done, values["iou"], values["fa"])
                report(*found.values())
    return found


def _figures(step: int, iou: float | None, fa: float | None) -> dict[str, Any]:
    if iou is None or fa is None:
        raise TrainingError(f"IoU or Fa is undefined on the images after step {step}: no target and no detection; give "
                            "more images with --images or --val-images")
    return {"step": step, "iou": iou, "fa": fa}
