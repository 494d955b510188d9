"""Running the trials of a study, several at once, each in a process of its own; a crash of one never ends the study."""

from __future__ import annotations

import contextlib
import multiprocessing.connection
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import optuna
from optuna.trial import TrialState

from benchmark import schedule
from benchmark.errors import StoreError
from benchmark.tuning.study import shown, spent
from benchmark.tuning.worker import Job, main

Listener = Callable[[dict[str, Any]], None]


@dataclass
class _Process:
    process: Any
    pipe: Connection
    number: int | None = None
    params: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    ended: bool = False


def run(study: optuna.Study, job: Job, *, trials: int, workers: int, timeout: float | None, listen: Listener) -> None:
    """Run trials until the study has ``trials`` of them, at most ``workers`` at once.

    ``listen`` hears ``{'kind': 'report' or 'ended', 'number', 'params', 'seconds', ...}``. A trial over ``timeout``
    seconds, or whose process dies, is recorded as failed.
    """
    processes = schedule.context("benchmark.tuning.worker", "benchmark.engine.trial")
    running: list[_Process] = []
    try:
        while True:
            unborn = sum(child.number is None for child in running)
            while len(running) < workers and spent(study) + unborn < trials:
                running.append(_start(processes, job))
                unborn += 1
            if not running:
                return
            handles = [handle for child in running for handle in (child.process.sentinel, child.pipe)
                       if handle is not child.pipe or not child.pipe.closed]
            multiprocessing.connection.wait(handles, timeout=1.0)
            for child in list(running):
                _hear(child, listen)
                if child.process.is_alive() and not _overdue(child, timeout):
                    continue
                running.remove(child)
                _finish(child, study, job.study.storage, timeout, listen)
    finally:
        for child in running:
            schedule.end(child.process)


def _start(processes: Any, job: Job) -> _Process:
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=main, args=(job, sender), name=job.study.name)
    process.start()
    sender.close()
    return _Process(process, receiver)


def _hear(child: _Process, listen: Listener) -> None:
    try:
        while not child.pipe.closed and child.pipe.poll():
            event = child.pipe.recv()
            if event["kind"] == "asked":
                child.number, child.params = event["number"], event["params"]
                continue
            child.ended |= event["kind"] == "ended"
            listen(event | {"number": child.number, "params": child.params,
                            "seconds": time.monotonic() - child.started})
    except (EOFError, OSError):
        child.pipe.close()


def _overdue(child: _Process, timeout: float | None) -> bool:
    return timeout is not None and time.monotonic() - child.started > timeout


def _finish(child: _Process, study: optuna.Study, storage: str, timeout: float | None,
            listen: Listener) -> None:
    error = f"timed out after {timeout:.0f} s" if child.process.is_alive() else ""
    schedule.end(child.process)
    _hear(child, listen)
    if child.ended:
        return
    if child.number is None:
        raise StoreError(f"no trial could be had from {shown(storage)}: "
                         f"{schedule.describe_exit(child.process.exitcode)}; see the lines above")
    error = error or schedule.describe_exit(child.process.exitcode)
    tell_failed(study, child.number, error)
    listen({"kind": "ended", "state": "fail", "error": error, "number": child.number, "params": child.params,
            "seconds": time.monotonic() - child.started})


def tell_failed(study: optuna.Study, number: int, error: str) -> None:
    """Record a running trial as failed."""
    with contextlib.suppress(ValueError, RuntimeError):  # it was told just before the end
        study._storage.set_trial_user_attr(study.get_trials(deepcopy=False)[number]._trial_id, "error", error)
        study.tell(number, state=TrialState.FAIL)
