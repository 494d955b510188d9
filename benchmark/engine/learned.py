"""A trainable method in a cell: trained by one MMEngine runner, resumed where it stopped, tested by another."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import OPTIMIZERS
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings

import benchmark.datasets.mm_dataset
import benchmark.datasets.transforms
import benchmark.engine.hooks
import benchmark.metrics.irstd_metric  # noqa: F401  - these four register what the runners' configs name
from benchmark.engine import runner_config
from benchmark.engine.checkpoints import is_intact, newest_intact, strip
from benchmark.engine.cost import network_cost, peak_memory_mb
from benchmark.engine.hooks import PictureHook, read_curve, validated
from benchmark.engine.pictures import Pictures
from benchmark.errors import ConfigError, unknown_name
from benchmark.keeping import Keeper, write_png
from benchmark.metrics.evaluation import Evaluation
from benchmark.provenance import git_state
from benchmark.records import MAPS_FOLDER, write_atomically
from benchmark.suites import Cell

TRAINED_FILE = "trained.json"
EXPLAINED = ("similarity", "degraded", "background", "depth")


def train(cell: Cell, folder: Path, device: str) -> dict[str, Any]:
    """Train, or go on from the last whole epoch, or do nothing where training is finished already.

    Args:
        cell: A cell with a trainable method.
        folder: Of this cell; checkpoints go to ``train-<training id>`` inside, so that another config never resumes
            from them.
        device: ``'cpu'`` or ``'cuda'``.

    Returns:
        ``checkpoint`` (path), ``epoch`` (the one chosen), ``epochs``, ``selection``, ``seconds``, ``curve``,
        ``weights_sha256``, and, as they were when training ended, ``peak_memory_mb`` and ``git``.
    """
    work = folder / f"train-{cell.training_id}"
    if _finished(work) is None:
        work.mkdir(parents=True, exist_ok=True)
        _train(cell, work, device)
        chosen = _choose(cell, work)
        strip(chosen)
        ending = {"checkpoint": chosen.name, "peak_memory_mb": peak_memory_mb(), "git": git_state()}
        write_atomically(work / TRAINED_FILE, json.dumps(ending))
    ending = json.loads((work / TRAINED_FILE).read_text(encoding="utf-8"))
    chosen = work / ending["checkpoint"]
    curve = read_curve(work)
    return {
        "peak_memory_mb": ending.get("peak_memory_mb"), "git": ending.get("git"),
        "checkpoint": str(chosen), "epoch": int(re.findall(r"epoch_(\d+)", chosen.name)[-1]),
        "epochs": cell.config["train_cfg"]["max_epochs"], "selection": cell.config["selection"],
        "seconds": sum(row.get("seconds", 0.0) for row in curve), "curve": curve,
        "weights_sha256": weights_sha256(torch.load(chosen, map_location="cpu", weights_only=True)["state_dict"]),
    }


def trained(cell: Cell, folder: Path) -> bool:
    """Whether the cell's training is finished in this folder."""
    return _finished(folder / f"train-{cell.training_id}") is not None


def test(cell: Cell, folder: Path, checkpoint: Path, keeper: Keeper) -> tuple[Evaluation, dict[str, Any]]:
    """Evaluation of the checkpoint on what the cell tests, and the network's cost; ``keeper`` hears every image."""
    config = runner_config.test_config(cell.config, root=Path(cell.data_root), folder=folder / "test", cell_id=cell.id,
                                       checkpoint=checkpoint)
    runner = _runner(cell, config)
    ids = runner.test_dataloader.dataset.source.ids("test")
    runner.register_hook(PictureHook(Pictures(cell, folder, ids)))
    metric = runner.test_loop.evaluator.metrics[0]
    metric.observer = keeper.add
    runner.test()
    if hasattr(runner.model, "explain") and keeper.maps:
        _explain(runner, keeper)
    return metric.evaluation, network_cost(runner.model, tuple(cell.config["view"]["size"]))


def _explain(runner: Runner, keeper: Keeper) -> None:
    # The maps behind a prediction, each scaled to its own range; only the gallery's images pay for it.
    dataset = runner.test_dataloader.dataset
    for index, sample_id in enumerate(dataset.source.ids(dataset.part)):
        if sample_id not in keeper.maps:
            continue
        batch = runner.model.data_preprocessor(pseudo_collate([dataset[index]]), False)
        (maps,) = runner.model.explain(batch["inputs"], batch["data_samples"])
        for name, value in maps.items():
            if name in EXPLAINED:
                write_png(keeper.folder / MAPS_FOLDER / f"{sample_id}.{name}.png", _stretched(value.cpu().numpy()))


def _stretched(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    return np.round((values - low) / max(high - low, 1e-12) * 255).astype(np.uint8)


def discard_other_trainings(cell: Cell, folder: Path) -> None:
    """Remove checkpoints of earlier configs of this cell, and those of this one that were not chosen."""
    keep = folder / f"train-{cell.training_id}"
    for other in folder.glob("train-*"):
        if other != keep:
            shutil.rmtree(other)
    chosen = _finished(keep)
    for path in keep.glob("*.pth"):
        if path != chosen:
            path.unlink()


def weights_sha256(state: Mapping[str, torch.Tensor]) -> str:
    """Hash over names and bits of all tensors, in order of name; a checkpoint file's own hash changes with its date."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _train(cell: Cell, work: Path, device: str) -> None:
    interval = cell.config["train_cfg"]["val_interval"]
    validates = cell.config["selection"] != "last"

    def usable(epoch: int) -> bool:
        # An epoch whose validation was cut off is repeated, or its score could never become the best one.
        return not validates or epoch % interval != 0 or validated(work, epoch)

    resume_from = newest_intact(work, usable)
    config = runner_config.train_config(cell.config, root=Path(cell.data_root), folder=work, cell_id=cell.id,
                                        device=device, resume_from=resume_from)
    _runner(cell, config).train()


def _runner(cell: Cell, config: dict[str, Any]) -> Runner:
    # Config applies custom_imports only to files; a method's modules register themselves by being imported.
    import_modules_from_strings(cell.config["custom_imports"]["imports"])
    optimizer = cell.config["optim_wrapper"]["optimizer"]["type"]
    if optimizer not in OPTIMIZERS.module_dict:  # MMEngine's own message does not name it
        raise ConfigError(unknown_name("optimizer", optimizer, OPTIMIZERS.module_dict))
    # MMEngine prints the config into every checkpoint, and a formatted one takes longer than the rest of it.
    return Runner.from_cfg(Config(config, format_python_code=False))


def _choose(cell: Cell, work: Path) -> Path:
    if cell.config["selection"] != "last":
        best = [path for path in work.glob("best_*.pth") if is_intact(path)]
        if best:
            return max(best, key=lambda path: path.stat().st_mtime)
    return work / f"epoch_{cell.config['train_cfg']['max_epochs']}.pth"


def _finished(work: Path) -> Path | None:
    try:
        chosen = work / json.loads((work / TRAINED_FILE).read_text(encoding="utf-8"))["checkpoint"]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return chosen if is_intact(chosen) else None
