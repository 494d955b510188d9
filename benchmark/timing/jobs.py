"""What ``--jobs 2`` saves: single-threaded cells on two cores, two at once, against one after the other on one core.

Each call is the whole command: planning, the server that cells are forked from, training, tests, tables and PDF.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmark.errors import ConfigError
from benchmark.records import RecordStore
from benchmark.timing.comparison import Comparison, compare

PROJECT = Path(__file__).resolve().parents[2]
GOAL = 1.7
SEEDS = "0,1"
METHOD, EPOCHS = "acm", 12
"""Long enough that what is not parallel, importing torch above all, is a small part."""


def comparisons(rounds: int) -> list[Comparison]:
    """Two trainings by two workers on two cores and by one on one; raises ``ConfigError`` where there is one core."""
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(available) < 2:
        raise ConfigError("perf.py jobs keeps each cell to a core of its own and needs two, on Linux")
    return [side_by_side(available[:2], rounds)]


def side_by_side(cores: list[int], rounds: int) -> Comparison:
    """The cells on all these cores with a job for each of two, against one job on the first of them."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        found = compare(f"{len(SEEDS.split(','))} cells", ("--jobs 2", suite(root / "two", 2, cores)),
                        ("--jobs 1", suite(root / "one", 1, cores[:1])), rounds, warm_up=False)
        threads = {RecordStore(root / name, writable=False).get(key).provenance["threads"] for name in ("one", "two")
                   for key in RecordStore(root / name, writable=False).recorded()}
    return replace(found, note=f"{METHOD}, {EPOCHS} epochs of the demo profile, whole command; threads of a cell: "
                   f"{', '.join(map(str, sorted(threads)))}; goal {GOAL}")


def suite(work: Path, jobs: int, cores: list[int]) -> Callable[[], None]:
    """A call that runs the cells anew, on these cores alone: each worker may then use ``len(cores) / jobs`` threads."""
    command = [sys.executable, "benchmark/run.py", "--suite", "table1", "--profile", "demo", "--methods", METHOD,
               "--seeds", SEEDS, "--set", f"train_cfg.max_epochs={EPOCHS}", "--work-dir", str(work), "--jobs",
               str(jobs), "--force", "--quiet", "--wandb", "disabled", "--device", "cpu"]

    def call() -> None:
        subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL,
                       preexec_fn=lambda: os.sched_setaffinity(0, cores))

    return call
