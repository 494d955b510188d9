"""One cell, from its config to its record. Runs in the cell's own process; knows methods only by their config."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process

from benchmark import provenance
from benchmark.child import describe_limits, locked
from benchmark.datasets.catalog import open_dataset, open_test, require_unchanged
from benchmark.datasets.sample import SampleSource
from benchmark.engine import classical, learned
from benchmark.engine.cost import peak_memory_mb
from benchmark.engine.hooks import set_listener
from benchmark.keeping import Keeper, gallery, keep_images, read_predictions
from benchmark.metrics.evaluation import Evaluation
from benchmark.metrics.target import count_masks
from benchmark.records import Metric, Record, RecordStore
from benchmark.suites import Cell

Send = Callable[[dict[str, Any]], None]


def run_cell(cell: Cell, store_root: Path, send: Send, command: str) -> Record | None:
    """Run the cell and keep its record, which is also returned.

    Where several processes run the cell together, all call this; the first one keeps the record, others return None.

    Args:
        cell: What to run.
        store_root: Folder of the record store.
        send: Hears ``{'kind': 'progress', 'stage', 'done', 'total', 'unit'}`` and ``{'kind': 'note', 'text'}``.
        command: The user's command line, for the record.
    """
    store = RecordStore(store_root)
    folder, home = store.folder(cell.key), store.folder(cell.home or cell.key)
    send = _paced(send)
    set_listener(send)
    started, clock = provenance.now(), time.perf_counter()
    limits = describe_limits()
    require_unchanged(cell.config, Path(cell.data_root), cell.data_fingerprint)  # since it was planned, maybe long ago
    source = open_test(cell.config, Path(cell.data_root))
    shown = gallery(source.ids("test"), cell.keep)
    keeper = Keeper(folder, cell.config["evaluation"]["threshold"], shown)
    recounted = _recount(cell, store, source) if not cell.is_home else None
    if recounted is not None:
        evaluation, cost, training = recounted
    else:
        evaluation, cost, training = _run(cell, folder, home, limits["device"], send, keeper)
    if not is_main_process():
        return None
    # Figures and the gallery show no other tests of the same training.
    samples = [source.read(name) for name in shown] if cell.is_home else []
    # Everything is read, nothing is kept yet under the fingerprint.
    require_unchanged(cell.config, Path(cell.data_root), cell.data_fingerprint)
    if recounted is None:
        keeper.finish(cell.training_id)
    keep_images(store.root, cell.test_fingerprint, samples)
    summary = evaluation.summary(resamples=cell.config["evaluation"]["bootstrap"])
    cost["seconds"] = time.perf_counter() - clock
    record = Record(
        id=cell.id, key=cell.key, config=cell.config,
        metrics={name: Metric(**metric) for name, metric in summary.items()},
        roc=evaluation.roc_lists(), cost=cost, training=training,
        provenance=_provenance(cell, evaluation, limits, started, command) | {
            "order": store.next_order(cell.key.method)},
    )
    store.put(record, evaluation.rows())
    _tidy(cell, folder)
    return record


def _run(cell: Cell, folder: Path, home: Path, device: str, send: Send,
         keeper: Keeper) -> tuple[Evaluation, dict[str, Any], dict[str, Any]]:
    # Evaluation, cost and training. A training lies in the folder of the cell whose own it is.
    if not cell.config["method"]["trainable"]:
        scores = folder if "test" in cell.config else home  # the same maps, however they are counted
        evaluation, cost = classical.evaluate(cell, scores, send, keeper)
        return evaluation, cost | {"peak_memory_mb": peak_memory_mb()}, {}
    if cell.is_home or learned.trained(cell, home):
        training = learned.train(cell, home, device)
    else:
        with locked(home) if is_main_process() else contextlib.nullcontext():
            training = learned.train(cell, home, device)
    evaluation, cost = learned.test(cell, folder, Path(training["checkpoint"]), keeper, device)
    cost["train_seconds"] = training.pop("seconds")
    cost["peak_memory_mb"] = max(training.pop("peak_memory_mb") or 0.0, peak_memory_mb())
    training["checkpoint"] = Path(training["checkpoint"]).relative_to(home).as_posix()
    return evaluation, cost, training


def _recount(cell: Cell, store: RecordStore,
             source: SampleSource) -> tuple[Evaluation, dict[str, Any], dict[str, Any]] | None:
    # Where only the counting differs, the kept predictions of the home cell are counted again; there is no curve then.
    if "test" in cell.config:
        return None
    settings = cell.config["evaluation"]
    kept = read_predictions(store.folder(cell.home), cell.training_id, settings["threshold"])
    record = store.get(cell.home)
    if kept is None or record is None:
        return None
    evaluation = Evaluation(settings["threshold"], settings["protocol"], roc_thresholds=None)
    for name, prediction in kept:
        evaluation.counts.append(count_masks(prediction, source.read(name).mask, settings["protocol"], name))
    return evaluation, dict(record.cost), dict(record.training)


def _provenance(cell: Cell, evaluation: Evaluation, limits: dict[str, Any], started: str,
                command: str) -> dict[str, Any]:
    weights = cell.config.get("weights", {"kind": "none"})
    data = {"fingerprint": cell.data_fingerprint, "real": cell.config["dataset"]["real"],
            "split": cell.config["split"], "test_images": len(evaluation.counts)}
    if cell.test_fingerprint != cell.data_fingerprint:
        data["tested"] = cell.test_fingerprint
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
    if cell.config["method"]["trainable"] and cell.is_home:
        learned.discard_other_trainings(cell, folder)
    for scores in folder.glob("scores-*"):
        if scores.name != f"scores-{cell.training_id}":
            shutil.rmtree(scores)


def _paced(send: Send, interval: float = 0.2) -> Send:
    # A fast method reports thousands of images a second; the parent redraws five times.
    last = 0.0

    def paced(event: dict[str, Any]) -> None:
        nonlocal last
        if event["kind"] != "progress" or time.monotonic() - last >= interval or event["done"] == event["total"]:
            last = time.monotonic()
            send(event)

    return paced
