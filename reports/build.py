"""The one entry of this package: a suite's outcomes become files that people read. No torch, no network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from benchmark.records import SuiteResult, write_atomically
from reports.figures import draw_figures
from reports.formats import to_csv, to_json, to_latex, to_markdown
from reports.pdf import to_pdf
from reports.published import load_printed
from reports.tables import build_table

FORMATS = ("md", "csv", "tex", "json", "pdf")


def build_report(result: SuiteResult, out: Path, formats: Sequence[str] = FORMATS) -> dict[str, Path]:
    """Write the report of a suite, whole or partial, into ``out``.

    Returns:
        Path of each format's file. Files appear whole or not at all; the same records give the same bytes.
    """
    name = result.suite["name"]
    table = build_table(result, load_printed())
    figures = draw_figures(result, out / "figures", table.notes)
    writers = {"md": lambda: to_markdown(table), "csv": lambda: to_csv(table, result), "tex": lambda: to_latex(table),
               "json": lambda: to_json(table)}
    written = {}
    for kind in formats:
        path = written[kind] = out / f"{name}.{kind}"
        if kind == "pdf":
            _write_bytes(path, to_pdf(table, result, figures, out / "figures"))
        else:
            write_atomically(path, writers[kind]())
    return written


def _write_bytes(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
