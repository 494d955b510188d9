"""The report of a suite as PDF, by typst; the same records give the same bytes."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import typst

from benchmark.records import Record, Status, SuiteResult
from reports.formats import ARROWS, provenance_rows, published_columns
from reports.tables import NOT_RUN, STYLES, Table

TEMPLATE = Path(__file__).with_name("templates") / "report.typ"
COST_HEAD = ["Method", "Dataset", "Parameters", "Trainable", "GMACs", "at", "ms an image", "Training", "Peak MiB"]
PROVENANCE_HEAD = ["Cell", "Id", "Data", "Weights", "Epoch", "Device", "Commit", "Finished (UTC)"]


def to_pdf(table: Table, result: SuiteResult, figures: list[dict[str, str]], figure_folder: Path) -> bytes:
    """PDF of the report. Texts reach typst as JSON data, so that nothing in them can act as markup."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for figure in figures:
            shutil.copy(figure_folder / figure["file"], folder)
        shutil.copy(TEMPLATE, folder / "report.typ")
        content = json.dumps(_content(table, result, figures), ensure_ascii=False)
        (folder / "report.json").write_text(content, encoding="utf-8")
        return typst.compile(str(folder / "report.typ"), root=str(folder))


def _content(table: Table, result: SuiteResult, figures: list[dict[str, str]]) -> dict[str, Any]:
    records = result.records()
    columns = [(dataset, metric) for dataset in table.datasets for metric in table.metrics]
    dates = sorted(record.provenance.get("finished", "")[:10] for record in records)
    commits = sorted({_commit(record) for record in records})
    wide = len(table.datasets) > 1
    return {
        "title": table.title,
        "subtitle": " · ".join(filter(None, [
            f"suite {table.name}", f"profile {result.suite['profile']}", f"newest record {dates[-1]}" if dates else "",
            f"commit {', '.join(commits)}" if commits else ""])),
        "footer": f"saist-bench · {table.name} · every number measured by this benchmark unless marked as published",
        "notes": table.notes, "caption": table.caption, "footnotes": table.footnotes,
        "dagger": any(row.reconstruction for row in table.rows),
        "groups": [{"title": dataset["title"], "span": len(table.metrics)} for dataset in table.datasets],
        "columns": [f"{STYLES[metric].title} {ARROWS[STYLES[metric].higher_is_better]}" for _, metric in columns],
        "rows": [{"title": row.title + ("†" if row.reconstruction else ""), "type": row.type,
                  "cells": [_cell(row.values[dataset["name"], metric]) for dataset, metric in columns]}
                 for row in table.rows],
        "published": _published(table),
        "cost": [_cost(record, result) for record in records], "cost_head": COST_HEAD,
        "cost_caption": "What each cell cost. Multiply-accumulates and milliseconds of a network are for a batch of "
                        "one at the stated input size, of a classical method the median over the test images.",
        "figures": [figure | {"width": 100 if wide else 74} for figure in figures],
        "summary": _summary(result),
        "provenance": provenance_rows(records), "provenance_head": PROVENANCE_HEAD,
        "environment": _environment(records),
    }


def _cell(value: Any) -> dict[str, Any]:
    return {"text": value.text, "interval": value.interval, "rank": value.rank, "note": value.note}


def _published(table: Table) -> dict[str, Any]:
    keys = published_columns(table)
    datasets = list(dict.fromkeys(dataset for dataset, _ in keys))
    return {
        "groups": [{"title": name, "span": sum(dataset == name for dataset, _ in keys)} for name in datasets],
        "columns": [f"{STYLES[metric].title} {ARROWS[STYLES[metric].higher_is_better]}" for _, metric in keys],
        "rows": [[row.title, *(row.values.get(key, NOT_RUN) for key in keys)] for row in table.published],
        "caption": "As published in the SAIST paper (CVPR 2025), exactly as printed; not measured here. Other splits, "
                   "other counting and other training than above. IoU and Pd in 10⁻², Fa in 10⁻⁶.",
    }


def _cost(record: Record, result: SuiteResult) -> list[str]:
    cost = record.cost
    titles = {entry["name"]: entry["title"] for entry in (*result.suite["methods"], *result.suite["datasets"])}
    size = "×".join(map(str, cost["macs_input"])) if cost.get("macs_input") else "–"
    return [
        titles[record.key.method], titles[record.key.dataset], _count(cost.get("params")),
        _count(cost.get("trainable_params")), _number(cost.get("macs"), 1e-9, 2), size,
        _number(cost.get("latency_ms"), 1, 1), _duration(cost.get("train_seconds")),
        _number(cost.get("peak_memory_mb"), 1, 0),
    ]


def _summary(result: SuiteResult) -> str:
    counts = Counter(outcome.status for outcome in result.outcomes)
    counted = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
    missing = [f"{outcome.key} ({outcome.status.value}: {outcome.reason or 'not run yet'})"
               for outcome in result.outcomes if outcome.status in (Status.FAILED, Status.PENDING, Status.STALE)]
    tail = f" Missing: {'; '.join(missing)}." if missing else ""
    return (f"{len(result.outcomes)} cells: {counted}. A cell is one method on one dataset with one seed; its id is a "
            f"hash of its resolved config, its data and its starting weights.{tail}")


def _environment(records: list[Record]) -> list[str]:
    lines = []
    for record in records:
        hardware, versions = record.provenance.get("hardware", {}), record.provenance.get("versions", {})
        machine = ", ".join(filter(None, [
            str(hardware.get("cpu", "")), f"{hardware.get('cores')} cores", f"{hardware.get('memory_gb')} GB",
            ", ".join(hardware.get("gpu", [])) or "no GPU"]))
        packages = ", ".join(f"{name} {version}" for name, version in versions.items())
        lines += [f"Machine: {machine}; {record.provenance.get('threads')} threads a cell.", f"Software: {packages}."]
    return list(dict.fromkeys(lines))


def _commit(record: Record) -> str:
    git = record.provenance.get("git", {})
    return (git.get("commit") or "unknown")[:10] + (" (with uncommitted changes)" if git.get("dirty") else "")


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _number(value: float | None, scale: float, decimals: int) -> str:
    return "–" if value is None else f"{value * scale:.{decimals}f}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"
