"""One cell in several processes (ranks) that train and test it together, launched as torchrun launches them.

The cell's own process is torch's elastic agent: it starts the ranks, ends all of them when one fails or when it is
ended itself, and passes the failure on. All ranks run the cell; the first one alone reports progress and keeps files.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
import uuid
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from benchmark import schedule
from benchmark.child import die_with_parent, failed, limited_threads
from benchmark.suites import Cell

LAST_WORD_SECONDS = 3.0


class RankError(Exception):
    """A rank failed; ``event`` is what it said, for the parent."""

    def __init__(self, event: dict[str, Any]) -> None:
        super().__init__(event["error"])
        self.event = event


def launch(cell: Cell, store_root: str, pipe: Connection, threads: int, command: str, processes: int) -> None:
    """Run the cell in ``processes`` ranks and return when all are done. Raises ``RankError`` where one failed."""
    # Ranks come from a server of their own, which imports the stack once more: this process will have the agent's
    # threads, and what is forked beside threads now and then finds a lock that nobody will ever release.
    failures = schedule.context().SimpleQueue()
    try:
        _launch(cell, store_root, pipe, threads, command, processes, failures)
    except SignalException as error:
        # The agent has ended the ranks. This process was to be ended, too, and by whom and why its parent knows.
        signal.signal(error.sigval, signal.SIG_DFL)
        os.kill(os.getpid(), error.sigval)


def _launch(cell: Cell, store_root: str, pipe: Connection, threads: int, command: str, processes: int,
            failures: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="ranks-") as folder:
        # as torchrun --standalone --nproc-per-node N: any free port of this machine, no second attempt
        config = LaunchConfig(min_nodes=1, max_nodes=1, nproc_per_node=processes, run_id=uuid.uuid4().hex,
                              rdzv_backend="c10d", rdzv_endpoint="localhost:0", local_addr="localhost",
                              max_restarts=0, start_method="forkserver", logs_specs=DefaultLogsSpecs(log_dir=folder))
        try:
            elastic_launch(config, _rank)(cell, store_root, pipe, threads, command, failures)
        except ChildFailedError as error:
            code = error.get_first_failure()[1].exitcode
            # others' complaints about a lost connection are not the cause where a rank was killed
            event = failures.get() if code >= 0 and not failures.empty() else {
                "kind": "failed", "error": f"one of {processes} processes: {schedule.describe_exit(code)}",
                "traceback": ""}
            raise RankError(event) from error


def _rank(cell: Cell, store_root: str, pipe: Connection, threads: int, command: str, failures: Any) -> None:
    die_with_parent()
    try:
        with limited_threads(threads):
            from benchmark.cell import run_cell

            _join()
            first = torch.distributed.get_rank() == 0
            run_cell(cell, Path(store_root), pipe.send if first else lambda event: None, command)
            torch.distributed.destroy_process_group()
    except BaseException as error:
        failures.put(failed(error))
        # One that lost the connection to a killed rank must not be seen to end before it, and the one that failed first
        # must not pull others down before its word is the first: the agent, which looks ten times a second, ends both.
        time.sleep(LAST_WORD_SECONDS)
        raise


def _join() -> None:
    # MMEngine would do it, but it sets a CUDA device also where there is none.
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        torch.distributed.init_process_group("nccl")
    else:
        torch.distributed.init_process_group("gloo")
