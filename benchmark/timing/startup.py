"""How long each command takes to answer ``--help``, and ``run.py`` to list cells, beside an empty interpreter."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmark.timing.comparison import Comparison, compare

PROJECT = Path(__file__).resolve().parents[2]
COMMANDS = ("run", "tune", "predict", "evaluate", "report", "data", "compare", "pretrain_clip", "perf", "docs")
LISTS = ("table1", "all")
GOAL_SECONDS = 0.6


def comparisons(rounds: int) -> list[Comparison]:
    """One comparison a command; each call is a new process."""
    empty = ("empty interpreter", call("-c", ""))
    found = []
    with tempfile.TemporaryDirectory() as folder:
        asked = [(f"{name}.py --help", (f"benchmark/{name}.py", "--help")) for name in COMMANDS]
        asked += [(f"run.py --suite {suite} --list", ("benchmark/run.py", "--suite", suite, "--list", "--profile",
                                                      "demo", "--work-dir", folder)) for suite in LISTS]
        for name, arguments in asked:
            one = compare(name, (name, call(*arguments)), empty, rounds)
            found.append(replace(one, note=_verdict(one)))
    return found


def call(*arguments: str) -> Callable[[], object]:
    """A call that runs Python with these arguments in the project's folder and waits for it."""
    return lambda: subprocess.run([sys.executable, *arguments], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)


def _verdict(one: Comparison) -> str:
    median = sorted(one.ours_seconds)[len(one.ours_seconds) // 2]
    return f"{median:.2f} s, goal {GOAL_SECONDS} s: {'met' if median < GOAL_SECONDS else 'MISSED'}"
