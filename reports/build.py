"""The entry of this package: outcomes of suites become files that people read. No torch, no network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from benchmark.records import SuiteResult, write_atomically
from reports.figures import draw_figures
from reports.formats import FORMATS, to_csv, to_json, to_latex, to_markdown
from reports.html import to_html
from reports.parts import Part
from reports.pdf import to_pdf
from reports.published import load_printed
from reports.tables import build_table

WRITERS = {"md": lambda part: to_markdown(part.table, part.figures),
           "csv": lambda part: to_csv(part.table, part.result), "tex": lambda part: to_latex(part.table),
           "json": lambda part: to_json(part.table)}


def build_report(result: SuiteResult, out: Path, formats: Sequence[str] = FORMATS,
                 root: Path | None = None) -> dict[str, Path]:
    """Write the report of a suite, whole or partial, into ``out``.

    Args:
        result: Suite and outcomes.
        out: Folder of the report; figures go to ``figures/`` inside.
        formats: Of ``FORMATS``.
        root: The store, whose images the qualitative figures and the gallery show; None for none.

    Returns:
        Path of each format's file. Files appear whole or not at all; the same records give the same bytes.
    """
    part = _part(result, out / "figures", root)
    return _write([part], out, part.name, part.table.title, formats, root)


def build_reports(results: Sequence[SuiteResult], out: Path, name: str, title: str, formats: Sequence[str] = FORMATS,
                  root: Path | None = None) -> dict[str, Path]:
    """Write one report of several suites: a PDF and a page for all of them, tables of each beside.

    Returns:
        Path of each whole file, and the folder of the tables.
    """
    parts = [_part(result, out / "figures" / result.suite["name"], root) for result in results]
    for part in parts:
        _write([part], out, part.name, part.table.title, [kind for kind in formats if kind in WRITERS], root)
    whole = _write(parts, out, name, title, [kind for kind in formats if kind not in WRITERS], root)
    return whole | {"tables": out}


def _part(result: SuiteResult, folder: Path, root: Path | None) -> Part:
    table = build_table(result, load_printed())
    # A figure has room for one line: the one that must never be missing.
    notes = [note for note in table.notes if "demonstration" in note.lower()]
    return Part(result, table, draw_figures(result, folder, notes, root), folder)


def _write(parts: list[Part], out: Path, name: str, title: str, formats: Sequence[str],
           root: Path | None) -> dict[str, Path]:
    written = {}
    for kind in formats:
        path = written[kind] = out / f"{name}.{kind}"
        if kind == "pdf":
            _write_bytes(path, to_pdf(parts, name, title))
        elif kind == "html":
            write_atomically(path, to_html(parts, name, title, root))
        else:
            write_atomically(path, WRITERS[kind](parts[0]))
    return written


def _write_bytes(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
