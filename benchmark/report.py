"""The command ``report.py``: rebuild tables, figures, PDF and HTML from records. No data, weights or torch."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: Python put benchmark/ first on sys.path, we need the repository root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import time
from collections.abc import Sequence

from benchmark import configs
from benchmark.cli import EXIT_DONE, EXIT_INCOMPLETE, names, numbers, run_main
from benchmark.errors import StoreError
from benchmark.records import RecordStore, Status
from benchmark.suites import Selection, load_suite, members
from reports.formats import FORMATS

EPILOG = """examples:
  python benchmark/report.py --suite all
      everything from work_dirs, into work_dirs/all
  python benchmark/report.py --suite table1 --format html,pdf --work-dir copied/from/elsewhere --out report
      two formats, from the records of another machine

exit codes: 0 all cells there, 1 some missing (the report is made all the same), 2 bad usage or no records
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Build the report of the command line ``argv``; returns the exit code."""
    arguments = _parser().parse_args(argv)
    from benchmark.collect import choose_profile, collect  # matplotlib, scipy and rich: --help answers without them
    from benchmark.progress import duration, tally
    from reports.build import build_report, build_reports

    started = time.monotonic()
    store = RecordStore(arguments.work_dir, writable=False)
    if not store.root.is_dir():
        raise StoreError(f"{store.root}: no such work folder; --work-dir names the one that holds cells/")
    selection = Selection(
        profile=arguments.profile or choose_profile(store), data_root=Path(), methods=arguments.methods,
        datasets=arguments.datasets, seeds=arguments.seeds, split=arguments.split)
    suite = load_suite(arguments.suite)
    results = [collect(member, store, selection) for member in members(suite)]
    out = arguments.out or store.root / suite["name"]
    if "suites" in suite:
        written = build_reports(results, out, suite["name"], suite["title"], arguments.format, store.root)
    else:
        written = build_report(results[0], out, arguments.format, store.root)
    outcomes = [outcome for result in results for outcome in result.outcomes]
    print(f"{suite['name']} · profile {selection.profile} · {tally(outcomes)} · "
          f"{duration(time.monotonic() - started)} · {' '.join(str(path) for path in written.values())}")
    complete = all(outcome.status in (Status.DONE, Status.SKIPPED) for outcome in outcomes)
    return EXIT_DONE if complete else EXIT_INCOMPLETE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        allow_abbrev=False, prog="report.py",
        description=__doc__.split(":", 1)[1].strip().splitlines()[0], epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", required=True, metavar="NAME|PATH",
                        help=f"one of {', '.join(configs.known('suites'))}, or a config file")
    parser.add_argument("--format", type=_formats, default=list(FORMATS), metavar="A,B",
                        help=f"of {', '.join(FORMATS)} (default: all)")
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs"), metavar="DIR",
                        help="folder that holds cells/ (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the report goes (default: DIR/<suite>)")
    parser.add_argument("--profile", choices=configs.known("profiles"),
                        help="records of this profile (default: that of most records)")
    parser.add_argument("--methods", type=names, metavar="A,B", help="only these methods (default: the suite's)")
    parser.add_argument("--datasets", type=names, metavar="A,B", help="only these datasets (default: those recorded)")
    parser.add_argument("--split", metavar="NAME", help="records of this split (default: the records' own)")
    parser.add_argument("--seeds", type=numbers, metavar="0,1", help="only these seeds (default: those recorded)")
    return parser


def _formats(text: str) -> list[str]:
    found = names(text)
    unknown = [name for name in found if name not in FORMATS]
    if unknown or not found:
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(FORMATS)}, got {text!r}")
    return found


if __name__ == "__main__":
    sys.exit(run_main(main))
