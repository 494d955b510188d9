"""A trainable method in a cell: trained by one MMEngine runner, resumed where it stopped, tested by another."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.dist import (
    all_gather_object,
    barrier,
    broadcast_object_list,
    collect_results,
    get_world_size,
    is_main_process,
)
from mmengine.model import is_model_wrapper
from mmengine.registry import OPTIMIZERS
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings

import benchmark.engine.registered  # noqa: F401
from benchmark.datasets.catalog import require_unchanged
from benchmark.engine import memory, runner_config
from benchmark.engine.checkpoints import best, discard_later, epoch_of, is_intact, newest_intact, strip
from benchmark.engine.cost import network_cost, peak_memory_mb
from benchmark.engine.hooks import UnchangedDataHook, announce, read_curve, validated
from benchmark.errors import ConfigError, TrainingError, unknown_name
from benchmark.keeping import Keeper, write_png
from benchmark.metrics.evaluation import Evaluation
from benchmark.provenance import git_state
from benchmark.records import MAPS_FOLDER, set_aside, write_atomically
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

    All processes of a cell call it; the first one alone looks after the files.

    Returns:
        ``checkpoint`` (path), ``epoch`` (the one chosen), ``epochs``, ``selection``, ``seconds``, ``curve``,
        ``weights_sha256``, and, as they were when training ended, ``peak_memory_mb`` (of the process that took most),
        ``processes`` and ``git``; where memory did not suffice for whole batches, ``micro_batch`` (see
        ``memory.kept_cut``).
    """
    work = folder / f"train-{cell.training_id}"
    if _as_first(lambda: _finished(work) is None):
        work.mkdir(parents=True, exist_ok=True)
        _train(cell, work, device)
        peak = max(all_gather_object(peak_memory_mb()))
        if is_main_process():
            chosen = _choose(cell, work)
            ending = {"checkpoint": chosen.name, "peak_memory_mb": peak, "git": git_state(),
                      "processes": get_world_size()}
            write_atomically(work / TRAINED_FILE, json.dumps(ending))
            strip(chosen)  # after the word that training is finished: nobody could go on from what is left
        barrier()
    ending = json.loads((work / TRAINED_FILE).read_text(encoding="utf-8"))
    chosen = work / ending["checkpoint"]
    curve, cut = read_curve(work), memory.kept_cut(work)
    return ({} if cut is None else {"micro_batch": cut}) | {
        "peak_memory_mb": ending.get("peak_memory_mb"), "git": ending.get("git"),
        "processes": ending.get("processes", 1), "checkpoint": str(chosen), "epoch": epoch_of(chosen),
        "epochs": cell.config["train_cfg"]["max_epochs"], "selection": cell.config["selection"],
        "seconds": sum(row.get("seconds", 0.0) for row in curve), "curve": curve,
        "weights_sha256": weights_sha256(torch.load(chosen, map_location="cpu", weights_only=True)["state_dict"]),
    }


def trained(cell: Cell, folder: Path) -> bool:
    """Whether the cell's training is finished in this folder."""
    return _finished(folder / f"train-{cell.training_id}") is not None


def test(cell: Cell, folder: Path, checkpoint: Path, keeper: Keeper,
         device: str) -> tuple[Evaluation, dict[str, Any]]:
    """Evaluation of the checkpoint on what the cell tests, and the network's cost; ``keeper`` hears every image.

    All processes of a cell call it and test their shares; what the first one returns, and its keeper, are whole, and
    those of others are of no use.
    """
    config = runner_config.test_config(cell.config, root=Path(cell.data_root), folder=folder / "test", cell_id=cell.id,
                                       checkpoint=checkpoint, device=device, processes=get_world_size())
    runner = _runner(cell, config)
    ids = runner.test_dataloader.dataset.source.ids("test")
    if is_main_process():
        keeper.clear()
    barrier()
    metric = runner.test_loop.evaluator.metrics[0]
    metric.observer = keeper.add
    with memory.told(f"one test image at a time, view.test={cell.config['view']['test']!r}, "
                     f"view.size={tuple(cell.config['view']['size'])}"):
        runner.test()
    images = collect_results(keeper.images, len(ids), device="gpu")  # as the metric's counts, in the order of the test
    if not is_main_process():
        return metric.evaluation, {}
    keeper.images = images
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    if hasattr(model, "explain") and keeper.maps:
        _explain(runner, model, keeper)
    return metric.evaluation, network_cost(model, tuple(cell.config["view"]["size"]))


def _explain(runner: Runner, model: torch.nn.Module, keeper: Keeper) -> None:
    # The maps behind a prediction, each scaled to its own range; only the gallery's images pay for it.
    dataset = runner.test_dataloader.dataset
    for index, sample_id in enumerate(dataset.source.ids(dataset.part)):
        if sample_id not in keeper.maps:
            continue
        batch = model.data_preprocessor(pseudo_collate([dataset[index]]), False)
        (maps,) = model.explain(batch["inputs"], batch["data_samples"])
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
    # Out of memory is answered once a run, with at most half the micro-batch; what fits is kept for the next run.
    batch = cell.config["train_dataloader"]["batch_size"]
    parts = memory.kept_parts(work) if get_world_size() == 1 else 1  # several processes share a batch as it is
    reason = _attempt(cell, work, device, parts)
    if not reason:
        return
    if get_world_size() > 1:  # the other processes of this training are in the middle of a batch
        raise TrainingError(f"{reason}; use more processes, or --set train_dataloader.batch_size=...")
    more = memory.halved(batch, parts)
    if more is None:
        raise TrainingError(f"{reason}; a batch of 1 cannot be halved: make view.size smaller with --set, or free "
                            "memory and use --retry-failed")
    memory.release()
    memory.keep_parts(work, batch, more, epoch=len(read_curve(work)) + 1, reason=reason)
    announce(f"{reason}; goes on with {more} × {batch // more} images a step")
    reason = _attempt(cell, work, device, more)
    if reason:
        raise TrainingError(f"{reason}, after a first try with {batch // parts}; free memory, or use --retry-failed to "
                            "go on with less at a time")


def _attempt(cell: Cell, work: Path, device: str, parts: int) -> str:
    # Why memory did not suffice, or nothing. No error is kept: its traceback would hold the runner, and the memory.
    batch, size = cell.config["train_dataloader"]["batch_size"], cell.config["view"]["size"]
    try:
        with memory.told(f"batch {batch // parts // get_world_size()} of {size[0]}×{size[1]}"):
            _train_on(cell, work, device, parts)
    except memory.MemoryShortage as error:
        return str(error)
    return ""


def _train_on(cell: Cell, work: Path, device: str, parts: int) -> None:
    interval = cell.config["train_cfg"]["val_interval"]
    validates = cell.config["selection"] != "last"

    def usable(epoch: int) -> bool:
        # An epoch whose validation was cut off is repeated, or its score could never become the best one.
        return not validates or epoch % interval != 0 or validated(work, epoch)

    resume_from = _as_first(lambda: _resume_from(work, usable))
    name = cell.id if parts == 1 else f"{cell.id}-{parts}"  # MMEngine's singletons of a first attempt are still there
    root = Path(cell.data_root)
    config = runner_config.train_config(cell.config, root=root, folder=work, cell_id=name, device=device,
                                        resume_from=resume_from, parts=parts, processes=get_world_size())
    runner = _runner(cell, config)
    runner.register_hook(UnchangedDataHook(lambda: require_unchanged(cell.config, root, cell.data_fingerprint)))
    try:
        runner.train()
    except Exception as error:
        if memory.is_out_of_memory(error) and runner.message_hub.get_info("loop_stage") == "val":
            raise TrainingError("out of memory in validation, one image at a time, view.test="
                                f"{cell.config['view']['test']!r}; smaller batches would not help") from error
        raise


def _resume_from(work: Path, usable: Callable[[int], bool]) -> Path | None:
    found = newest_intact(work, usable)
    discard_later(work, epoch_of(found) if found else 0)
    return found


def _as_first(decide: Callable[[], Any]) -> Any:
    # Files change while several processes look at them, one after the other: the first one decides for all.
    found = [decide() if is_main_process() else None]
    broadcast_object_list(found)
    return found[0]


def _runner(cell: Cell, config: dict[str, Any]) -> Runner:
    # Config applies custom_imports only to files; a method's modules register themselves by being imported.
    import_modules_from_strings(cell.config["custom_imports"]["imports"])
    optimizer = cell.config["optim_wrapper"]["optimizer"]["type"]
    if optimizer not in OPTIMIZERS.module_dict:  # MMEngine's own message does not name it
        raise ConfigError(unknown_name("optimizer", optimizer, OPTIMIZERS.module_dict))
    # MMEngine prints the config into every checkpoint, and a formatted one takes longer than the rest of it.
    return Runner.from_cfg(Config(config, format_python_code=False))


def _choose(cell: Cell, work: Path) -> Path:
    chosen = best(work) if cell.config["selection"] != "last" else None
    return chosen or work / f"epoch_{cell.config['train_cfg']['max_epochs']}.pth"


def _finished(work: Path) -> Path | None:
    try:
        chosen = work / json.loads((work / TRAINED_FILE).read_text(encoding="utf-8"))["checkpoint"]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    if is_intact(chosen):
        return chosen
    set_aside(chosen)
    return None
