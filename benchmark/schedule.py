"""Running cells side by side, each in a process of its own; a crash of one never touches another. Imports no torch.

Children are forked from a server that has imported the stack once. They report through a pipe; the parent turns
every ending, orderly or not, into an outcome and never raises for a cell.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmark.placement import Placement
from benchmark.records import Failure, Outcome, RecordStore, Status
from benchmark.suites import Cell

PROJECT = Path(__file__).resolve().parents[1]
PRELOAD = "benchmark.engine.preload"
GRACE_SECONDS = 5.0
TRAINED_FILE = "trained.json"  # of benchmark.engine.learned, which would import torch here

Listener = Callable[[Cell, dict[str, Any]], None]


@dataclass(frozen=True)
class Options:
    """How to run: cells at once, device, seconds allowed to a cell, whether to stop at a failure, processes a cell."""

    jobs: int = 1
    device: str = "auto"
    timeout: float | None = None
    fail_fast: bool = False
    command: str = ""
    gpus_per_cell: int = 1
    threads: int | None = None
    """Of each cell; None means its share of this machine's cores."""


@dataclass
class _Child:
    cell: Cell
    process: Any
    pipe: Connection
    started: float = field(default_factory=time.monotonic)
    ending: dict[str, Any] | None = None


def run(cells: Sequence[Cell], store: RecordStore, options: Options, listen: Listener) -> list[Outcome]:
    """Run the cells, at most ``options.jobs`` at once, in their order.

    ``listen`` hears ``started``, ``progress``, ``note``, ``done`` and ``failed`` events of each cell. An interrupt
    ends the children and is raised again; what they had trained so far is on disk.

    Returns:
        One outcome for each cell that was started.
    """
    processes = context()
    waiting, running, outcomes = list(cells), [], []
    placement = Placement(options.device, options.gpus_per_cell, store)
    try:
        while waiting or running:
            while waiting and len(running) < options.jobs:
                cell, device = _next(waiting, running, store, placement)
                if cell is None:
                    break
                waiting.remove(cell)
                running.append(_start(processes, cell, store, options, device))
                listen(cell, {"kind": "started"})
            for child in _wait(running):
                _drain(child, listen)
                if child.process.is_alive() and not _overdue(child, options.timeout):
                    continue
                running.remove(child)
                outcome = _finish(child, store, options)
                outcomes.append(outcome)
                placement.release(child.cell, outcome.record)
                listen(child.cell, {"kind": outcome.status.value, "outcome": outcome,
                                    "seconds": time.monotonic() - child.started})
                if outcome.status is Status.FAILED and options.fail_fast:
                    waiting.clear()
    finally:
        for child in running:
            end(child.process)
    return outcomes


def _next(waiting: list[Cell], running: list[_Child], store: RecordStore,
          placement: Placement) -> tuple[Cell | None, str]:
    """The first cell that need not wait, and its device; None where all must.

    They wait for the training of a running cell that is theirs too, and for free memory on a GPU.
    """
    busy = [child.cell for child in running]
    for cell in waiting:
        if may_start(cell, busy, store):
            device = placement.place(cell, alone=not running)
            if device is not None:
                return cell, device
    return None, ""


def may_start(cell: Cell, running: Sequence[Cell], store: RecordStore) -> bool:
    """Whether the cell need not wait for the training of a running one, which is its own too."""
    home = cell.home or cell.key
    return all(home != (other.home or other.key) for other in running) or (
        store.folder(home) / f"train-{cell.training_id}" / TRAINED_FILE).exists()


def context(*more: str) -> Any:
    """Where child processes come from: a server that has imported the stack, and ``more`` modules, once."""
    found = multiprocessing.get_context("forkserver")
    # The server is a fresh interpreter that does not inherit sys.path, and it ignores a preload it cannot import.
    paths = [str(PROJECT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    found.set_forkserver_preload([PRELOAD, *more])
    return found


def _start(processes: Any, cell: Cell, store: RecordStore, options: Options, device: str) -> _Child:
    from benchmark.child import main  # named by its module, so that the child finds it without this one's state

    receiver, sender = processes.Pipe(duplex=False)
    ranks = options.gpus_per_cell if cell.config["method"]["trainable"] else 1
    threads = max(1, (options.threads or cores() // options.jobs) // ranks)
    arguments = (cell, str(store.root), sender, device, threads, options.command, ranks)
    process = processes.Process(target=main, args=arguments, name=cell.key.slot)
    process.start()
    sender.close()
    return _Child(cell, process, receiver)


def _wait(running: list[_Child]) -> list[_Child]:
    handles = [child.process.sentinel for child in running]
    handles += [child.pipe for child in running if not child.pipe.closed]
    multiprocessing.connection.wait(handles, timeout=1.0)
    return list(running)


def _drain(child: _Child, listen: Listener) -> None:
    try:
        while not child.pipe.closed and child.pipe.poll():
            event = child.pipe.recv()
            if event["kind"] in ("progress", "note"):
                listen(child.cell, event)
            else:
                child.ending = event
    except (EOFError, OSError):
        child.pipe.close()


def _overdue(child: _Child, timeout: float | None) -> bool:
    return timeout is not None and time.monotonic() - child.started > timeout


def _finish(child: _Child, store: RecordStore, options: Options) -> Outcome:
    cell = child.cell
    if child.process.is_alive():
        end(child.process)
        child.ending = {"kind": "failed", "error": f"timed out after {options.timeout:.0f} s; what was trained is "
                        "kept, raise --timeout and use --retry-failed to go on"}
    child.process.join()
    _drain(child, lambda cell, event: None)
    record = store.get(cell.key)
    if child.ending == {"kind": "done"} and record is not None and record.id == cell.id:
        return Outcome(cell.key, Status.DONE, record=record, folder=store.folder(cell.key))
    ending = child.ending or {"error": describe_exit(child.process.exitcode)}
    error = ending.get("error", "ended without leaving its record")
    if ending.get("kind") != "busy":  # the run that has the cell will say how it ended
        previous = store.get_failure(cell.key)
        attempts = previous.attempts + 1 if previous and previous.id == cell.id else 1
        with contextlib.suppress(OSError):  # a disk that is full keeps no reasons; the outcome has it all the same
            store.put_failure(cell.key, Failure(cell.id, error, ending.get("traceback", ""), attempts))
    return Outcome(cell.key, Status.FAILED, error, folder=store.folder(cell.key))


def describe_exit(code: int | None) -> str:
    """How a process ended that left no word."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = " (often the system's answer to too little memory)" if name == "SIGKILL" else ""
        return f"process ended by {name}{hint}"
    return f"process ended with exit code {code} and no record"


def end(process: Any) -> None:
    """End a process, by force where it does not go by itself."""
    process.terminate()
    process.join(GRACE_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
