"""Runs commands of the benchmark with faults in them, from a process that has imported the stack once.

A cold import of torch and mmseg takes longer than any of the runs that the fault tests need. Each command here is a
fork of this process, and each of its cells a fork of the command, so that what is killed is what a user's command
would be. Speaks JSON lines: a list of runs in, all started at once; the list of their endings out.

A run: ``argv``; ``module`` (default ``benchmark.run``); ``faults``, functions of ``fault_doubles`` with their
arguments; ``kill``, ``['parent' or 'child', after so many seconds]``; ``after``, a pattern of files that must be there
before it starts; ``output``, the file for what it prints.
An ending: ``code`` (exit code, or minus the signal), ``killed`` (whether the moment to kill came before the end),
``seconds``.
"""

from __future__ import annotations

import glob
import importlib
import json
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))


def main() -> None:
    """Serve until the other side closes."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    importlib.import_module("benchmark.engine.preload")
    for module in ("fault_doubles", "baselines.segmentor", "baselines.losses", "reports.build"):
        importlib.import_module(module)
    # Most of the time of so small a training goes into the layout of the config's text in its checkpoints.
    importlib.import_module("mmengine.config.config").FormatCode = lambda text, **settings: (text, True)
    answers.write("ready\n")
    for line in sys.stdin:
        runs = json.loads(line)
        pids = [_start(run) for run in runs]
        answers.write(json.dumps([_end(run, pid) for run, pid in zip(runs, pids, strict=True)]) + "\n")


def _start(run: dict[str, Any]) -> int:
    while "after" in run and not glob.glob(run["after"]):  # noqa: PTH207 - the pattern is absolute
        time.sleep(0.005)
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        file = os.open(run["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(file, stream)
        code = _command(run)
    except SystemExit as end:
        code = end.code
    except BaseException:  # as an interpreter ends, with a traceback that tests look for
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    os._exit(code)


def _command(run: dict[str, Any]) -> int:
    import fault_doubles

    from benchmark import schedule
    from benchmark.cli import run_main

    schedule.context = lambda *more: multiprocessing.get_context("fork")
    for name, arguments in run.get("faults", {}).items():
        getattr(fault_doubles, name)(**arguments)
    sys.argv = ["run.py", *run["argv"]]
    return run_main(importlib.import_module(run.get("module", "benchmark.run")).main, run["argv"])


def _end(run: dict[str, Any], pid: int) -> dict[str, Any]:
    started, killed = time.monotonic(), False
    whom, moment = run.get("kill") or ("nobody", float("inf"))
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return {"code": os.waitstatus_to_exitcode(status), "killed": killed, "seconds": time.monotonic() - started}
        if not killed and time.monotonic() - started >= moment:
            for victim in [pid] if whom == "parent" else _children(pid):
                os.kill(victim, signal.SIGKILL)
                killed = True
        time.sleep(0.005)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


if __name__ == "__main__":
    main()
