"""What MMEngine's runner lacks for exact resume and for being watched from outside; each hook adds one thing."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce, get_rank, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmseg.registry import HOOKS

from benchmark.errors import TrainingError

HISTORY = "__history__"
RANK_STRIDE = 1_000_000_007  # a prime far above 100 003 times any number of epochs: no two processes draw alike
CURVE_FILE = "curve.jsonl"
KEPT_SCALARS = 1000

Send = Callable[[dict[str, Any]], None]
_send: Send = lambda event: None  # noqa: E731  - replaced once per process by set_listener


def set_listener(send: Send) -> None:
    """Say where this process reports progress; a hook's config is plain data and cannot carry a connection."""
    global _send
    _send = send


def announce(text: str) -> None:
    """Tell the listener something that the user should read now, and the log."""
    print(text, flush=True)
    _send({"kind": "note", "text": text})


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Reseed Python, NumPy and torch from (seed, epoch) before each epoch.

    MMEngine saves no generator state, so a resumed run would draw other augmentations. Deriving the state from the
    epoch needs nothing to be saved, and makes a resumed run equal to an uninterrupted one, bit for bit on CPU.
    """

    priority = "VERY_HIGH"

    def before_train_epoch(self, runner: Any) -> None:
        """Seed this process, unlike others of the same training; loader workers derive theirs from torch's."""
        seed = (runner.seed * 100_003 + runner.epoch + get_rank() * RANK_STRIDE) % 2**32
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Keep checkpoints free of Python objects, so that ``torch.load(weights_only=True)`` opens them.

    MMEngine stores its message hub with pickled ``HistoryBuffer`` objects, and then cannot open its own files under
    torch 2.6 or newer (open-mmlab/mmengine#1655).
    """

    priority = "VERY_LOW"

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Turn histories into lists and NumPy scalars into numbers."""
        hub = checkpoint["message_hub"]
        hub["log_scalars"] = {name: _history_to_plain(buffer) for name, buffer in hub["log_scalars"].items()}
        checkpoint["message_hub"] = _plain(hub)
        checkpoint["meta"] = _plain(checkpoint["meta"])

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Turn the lists back into histories."""
        hub = checkpoint.get("message_hub")
        if hub is not None:
            hub["log_scalars"] = {name: _history_from_plain(plain) for name, plain in hub["log_scalars"].items()}


@HOOKS.register_module()
class ShortHistoryHook(Hook):
    """Forget all but the last logged values, of which the log shows a mean over ten.

    MMEngine keeps up to a million of each scalar and copies them all to add one: after some ten thousand steps that is
    a good part of a GPU's step, and of a checkpoint.
    """

    def before_train_epoch(self, runner: Any) -> None:
        """Shorten every history to ``KEPT_SCALARS`` values."""
        histories = runner.message_hub.log_scalars
        for name, buffer in histories.items():
            values, counts = buffer.data
            if len(values) > KEPT_SCALARS:
                histories[name] = HistoryBuffer(values[-KEPT_SCALARS:], counts[-KEPT_SCALARS:])


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stop at a loss or weights that are not finite, before they reach a checkpoint; the last good epoch stays."""

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Raise ``TrainingError`` where the batch's loss is NaN or infinite, in any process of the training."""
        loss = _shared_mean(float(outputs["loss"]))
        if not np.isfinite(loss):
            self._stop(runner, f"loss is {loss} in epoch {runner.epoch + 1}, step {batch_idx + 1} of "
                               f"{len(runner.train_dataloader)}")

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Raise ``TrainingError`` where the epoch's last step ruined the weights: its loss was taken before it."""
        ruined = [name for name, value in runner.model.named_parameters() if not bool(torch.isfinite(value).all())]
        if ruined:
            self._stop(runner, f"{len(ruined)} weights are not finite after epoch {runner.epoch + 1} ({ruined[0]})")

    def _stop(self, runner: Any, what: str) -> None:
        kept = f"epoch {runner.epoch} is kept and --retry-failed goes on from it" if runner.epoch else \
            "no epoch was finished before"
        rate = runner.optim_wrapper.get_lr()["lr"][0]
        raise TrainingError(f"{what}; {kept}; if it comes again, lower the learning rate (now {rate:.2g}): "
                            f"--set optim_wrapper.optimizer.lr=...")


class UnchangedDataHook(Hook):
    """Call ``check``, which raises where the dataset has changed, before each checkpoint.

    So what is kept has seen no other data than its identity says. Given to the runner as an object, not by config.
    """

    priority = "VERY_HIGH"

    def __init__(self, check: Callable[[], None]) -> None:
        self.check = check

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Check."""
        self.check()


@HOOKS.register_module()
class CurveHook(Hook):
    """Append one line an epoch to ``curve.jsonl`` and tell the listener how training stands.

    A validation's line is written after the best checkpoint (hence the priority): its presence says that the
    validation of this epoch is finished, which resume relies on.
    """

    priority = "LOWEST"

    def __init__(self, folder: str) -> None:
        self.path = Path(folder) / CURVE_FILE

    def before_train(self, runner: Any) -> None:
        """Drop lines of epochs that a resumed run will repeat."""
        if not is_main_process():
            return
        kept = [row for row in read_curve(self.path.parent) if row["epoch"] <= runner.epoch]
        self.path.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")

    def before_train_epoch(self, runner: Any) -> None:
        """Start the epoch's clock and its mean loss."""
        self.losses: list[float] = []
        self.started = time.perf_counter()

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Add the batch's loss and report it."""
        self.losses.append(float(outputs["loss"]))
        batches = len(runner.train_dataloader)
        _send({"kind": "progress", "stage": "train", "done": runner.epoch + (batch_idx + 1) / batches,
               "total": runner.max_epochs, "unit": "epoch", "loss": float(np.mean(self.losses))})

    def after_train_epoch(self, runner: Any) -> None:
        """Write the epoch's line; a validation, where there is one, has not run yet and adds a line of its own."""
        rate = runner.optim_wrapper.get_lr()["lr"][0]
        loss = _shared_mean(float(np.mean(self.losses)))
        self._append({"epoch": runner.epoch + 1, "loss": loss, "lr": rate,
                      "seconds": time.perf_counter() - self.started})

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Write the validation scores of this epoch."""
        scores = {f"val_{name.split('/')[-1]}": value for name, value in (metrics or {}).items()}
        self._append({"epoch": runner.epoch} | scores)

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Report the test loop; other processes are about as far as this one."""
        total = len(runner.test_dataloader.dataset)
        _send({"kind": "progress", "stage": "test", "done": min((batch_idx + 1) * get_world_size(), total),
               "total": total, "unit": "image"})

    def _append(self, row: dict[str, Any]) -> None:
        if not is_main_process():
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def read_curve(folder: Path) -> list[dict[str, Any]]:
    """One dict an epoch, training and validation figures joined; a line cut off by a kill is ignored."""
    path = folder / CURVE_FILE
    rows: dict[int, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
            rows.setdefault(row["epoch"], {}).update(row)
        except (ValueError, KeyError, TypeError):
            continue
    return [rows[epoch] for epoch in sorted(rows)]


def validated(folder: Path, epoch: int) -> bool:
    """Whether the validation of this epoch was finished, best checkpoint included."""
    return any(row["epoch"] == epoch and any(name.startswith("val_") for name in row) for row in read_curve(folder))


def _shared_mean(value: float) -> float:
    if get_world_size() == 1:
        return value
    shared = torch.tensor(value, dtype=torch.float64)
    all_reduce(shared, op="mean")
    return float(shared)


def _history_to_plain(buffer: HistoryBuffer) -> dict[str, Any]:
    values, counts = buffer.data
    return {HISTORY: [values.tolist(), counts.tolist(), buffer.max_length]}


def _history_from_plain(plain: Any) -> Any:
    if not isinstance(plain, dict) or HISTORY not in plain:
        return plain
    values, counts, max_length = plain[HISTORY]
    return HistoryBuffer(values, counts, max_length)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    return value.item() if isinstance(value, np.generic) else value
