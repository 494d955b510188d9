"""One cell, from its config to its record. Runs in the cell's own process; knows methods only by their config."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark import provenance
from benchmark.child import describe_limits
from benchmark.datasets.catalog import open_dataset
from benchmark.engine import classical, learned
from benchmark.engine.cost import peak_memory_mb
from benchmark.engine.hooks import set_listener
from benchmark.metrics.evaluation import Evaluation
from benchmark.records import Metric, Record, RecordStore
from benchmark.suites import Cell

Send = Callable[[dict[str, Any]], None]


def run_cell(cell: Cell, store_root: Path, send: Send, command: str) -> Record:
    """Run the cell and keep its record, which is also returned.

    Args:
        cell: What to run.
        store_root: Folder of the record store.
        send: Hears ``{'kind': 'progress', 'stage', 'done', 'total', 'unit'}``.
        command: The user's command line, for the record.
    """
    store = RecordStore(store_root)
    folder = store.folder(cell.key)
    send = _paced(send)
    set_listener(send)
    started, clock = provenance.now(), time.perf_counter()
    limits = describe_limits()
    training: dict[str, Any] = {}
    if cell.config["method"]["trainable"]:
        training = learned.train(cell, folder, limits["device"])
        evaluation, cost = learned.test(cell, folder, Path(training["checkpoint"]))
        cost["train_seconds"] = training.pop("seconds")
        cost["peak_memory_mb"] = max(training.pop("peak_memory_mb") or 0.0, peak_memory_mb())
        training["checkpoint"] = Path(training["checkpoint"]).relative_to(folder).as_posix()
    else:
        evaluation, cost = classical.evaluate(cell, folder, send)
        cost["peak_memory_mb"] = peak_memory_mb()
    summary = evaluation.summary(resamples=cell.config["evaluation"]["bootstrap"])
    cost["seconds"] = time.perf_counter() - clock
    record = Record(
        id=cell.id, key=cell.key, config=cell.config,
        metrics={name: Metric(**metric) for name, metric in summary.items()},
        roc=evaluation.roc_lists(), cost=cost, training=training,
        provenance=_provenance(cell, evaluation, limits, started, command),
    )
    store.put(record, evaluation.rows())
    _tidy(cell, folder)
    return record


def _provenance(cell: Cell, evaluation: Evaluation, limits: dict[str, Any], started: str,
                command: str) -> dict[str, Any]:
    weights = cell.config.get("weights", {"kind": "none"})
    data = {"fingerprint": cell.data_fingerprint, "real": cell.config["dataset"]["real"],
            "split": cell.config["split"], "test_images": len(evaluation.counts)}
    if cell.config["method"].get("text"):
        source = open_dataset(cell.config["dataset"], Path(cell.data_root), cell.config["split"], cell.config["seed"])
        data |= {"texts": source.text_origins(), "captions": source.caption_source()}
    return {
        "git": provenance.git_state(), "versions": provenance.versions(), "hardware": provenance.hardware(),
        "data": data,
        "weights": weights | {"fingerprint": cell.weights_fingerprint},
        "started": started, "finished": provenance.now(), "command": command,
    } | limits


def _tidy(cell: Cell, folder: Path) -> None:
    # Only after the record is safe: what earlier configs of this cell left is of no use to anybody now.
    if cell.config["method"]["trainable"]:
        learned.discard_other_trainings(cell, folder)
    for scores in folder.glob("scores-*"):
        if scores.name != f"scores-{cell.training_id}":
            shutil.rmtree(scores)


def _paced(send: Send, interval: float = 0.2) -> Send:
    # A fast method reports thousands of images a second; the parent redraws five times.
    last = 0.0

    def paced(event: dict[str, Any]) -> None:
        nonlocal last
        if time.monotonic() - last >= interval or event["done"] == event["total"]:
            last = time.monotonic()
            send(event)

    return paced
