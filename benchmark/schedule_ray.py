"""Running cells on the machines of a Ray cluster, each in a process of its own. Imports no torch; Ray when it runs.

The counterpart of ``benchmark.schedule``, with the same interface. All machines share the work folder, so that a cell
whose process or machine died goes on anywhere else from its last checkpoint.
"""

from __future__ import annotations

import importlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark import child, schedule
from benchmark.cluster import Cluster, Request, Task
from benchmark.records import CellKey, Outcome, RecordStore, Status
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
                for task in [task for task in self.running if task.overdue(self.options.timeout)]:
                    self.cluster.end(task)
                    self._hear(task, schedule.timed_out(self.options.timeout))
        finally:
            for task in self.running:
                self.cluster.end(task)
        return self.outcomes

    def _fill(self) -> None:
        while self.waiting and len(self.running) < self.options.jobs:
            cell = schedule.next_cell(self.waiting, [task.subject for task in self.running], self.store)
            if cell is None:
                return
            self.waiting.remove(cell)
            self.running.append(self._start(cell))

    def _start(self, cell: Cell) -> Task:
        device = self.options.device if cell.config["method"]["trainable"] else "cpu"
        gpus = self.cluster.gpus(device)
        arguments = (cell, str(self.store.root), "auto" if gpus else "cpu", self.options.request.cpus,
                     self.options.command)
        return self.cluster.start(cell, _cell, arguments, name=cell.key.slot, gpus=gpus)

    def _hear(self, task: Task, event: dict[str, Any]) -> None:
        cell = task.subject
        if task not in self.running:
            return  # a late word of one that was ended
        if event["kind"] in ("started", "progress"):
            self.listen(cell, event)
            return
        self.running.remove(task)
        if event["kind"] == "lost":
            self.losses[cell.key] += 1
            if self.losses[cell.key] <= RETRIES:
                self.listen(cell, event)
                self.waiting.insert(0, cell)
                return
            event = {"kind": "failed", "error": f"{event['error']}, as in {RETRIES} attempts before"}
        self._conclude(task, event)

    def _conclude(self, task: Task, ending: dict[str, Any]) -> None:
        if ending["kind"] == "done":
            self._settle(task.subject)
        outcome = schedule.conclude(task.subject, ending, self.store)
        self.outcomes.append(outcome)
        self.listen(task.subject, {"kind": outcome.status.value, "outcome": outcome, "seconds": task.seconds})
        if outcome.status is Status.FAILED and self.options.fail_fast:
            self.waiting.clear()
            for other in [other for other in self.running if other.started is None]:
                self.cluster.end(other)
                self.running.remove(other)

    def _settle(self, cell: Cell) -> None:
        # The record is there, says its worker; the file server may tell this machine a little later.
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            record = self.store.get(cell.key)
            if record is not None and record.id == cell.id:
                return
            time.sleep(0.5)


def _cell(cell: Cell, store_root: str, device: str, threads: int, command: str,
          send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    importlib.import_module(schedule.PRELOAD)  # here no server of processes has imported the stack
    return child.attempt(cell, store_root, send, device, threads, command, LOCK_SECONDS)
