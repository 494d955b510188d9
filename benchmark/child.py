"""The process of one cell: its log, its limits, its lock, and its last word to the parent."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from benchmark.errors import BenchError, BusyError, disk_reason
from benchmark.suites import Cell

LOG_FILE = "cell.log"
LOCK_FILE = ".lock"
LOCK_SECONDS = 10.0


def main(cell: Cell, store_root: str, pipe: Connection, device: str, threads: int, command: str,
         processes: int = 1) -> None:
    """Run one cell.

    ``pipe`` hears at its end ``{'kind': 'done'}``, or ``{'kind': 'failed', 'error', 'traceback'}``, whose kind is
    ``'busy'`` where another run has the cell. With several ``processes`` the cell runs in so many children of this one,
    each with ``threads`` threads.
    """
    die_with_parent()
    folder = Path(store_root) / "cells" / cell.key.slot
    logged = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        redirect_output(folder / LOG_FILE)
        logged = True
        choose_device(device)
        with locked(folder), limited_threads(threads):
            if processes > 1:
                from benchmark.ranks import launch

                launch(cell, store_root, pipe, threads, command, processes)
            else:
                from benchmark.cell import run_cell

                run_cell(cell, Path(store_root), pipe.send, command)
        pipe.send({"kind": "done"})
    except BaseException as error:  # the one place that turns any failure of a cell into a row
        # The word to the parent first: on a full disk the log takes nothing more.
        pipe.send(failed(error))
        if logged:  # or it would go to the user's terminal
            with contextlib.suppress(OSError):
                traceback.print_exc()
        sys.exit(1)


def failed(error: BaseException) -> dict[str, Any]:
    """The event that says how a process failed; one that has one already, from a process of its own, passes it on."""
    own = {"kind": "busy" if isinstance(error, BusyError) else "failed", "error": one_line(error),
           "traceback": traceback.format_exc()}
    return getattr(error, "event", own)


def one_line(error: BaseException) -> str:
    """What went wrong, without line breaks; the class is named unless the message was written for users."""
    if reason := disk_reason(error):
        return f"{reason} (--retry-failed)"
    message = " ".join(str(error).split()) or "no message"
    if isinstance(error, ImportError) and isinstance(error.__context__, ImportError):  # MMEngine's hides the cause
        message += f": {error.__context__}"
    return message if isinstance(error, BenchError) else f"{type(error).__name__}: {message}"[:500]


def die_with_parent() -> None:
    """End this process as soon as the one that asked for it is gone."""
    # A killed parent must not leave a trainer behind that a second run would meet in the same folder.
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def redirect_output(path: Path) -> None:
    """Send everything that this process prints to the end of a file, its children's and C libraries' words included."""
    file = path.open("a", buffering=1, encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(file.fileno(), stream.fileno())


def choose_device(device: str) -> None:
    """Show this process its device: ``'auto'``, ``'cpu'``, ``'cuda:N'``, or several as ``'cuda:N,M'``.

    Devices are counted among those that ``CUDA_VISIBLE_DEVICES`` shows already.
    """
    # MMEngine takes CUDA whenever it sees one, so the choice is what it sees. Nothing has initialised CUDA yet.
    if device == "cpu":
        from mmengine.device import utils

        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        utils.DEVICE = "cpu"  # settled when it was imported, in the server, which sees the machine's GPUs
    elif device.startswith("cuda:"):
        chosen, visible = device.removeprefix("cuda:").split(","), os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is not None:
            entries = visible.split(",")
            chosen = [entries[int(position)].strip() for position in chosen]
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
        # nvidia-smi, by which GPUs are chosen, numbers them so; CUDA's own default is the fastest first
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a cell's folder against other processes. Raises ``BusyError`` when another one keeps it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_FILE
    # A killed run's children need a moment to notice; only a lock that stays means another run.
    deadline = time.monotonic() + LOCK_SECONDS
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise BusyError(f"another run is working on {path.parent}; wait for it or choose another "
                                    "--work-dir") from error
                time.sleep(0.2)
        yield


@contextlib.contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Let torch, OpenCV and BLAS use so many threads."""
    import cv2
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    with threadpool_limits(threads):
        yield


def describe_limits() -> dict[str, Any]:
    """Threads and device of this process, and how many share its cell, as they stand now, for the record."""
    import torch
    from mmengine.dist import get_world_size

    # Only here, never in the config: in how many processes a cell ran is as little part of its identity as the
    # machine. The batch, its statistics and the order of images are the same for any number of them (see
    # engine/shared_batch.py), a training may go on with another number, and a finished cell is not stale for it.
    return {"threads": torch.get_num_threads(), "device": "cuda" if torch.cuda.is_available() else "cpu",
            "processes": get_world_size()}
