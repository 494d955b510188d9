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

from benchmark.errors import BenchError, StoreError
from benchmark.suites import Cell

LOG_FILE = "cell.log"
LOCK_FILE = ".lock"
LOCK_SECONDS = 10.0


def main(cell: Cell, store_root: str, pipe: Connection, device: str, threads: int, command: str) -> None:
    """Run one cell; ``pipe`` hears ``{'kind': 'done'}`` or ``{'kind': 'failed', 'error', 'traceback'}`` at its end."""
    die_with_parent()
    folder = Path(store_root) / "cells" / cell.key.slot
    try:
        folder.mkdir(parents=True, exist_ok=True)
        redirect_output(folder / LOG_FILE)
        choose_device(device)
        with locked(folder), limited_threads(threads):
            from benchmark.cell import run_cell

            run_cell(cell, Path(store_root), pipe.send, command)
        pipe.send({"kind": "done"})
    except BaseException as error:  # the one place that turns any failure of a cell into a row
        traceback.print_exc()
        pipe.send({"kind": "failed", "error": one_line(error), "traceback": traceback.format_exc()})
        sys.exit(1)


def one_line(error: BaseException) -> str:
    """What went wrong, without line breaks; the class is named unless the message was written for users."""
    message = " ".join(str(error).split()) or "no message"
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
    """Show this process the device that the user chose: ``'auto'``, ``'cpu'`` or ``'cuda:N'``."""
    # MMEngine takes CUDA whenever it sees one, so the choice is what it sees. Nothing has initialised CUDA yet.
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif device.startswith("cuda:"):
        os.environ["CUDA_VISIBLE_DEVICES"] = device.removeprefix("cuda:")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a cell's folder against other processes. Raises ``StoreError`` when another one keeps it."""
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
                    raise StoreError(f"another run is working on {path.parent}; wait for it or choose another "
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
    """Threads and device of this process, as they stand now, for the record."""
    import torch

    return {"threads": torch.get_num_threads(), "device": "cuda" if torch.cuda.is_available() else "cpu"}
