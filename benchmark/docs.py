"""The command ``docs.py``: write the pages of docs/ from parsers, configs, docstrings and records. No torch."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: Python put benchmark/ first on sys.path, we need the repository root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
from collections.abc import Sequence

from benchmark.cli import EXIT_DONE, EXIT_INCOMPLETE, run_main
from benchmark.records import write_atomically

DOCS = Path(__file__).resolve().parents[1] / "docs"
EPILOG = """examples:
  python benchmark/docs.py              write what is new, remove what is no more
  python benchmark/docs.py --check      say which pages are stale, write nothing

exit codes: 0 all pages as they should be, 1 some are stale (--check), 2 bad usage or a damaged record
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``; returns the exit code."""
    from benchmark.docs_pages.pages import all_pages, stale

    arguments = _parser().parse_args(argv)
    pages = all_pages(arguments.out)
    files = stale(arguments.out, pages)
    if arguments.check:
        print("\n".join([*(f"stale: {arguments.out / file}" for file in files),
                         f"{len(pages)} pages, {len(files)} stale" + ("; run benchmark/docs.py" if files else "")]))
        return EXIT_INCOMPLETE if files else EXIT_DONE
    for file in files:
        if file in pages:
            write_atomically(arguments.out / file, pages[file])
        else:
            (arguments.out / file).unlink()
    print(f"{len(pages)} pages, {len(files)} written or removed · {arguments.out}")
    return EXIT_DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        allow_abbrev=False, prog="docs.py",
        description="Write the pages of docs/ from argument parsers, configs, docstrings and measured "
        "records.", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; name the pages that are stale")
    parser.add_argument("--out", type=Path, default=DOCS, metavar="DIR", help="(default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(run_main(main))
