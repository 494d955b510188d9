"""How fast our own arithmetic is beside public implementations, on this machine, as ratios from one run.

``python benchmark/perf.py metrics`` needs PyIRSTDMetrics beside the benchmark; every subject says what it needs.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: Python put benchmark/ first on sys.path, we need the repository root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import contextlib
import importlib
import json
import os
from collections.abc import Sequence
from typing import Any

from benchmark import provenance
from benchmark.cli import EXIT_DONE, run_main
from benchmark.errors import ConfigError

SUBJECTS = {
    "metrics": ("benchmark.timing.metrics", "counting and curves, against PyIRSTDMetrics and scikit-learn"),
    "ipi": ("benchmark.timing.ipi", "the infrared patch-image method, against a plain implementation"),
    "models": ("benchmark.timing.models", "size, multiply-accumulates, latency and training speed of every network"),
    "train": ("benchmark.timing.train", "a training step by the runner, against a bare loop; bf16, compile and so on"),
    "loader": ("benchmark.timing.loader", "reading training images, against OpenCV alone and against training"),
    "startup": ("benchmark.timing.startup", "--list and --help of every command, against an empty interpreter"),
    "report": ("benchmark.timing.report", "rebuilding --suite all from records, against the same without PDF"),
    "jobs": ("benchmark.timing.jobs", "a suite with --jobs 2, against --jobs 1"),
    "saist": ("benchmark.timing.saist", "SAIST against SAM + CLIP: size, latency, memory, what caching saves"),
}
PINNED = {
    # Freed blocks go back to the kernel and are faulted in again at the allocator's whim: up to threefold times.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
}
EPILOG = """examples:
  python benchmark/perf.py metrics                 table of times and ratios
  python benchmark/perf.py metrics --rounds 11     more rounds, for a busy machine
  python benchmark/perf.py ipi --json > ipi.json   every single time and the machine, as JSON
  python benchmark/perf.py models --rounds 3       what each network costs
  python benchmark/perf.py train                   some minutes, torch.compile's own work included
  python benchmark/perf.py loader                  with $IRSTD_DATA_ROOT on NUAA-SIRST, too
  python benchmark/perf.py jobs --rounds 2         minutes; needs two idle cores
  python benchmark/perf.py saist                   SAIST beside SAM + CLIP"""


def main(argv: Sequence[str] | None = None) -> int:
    """Time one subject and print its comparisons."""
    args = _parser().parse_args(argv)
    if args.rounds < 1:
        raise ConfigError(f"--rounds must be at least 1, got {args.rounds}")
    subject = importlib.import_module(SUBJECTS[args.subject][0])
    tabular = hasattr(subject, "rows")
    with contextlib.redirect_stdout(sys.stderr):  # what models say while they are built is not the result
        found = (subject.rows if tabular else subject.comparisons)(args.rounds)
    measured = found if tabular else [comparison.to_dict() for comparison in found]
    if args.json:
        print(json.dumps({"subject": args.subject, "provenance": _provenance(args.rounds), "rows": measured}, indent=1))
        return EXIT_DONE
    if tabular:
        from benchmark.timing.tables import print_rows

        print_rows(measured)
        return EXIT_DONE
    rows = [("name", "ours ms", "reference ms", "times faster: median [min..max]", "note")]
    for row in measured:
        rows.append((f"{row['name']} vs {row['reference']}", _median_ms(row["ours_seconds"]),
                     _median_ms(row["reference_seconds"]),
                     _ratio(row), row["note"]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return EXIT_DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="perf.py", description=__doc__.splitlines()[0],
                                     epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    subjects = "; ".join(f"{name}: {text}" for name, (_, text) in SUBJECTS.items())
    parser.add_argument("subject", choices=sorted(SUBJECTS), help=subjects)
    parser.add_argument("--rounds", type=int, default=5, help="timed calls of each side, in turn (default: 5)")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    return parser


def _provenance(rounds: int) -> dict[str, Any]:
    return {"git": provenance.git_state(), "versions": provenance.versions(), "hardware": provenance.hardware(),
            "finished": provenance.now(), "command": provenance.command(), "rounds": rounds}


def pin_process() -> None:
    """Start this command again with one thread and a fixed allocator setting, unless it already runs so."""
    if any(os.environ.get(name) != value for name, value in PINNED.items()):
        os.environ.update(PINNED)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _median_ms(seconds: list[float]) -> str:
    return f"{sorted(seconds)[len(seconds) // 2] * 1e3:.3g}" if seconds else "–"


def _ratio(row: dict[str, Any]) -> str:
    if row["ratio"] is None:
        return "–"
    return f"{row['ratio']:.3g} [{row['ratio_min']:.3g}..{row['ratio_max']:.3g}]"


if __name__ == "__main__":
    pin_process()
    sys.exit(run_main(main))
