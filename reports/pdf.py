"""The report of a suite as PDF, by typst; the same records give the same bytes."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import typst

from benchmark.records import Outcome, Record, Status, SuiteResult
from reports.origin import UNKNOWN, commit_of, newest_date
from reports.tables import NOT_RUN, PublishedRow, Row, Table, metric_head

TEMPLATE = Path(__file__).with_name("templates") / "report.typ"
COST_HEAD = ["Method", "Dataset", "Seed", "Parameters", "Trainable", "GMACs", "at", "ms an image", "Epochs", "Training",
             "Peak MiB"]
# Heads of the provenance table, and the fact of ``reports.origin`` under each.
PROVENANCE = {"Method": "method", "Dataset": "dataset", "Images": "data", "Seed": "seed", "Id": "id",
              "Config": "config", "Data": "fingerprint", "Weights": "weights", "Epoch": "epochs", "Device": "device",
              "Commit": "commit", "M": "machine", "S": "software", "Started (UTC)": "started", "Finished": "finished"}


def to_pdf(table: Table, result: SuiteResult, figures: list[dict[str, str]], figure_folder: Path) -> bytes:
    """PDF of the report. Texts reach typst as JSON data, so that nothing in them can act as markup."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for figure in figures:
            shutil.copy(figure_folder / figure["file"], folder)
        shutil.copy(TEMPLATE, folder / "report.typ")
        content = json.dumps(_content(table, result, figures), ensure_ascii=False)
        (folder / "report.json").write_text(content, encoding="utf-8")
        # Only typst's own fonts: the page looks the same on every machine.
        return typst.compile(str(folder / "report.typ"), root=str(folder), ignore_system_fonts=True)


def _content(table: Table, result: SuiteResult, figures: list[dict[str, str]]) -> dict[str, Any]:
    records = result.records()
    commits = sorted({commit_of(record) for record in records})
    newest = newest_date(result)
    machines, software = (list(dict.fromkeys(origin[name] for origin in table.origins))
                          for name in ("machine", "software"))
    intervals = any(value.interval for row in table.rows for value in row.values.values())
    return {
        "title": table.title,
        "subtitle": " · ".join(filter(None, [
            f"suite {table.name}", f"profile {result.suite['profile']}", f"newest record {newest}" if newest else "",
            f"commit {', '.join(commits)}" if commits else ""])),
        "footer": f"saist-bench · {table.name} · every number measured by this benchmark unless marked as published",
        "notes": table.notes, "caption": table.caption, "footnotes": table.footnotes,
        "dagger": any(row.reconstruction for row in table.rows),
        "groups": [{"title": dataset["title"], "span": len(table.metrics)} for dataset in table.datasets],
        "columns": [metric_head(metric) for _, metric in table.columns()],
        "weights": [_weight(table, column) for column in table.columns()],
        "width": min(100, 28 + 9 * len(table.columns())), "row_inset": 3.6 if intervals else 2.8,
        "rows": _rows(table),
        "published": _published(table),
        "cost": [_cost(record, result) for record in records], "cost_head": COST_HEAD,
        "cost_caption": "What each cell cost. Multiply-accumulates and milliseconds of a network are for a batch of "
                        "one at the stated input size, of a classical method the median over the test images.",
        "figures": figures, "side_by_side": len(table.datasets) == 1,
        "counted": _counted(result), "summary": f"{_counted(result)} A cell is one method on one dataset with one "
        "seed; its id is a hash of its resolved config, its data and its starting weights.",
        "missing": _missing(result),
        "provenance": [[_fact(name, origin, machines, software) for name in PROVENANCE.values()]
                       for origin in table.origins],
        "provenance_head": list(PROVENANCE),
        "environment": _environment(table, machines, software),
    }


def _weight(table: Table, column: tuple[dict[str, Any], str]) -> float:
    # Characters of the widest line; an interval is set smaller than its value.
    values = [row.values[column[0]["name"], column[1]] for row in table.rows]
    return max([7.0, *(max(len(value.text), 0.7 * len(value.interval)) for value in values)])


def _rows(table: Table) -> list[dict[str, Any]]:
    padding = table.padding()
    rows = []
    for row, rule in zip(table.rows, _rules(table.rows), strict=True):
        cells = []
        for dataset, metric in table.columns():
            value = row.values[dataset["name"], metric]
            cells.append({"text": value.text, "interval": value.interval, "rank": value.rank,
                          "notes": [] if value.note is None else [value.note],
                          "pad": padding[dataset["name"], metric].get(row.method, 0)})
        rows.append({"title": row.title + "†" * row.reconstruction, "type": row.type, "notes": row.notes,
                     "rule": rule, "cells": cells})
    return rows


def _rules(rows: list[Row] | list[PublishedRow]) -> list[bool]:
    # A faint rule wherever the type of method changes.
    return [False, *(before.type != after.type for before, after in pairwise(rows))][: len(rows)]


def _published(table: Table) -> dict[str, Any]:
    keys = table.published_columns()
    parts = {key: [_digits(row.values.get(key, NOT_RUN)) for row in table.published] for key in keys}
    widest = {key: [max(sizes) for sizes in zip(*found, strict=True)] for key, found in parts.items()}
    rows = []
    for row, rule in zip(table.published, _rules(table.published), strict=True):
        cells = []
        for key in keys:
            text = row.values.get(key, NOT_RUN)
            before, after = (most - own for most, own in zip(widest[key], _digits(text), strict=True))
            cells.append({"text": text, "pad": before, "tail": after})
        rows.append({"title": row.title, "type": row.type, "rule": rule, "cells": cells})
    return {"groups": [{"title": title, "span": span} for title, span in table.published_groups()],
            "columns": [metric_head(metric) for _, metric in keys], "rows": rows,
            "width": min(100, 28 + 8 * len(keys)), "caption": table.published_caption}


def _digits(text: str) -> tuple[int, int]:
    whole, _, fraction = text.partition(".")
    return len(whole), len(fraction)


def _cost(record: Record, result: SuiteResult) -> list[str]:
    cost, training = record.cost, record.training or {}
    titles = {entry["name"]: entry["title"] for entry in (*result.suite["methods"], *result.suite["datasets"])}
    size = "×".join(map(str, cost["macs_input"])) if cost.get("macs_input") else NOT_RUN
    return [
        titles[record.key.method], titles[record.key.dataset], str(record.key.seed), _count(cost.get("params")),
        _count(cost.get("trainable_params")), _number(cost.get("macs"), 1e-9, 2), size,
        _number(cost.get("latency_ms"), 1, 1), _count(training.get("epochs")), _duration(cost.get("train_seconds")),
        _number(cost.get("peak_memory_mb"), 1, 0),
    ]


def _counted(result: SuiteResult) -> str:
    counts = Counter(outcome.status for outcome in result.outcomes)
    counted = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
    return f"{len(result.outcomes)} cells: {counted or 'none'}."


def _missing(result: SuiteResult) -> list[tuple[str, list[str]]]:
    """What did not run: one line for each reason, with the methods and datasets that it kept from running."""
    reasons: dict[str, list[Outcome]] = {}
    for outcome in result.outcomes:
        if outcome.status is not Status.DONE:
            text = f"{outcome.status.value}: {outcome.reason}" if outcome.reason else outcome.status.value
            reasons.setdefault(text, []).append(outcome)
    lines = [f"{reason} – {_places(outcomes, result)}." for reason, outcomes in reasons.items()]
    return [("Not run", lines)] if lines else []


def _places(outcomes: list[Outcome], result: SuiteResult) -> str:
    methods = {method["name"]: method["title"] for method in result.suite["methods"]}
    datasets = {dataset["name"]: dataset["title"] for dataset in result.suite["datasets"]}
    places: dict[tuple[str, ...], list[str]] = {}
    for method, title in methods.items():
        on = tuple(name for name in datasets if any((outcome.key.method, outcome.key.dataset) == (method, name)
                                                    for outcome in outcomes))
        if on:
            places.setdefault(on, []).append(title)
    return "; ".join(f"{', '.join(titles)} on {', '.join(datasets[name] for name in on)}"
                     for on, titles in places.items())


def _fact(name: str, origin: dict[str, Any], machines: list[str], software: list[str]) -> str:
    if name in ("machine", "software"):
        return str((machines if name == "machine" else software).index(origin[name]) + 1)
    if name in ("started", "finished"):
        return origin[name].replace("T", " ").removesuffix("Z")
    return str(origin[name])


def _environment(table: Table, machines: list[str], software: list[str]) -> list[str]:
    lines = [f"M{number}: {text}." for number, text in enumerate(machines, start=1)]
    lines += [f"S{number}: {text}." for number, text in enumerate(software, start=1)]
    commands = dict.fromkeys(origin["command"] for origin in table.origins if origin["command"] != UNKNOWN)
    lines += [f"Command: {command}" for command in commands]
    return [*lines, "Config: hash of the resolved config alone; data: hash of the images, masks and lists read; a plus "
                    "sign after a commit: uncommitted changes."]


def _count(value: int | None) -> str:
    return NOT_RUN if value is None else f"{value:,}"


def _number(value: float | None, scale: float, decimals: int) -> str:
    return NOT_RUN if value is None else f"{value * scale:.{decimals}f}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return NOT_RUN
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"
