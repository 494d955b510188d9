"""Running cells on the machines of a Ray cluster, each in a process of its own. Imports no torch; Ray when it runs.

The counterpart of ``benchmark.schedule``, with the same interface; on the machine that gets a cell, that one runs it.
All machines share the work folder, so that a cell whose process or machine died goes on anywhere else from its last
checkpoint.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark import child, schedule
from benchmark.cluster import Cluster, Request, Task
from benchmark.errors import BenchError
from benchmark.records import CellKey, Failure, Outcome, Record, RecordStore, Status
from benchmark.schedule import Listener
from benchmark.suites import Cell

RETRIES = 3
"""How often a cell whose worker was lost is begun anew."""
LOCK_SECONDS = 150.0  # a file server keeps the lock of a machine that died for a while, NFS for 90 seconds
SETTLE_SECONDS = 90.0  # and may show a new file late, NFS after 60 seconds


@dataclass(frozen=True)
class Options(schedule.Options):
    """How to run on a cluster; ``jobs`` is only an upper limit, Ray's machines set the true one."""

    request: Request = Request()


def run(cells: Sequence[Cell], store: RecordStore, options: Options, listen: Listener) -> list[Outcome]:
    """Run the cells, at most ``options.jobs`` at once; see ``benchmark.schedule.run``.

    ``listen`` also hears ``lost`` (with ``error``) when a cell's process or machine died and it waits for another.
    """
    with Cluster(options.request, store.root) as cluster:
        return _Run(cluster, cells, store, options, listen).until_done()


class _Run:
    def __init__(self, cluster: Cluster, cells: Sequence[Cell], store: RecordStore, options: Options,
                 listen: Listener) -> None:
        self.cluster, self.store, self.options, self.listen = cluster, store, options, listen
        self.waiting, self.running, self.outcomes = list(cells), [], []
        self.losses: Counter[CellKey] = Counter()

    def until_done(self) -> list[Outcome]:
        try:
            while self.waiting or self.running:
                self._fill()
                for task, event in self.cluster.news(self.running):
                    self._hear(task, event)
        finally:
            for task in self.running:
                self.cluster.end(task)
        return self.outcomes

    def _fill(self) -> None:
        for cell in list(self.waiting):
            if len(self.running) == self.options.jobs:
                return
            if schedule.may_start(cell, [task.subject for task in self.running], self.store):
                self.waiting.remove(cell)
                self.running.append(self._start(cell))

    def _start(self, cell: Cell) -> Task:
        gpus = self.cluster.gpus(self.options.device if cell.config["method"]["trainable"] else "cpu")
        alone = replace(self.options, jobs=1, device="auto" if gpus else "cpu", threads=self.options.request.cpus)
        return self.cluster.start(cell, _cell, (cell, str(self.store.root), alone), name=cell.key.slot, gpus=gpus)

    def _hear(self, task: Task, event: dict[str, Any]) -> None:
        if task not in self.running:
            return  # a late word of one that was taken back
        if event["kind"] not in ("done", "failed", "lost", "broken"):
            self.listen(task.subject, event)
            return
        self.running.remove(task)
        cell = task.subject
        if event["kind"] == "lost" and self.losses[cell.key] < RETRIES:
            self.losses[cell.key] += 1
            self.listen(cell, event)
            self.waiting.insert(0, cell)
            return
        outcome = self._outcome(cell, event)
        self.outcomes.append(outcome)
        self.listen(cell, {"kind": outcome.status.value, "outcome": outcome, "seconds": task.seconds})
        if outcome.status is Status.FAILED and self.options.fail_fast:
            self.waiting.clear()
            for other in [other for other in self.running if other.started is None]:
                self.cluster.end(other)
                self.running.remove(other)

    def _outcome(self, cell: Cell, event: dict[str, Any]) -> Outcome:
        record = self._settled(cell) if event["kind"] == "done" else None
        if record is not None:
            return Outcome(cell.key, Status.DONE, record=record, folder=self.store.folder(cell.key))
        error = event.get("error", f"done, says its machine, but no record is to be seen in {self.store.root}")
        if event["kind"] == "lost":
            error += f", as in {RETRIES} attempts before"
        if event["kind"] != "failed":  # of this the cell's own machine has kept the reason
            self.store.put_failure(cell.key, Failure(cell.id, error))
        return Outcome(cell.key, Status.FAILED, error, folder=self.store.folder(cell.key))

    def _settled(self, cell: Cell) -> Record | None:
        # The record is there, says its machine; the file server may tell this one a little later.
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            record = self.store.get(cell.key)
            if record is not None and record.id == cell.id:
                return record
            if time.monotonic() > deadline:
                return None
            time.sleep(0.5)


def _cell(cell: Cell, store_root: str, options: Options, send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    # On a machine of the cluster: the local executor with this one cell. The Ray worker itself stays free of torch.
    vars(sys.modules["__main__"]).pop("__file__", None)  # Ray's program; multiprocessing would run it in the cell, too
    store = RecordStore(Path(store_root))
    _wait_for_the_dead(store.folder(cell.key))

    def pass_on(cell: Cell, event: dict[str, Any]) -> None:
        if event["kind"] not in ("started", "done", "failed"):  # these the other side says
            send(event)

    (outcome,) = schedule.run([cell], store, options, pass_on)
    if outcome.status is Status.DONE:
        return {"kind": "done"}
    killed = outcome.reason == schedule.describe_exit(-signal.SIGKILL)
    return {"kind": "lost" if killed else "failed", "error": f"on {socket.gethostname()}: " * killed + outcome.reason}


def _wait_for_the_dead(folder: Path) -> None:
    # A lock that is still held after this is another run's, which the cell will say.
    deadline = time.monotonic() + LOCK_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(BenchError), child.locked(folder):
            return
