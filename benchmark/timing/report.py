"""How long ``report.py --suite all`` takes, whole and without what costs most, on records made up for every suite."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from benchmark.errors import ConfigError
from benchmark.timing.comparison import Comparison, compare

STORE = Path(__file__).resolve().parents[2] / "tests" / "report_store.py"
SUITE = "all"
TABLES = "md,csv,tex,json"


def comparisons(rounds: int) -> list[Comparison]:
    """The whole report against one without PDF and page, each rebuilt from the same records.

    Raises ``ConfigError`` where the tests, whose made-up records these are, were not copied along.
    """
    from benchmark.suites import load_suite, members

    with tempfile.TemporaryDirectory() as folder:
        store, out = Path(folder) / "work", Path(folder) / "report"
        suites = tuple(suite["name"] for suite in members(load_suite(SUITE)))
        _maker().fill(store, suites)
        records = len(list(store.glob("cells/*/record.json")))
        note = f"{len(suites)} suites, {records} records; tables and figures alone take what the reference takes"
        return [compare(f"report.py --suite {SUITE}", ("all formats", rebuild(store, out)),
                        ("no PDF, no HTML", rebuild(store, out, "--format", TABLES)), rounds, note)]


def rebuild(store: Path, out: Path, *options: str) -> Callable[[], None]:
    """A call that rebuilds the report in this process; what it says is not shown."""
    from benchmark.report import main

    def call() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            main(["--suite", SUITE, "--work-dir", str(store), "--out", str(out), *options])

    return call


def _maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("report_store", STORE)
    if spec is None or spec.loader is None or not STORE.is_file():
        raise ConfigError(f"perf.py report fills a work folder by {STORE}, which is not there; run it from a checkout")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
