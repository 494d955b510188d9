"""The tracking process: W&B runs of cells, written from what cells leave on disk; it runs beside them, at low priority.

One run a cell, with the cell's id as name and id and the suite as group. Offline, a run is written in one go when its
cell is done. Online it is opened when its cell starts and follows ``curve.jsonl``, so that curves can be watched; a
resumed cell opens the same run again. The first thing that goes wrong with the server turns the rest offline.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import json
import os
import shutil
import signal
import traceback
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import wandb
from mmengine.config import Config

from benchmark.child import redirect_output
from benchmark.datasets.catalog import open_test
from benchmark.engine.hooks import read_curve
from benchmark.engine.wandb_backend import WandbRunBackend, boxed_image
from benchmark.keeping import read_map
from benchmark.records import Metric, Record, RecordStore, map_files, write_atomically
from benchmark.suites import Cell, identity
from benchmark.tracking import MARKER, Options, marked_id, server

LOG_FILE, LOCK_FILE = "tracking.log", ".lock"
PROBE_SECONDS = 3.0
INIT_SECONDS = 10.0
FINISH_SECONDS = 10.0
POLL_SECONDS = 2.0  # how often the curves of running cells are looked at
NICENESS = 5  # cells go first, but on a busy machine more would starve it
UNREACHABLE = "W&B: {server} {cause}; tracking goes on offline"


def main(pipe: Connection, cells: Sequence[Cell], store_root: str, options: Options) -> None:
    """Track until the other end of ``pipe`` closes; it says ``(event, slot)`` and hears closing lines once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command decides when to stop, this process only closes its runs
    os.nice(NICENESS)
    home = Path(store_root).resolve() / "wandb"
    home.mkdir(parents=True, exist_ok=True)
    redirect_output(home / LOG_FILE)
    for name in ("DATA", "CACHE"):  # nothing of ours goes into the user's home
        os.environ.setdefault(f"WANDB_{name}_DIR", str(home / name.lower()))
    with (home / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # that of a killed command still writes what it was told
        _listen(pipe, Tracking(cells, RecordStore(Path(store_root)), options))


def _listen(pipe: Connection, tracking: Tracking) -> None:
    try:
        while True:
            if not pipe.poll(POLL_SECONDS):
                tracking.handle("follow", None)
                continue
            kind, content = pipe.recv()
            tracking.handle(kind, content)
            if kind == "suite":
                tracking.close()
                pipe.send(tracking.closing_lines())
    except (EOFError, OSError):
        tracking.close()


class Tracking:
    """All runs of a suite. Whatever W&B does, no method raises."""

    def __init__(self, cells: Sequence[Cell], store: RecordStore, options: Options) -> None:
        self.cells = {cell.key.slot: cell for cell in cells}
        self.store, self.options = store, options
        self.mode = options.mode
        self.problems: list[str] = []
        self.open: dict[str, _LiveRun] = {}
        self.unsent = 0
        if self.mode == "online":
            cause = _why_unreachable(server())
            if cause:
                self._go_offline(cause)

    def handle(self, kind: str, content: Any) -> None:
        """React to ``started``, ``done``, ``failed`` (content: a cell's slot), ``suite`` (its files) or ``follow``."""
        try:
            if kind == "suite":
                self._suite(content)
            elif kind == "follow":
                for run in self.open.values():
                    run.follow(self.store.folder(run.cell.key))
            elif kind == "done":
                self._finish(self.cells[content])
            elif kind == "started":
                self._start(self.cells[content])
            elif kind == "failed" and content in self.open:
                self.open.pop(content).backend.close(exit_code=1)
        except Exception as error:  # tracking is a convenience: nothing that it does may end it, let alone a suite
            traceback.print_exc()
            self.problems.append(f"W&B: {kind} {content if isinstance(content, str) else ''}: "
                                 f"{type(error).__name__}; see {self.store.root / 'wandb' / LOG_FILE}")

    def close(self) -> None:
        """End what is open (its cells were stopped, and will resume their runs) and see that all is on disk."""
        with contextlib.suppress(Exception):  # likewise
            for run in self.open.values():
                run.follow(self.store.folder(run.cell.key))
                run.backend.close(exit_code=130)
            wandb.teardown()  # the end of a run does not wait for its last bytes, this does
        self.open.clear()

    def closing_lines(self) -> list[str]:
        """What went wrong, each once, and where the runs are."""
        lines = list(dict.fromkeys(self.problems))
        if self.unsent:
            root = self.store.root
            lines.append(f"W&B: {self.unsent} runs are kept here; to upload: "
                         f"wandb sync {root}/cells/*/wandb/*run-* {root}/wandb/*run-*")
        return lines

    def _start(self, cell: Cell) -> None:
        (self.store.folder(cell.key) / MARKER).unlink(missing_ok=True)
        if self.mode == "online":
            backend = self._backend(self.store.folder(cell.key), cell.id, "cell", ["cell", cell.key.method])
            if self.mode == "online":  # still: the server took it
                backend.add_config(Config(cell_config(cell)))
                self.open[cell.key.slot] = _LiveRun(cell, backend, backend.experiment.step)

    def _finish(self, cell: Cell) -> None:
        record, folder = self.store.get(cell.key), self.store.folder(cell.key)
        if record is None or record.id != cell.id or marked_id(folder) == cell.id:
            return
        live = self.open.pop(cell.key.slot, None)
        backend = live.backend if live else self._backend(folder, cell.id, "cell", ["cell", cell.key.method])
        first = live.next_epoch if live else backend.experiment.step
        write_cell(backend, cell, record, folder, first_epoch=first)
        if self.options.checkpoints and "checkpoint" in record.training:
            backend.add_file(f"{cell.key.slot}-{cell.id}", "checkpoint", [folder / record.training["checkpoint"]])
        self._close(backend, folder / MARKER, cell.id)

    def _suite(self, files: Mapping[str, str]) -> None:
        suite = self.options.suite
        run_id = f"{suite['name']}-{suite['profile']}-{identity(sorted(cell.id for cell in self.cells.values()))[:8]}"
        backend = self._backend(self.store.root, run_id, "suite", ["suite"])
        backend.add_config(Config(dict(suite) | {"cells": sorted(cell.id for cell in self.cells.values())}))
        with Path(files["csv"]).open(encoding="utf-8", newline="") as file:
            head, *rows = list(csv.reader(line for line in file if not line.startswith("#")))
        backend.add_table("table", head, [row for row in rows if len(row) == len(head)])
        backend.add_file(f"{suite['name']}-{suite['profile']}", "report", [Path(path) for path in files.values()],
                         policy="mutable")  # the report is rebuilt by every call
        self._close(backend, None, run_id)

    def _backend(self, folder: Path, run_id: str, job: str, tags: list[str]) -> WandbRunBackend:
        # The backend of a new or resumed run; offline where the server does not take it.
        for old in folder.glob(f"wandb/offline-run-*-{run_id}"):
            shutil.rmtree(old)
        init = dict(project=os.environ.get("WANDB_PROJECT") or self.options.project, group=self.options.suite["name"],
                    id=run_id, name=run_id, job_type=job, tags=tags)
        if self.mode == "online":
            backend = WandbRunBackend(str(folder), init | dict(mode="online", resume="allow"),
                                      timeouts=(INIT_SECONDS, FINISH_SECONDS))
            try:
                _ = backend.experiment  # opens it
                return backend
            except Exception as error:  # wandb raises a dozen unrelated types here
                traceback.print_exc()
                self._go_offline(f"refused the run ({type(error).__name__})")
        return WandbRunBackend(str(folder), init | dict(mode="offline"), timeouts=(INIT_SECONDS, FINISH_SECONDS))

    def _close(self, backend: WandbRunBackend, marker: Path | None, run_id: str) -> None:
        path = Path(backend.experiment.dir).parent
        sent = not path.name.startswith("offline-")
        try:
            backend.close()
        except TimeoutError:
            sent = False
            self._go_offline("does not take what is sent")
        self.unsent += not sent
        if marker is not None:
            write_atomically(marker, json.dumps({"id": run_id, "run": path.name}) + "\n")

    def _go_offline(self, cause: str) -> None:
        # Cells whose runs were open are written offline, whole, when they are done. W&B's service goes too: it holds
        # the names of runs that it could not open, and would refuse them.
        self.mode = "offline"
        self.open.clear()
        with contextlib.suppress(Exception):
            wandb.teardown()
        self.problems.append(UNREACHABLE.format(server=server(), cause=cause))


class _LiveRun:
    """An open run of a running cell and the first epoch that it has not been told yet."""

    def __init__(self, cell: Cell, backend: WandbRunBackend, next_epoch: int) -> None:
        self.cell, self.backend, self.next_epoch = cell, backend, next_epoch

    def follow(self, folder: Path) -> None:
        """Send all epochs but the last one on disk: its validation may still be running."""
        rows = read_curve(folder / f"train-{self.cell.training_id}")[:-1]
        write_curve(self.backend, rows, self.next_epoch)
        self.next_epoch = max([self.next_epoch, *(row["epoch"] + 1 for row in rows)])


def cell_config(cell: Cell) -> dict[str, Any]:
    """The resolved config, and what a reader filters by."""
    key = cell.key
    return cell.config | {"cell": dict(id=cell.id, method=key.method, dataset=key.dataset, split=key.split,
                                       profile=key.profile, seed=key.seed)}


def write_cell(backend: WandbRunBackend, cell: Cell, record: Record, folder: Path, first_epoch: int = 0) -> None:
    """Config, curve from ``first_epoch`` on, test figures, ROC and pictures of a finished cell."""
    origin = {name: record.provenance.get(name) for name in ("git", "versions", "hardware", "data", "weights")}
    backend.add_config(Config(cell_config(cell) | {"provenance": origin}))
    curve = record.training.get("curve", [])
    write_curve(backend, curve, first_epoch)
    step = max([first_epoch, *(row["epoch"] + 1 for row in curve)])
    backend.add_summary(test_figures(record.metrics) | {f"cost/{name}": value for name, value in record.cost.items()})
    if record.roc:
        columns = list(record.roc)
        backend.add_curves("roc", columns, list(zip(*record.roc.values(), strict=True)), step, lines={
            "target": ("fa", "pd", "Target ROC"), "pixel": ("fpr", "tpr", "Pixel ROC")})
    kept = map_files(folder)
    source = open_test(cell.config, Path(cell.data_root)) if kept else None
    for sample_id, path in kept.items():
        image, boxes = boxed_image(source.read(sample_id), read_map(path), cell.config["evaluation"]["threshold"])
        backend.add_image(f"test/{sample_id}", image, step, boxes=boxes)


def write_curve(backend: WandbRunBackend, curve: Sequence[Mapping[str, Any]], first_epoch: int) -> None:
    """One step an epoch: ``train/loss``, ``train/lr``, ``val/iou`` …"""
    for row in curve:
        if row["epoch"] >= first_epoch:
            named = {("val/" + name.removeprefix("val_") if name.startswith("val_") else f"train/{name}"): value
                     for name, value in row.items() if name != "epoch" and value is not None}
            backend.add_scalars(named | {"epoch": row["epoch"]}, step=row["epoch"])


def test_figures(metrics: Mapping[str, Metric]) -> dict[str, float]:
    """``test/<metric>`` with its interval ``_low`` and ``_high``; an undefined figure is left out."""
    found = {}
    for name, metric in metrics.items():
        parts = {"": metric.value, "_low": metric.low, "_high": metric.high}
        found |= {f"test/{name}{part}": value for part, value in parts.items() if value is not None}
    return found


def _why_unreachable(address: str) -> str:
    # Any answer will do, even an error: whether the key is right, W&B itself finds out.
    try:
        urllib.request.urlopen(f"{address.rstrip('/')}/healthz", timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return ""
    except OSError as error:
        reason = getattr(error, "reason", error)
        return f"did not answer within {PROBE_SECONDS:.0f} s" if isinstance(reason, TimeoutError) else \
            f"cannot be reached ({reason})"
    return ""
