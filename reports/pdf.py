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
from reports.differences import causes_used, differences, summary
from reports.metric_styles import COMPARED_RULE, NOT_RUN, STYLES, compared_text, metric_head
from reports.origin import UNKNOWN, commit_of, full_title, newest_date, row_title
from reports.parts import Part
from reports.tables import PublishedRow, Row, Table

TEMPLATE = Path(__file__).with_name("templates") / "report.typ"
COST_HEAD = ["Method", "Dataset", "Seed", "Parameters", "Trainable", "GMACs", "at", "ms an image", "Epochs", "Training",
             "Peak MiB"]
DIFFERENCE_HEAD = {"Method": "title", "Dataset": "dataset", "Metric": "metric", "Ours": "ours", "": "interval",
                   "Published": "published", "Ours – published": "difference", "In our interval": "inside",
                   "Known causes": "causes"}
# Heads of the provenance table, and the fact of ``reports.origin`` under each.
PROVENANCE = {"Method": "method", "Dataset": "dataset", "Images": "data", "Seed": "seed", "Id": "id",
              "Config": "config", "Data": "fingerprint", "Weights": "weights", "Recipe": "recipe", "Epoch": "epochs",
              "Device": "device", "Commit": "commit", "M": "machine", "S": "software", "Started (UTC)": "started",
              "Finished": "finished"}


def to_pdf(parts: list[Part], name: str, title: str) -> bytes:
    """PDF of the report. Texts reach typst as JSON data, so that nothing in them can act as markup."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for part in parts:
            for figure in part.figures:
                if figure["file"]:
                    shutil.copy(part.folder / figure["file"], folder / f"{part.name}-{figure['file']}")
        shutil.copy(TEMPLATE, folder / "report.typ")
        content = json.dumps(_content(parts, name, title), ensure_ascii=False)
        (folder / "report.json").write_text(content, encoding="utf-8", errors="replace")
        # Only typst's own fonts: the page looks the same on every machine.
        return typst.compile(str(folder / "report.typ"), root=str(folder), ignore_system_fonts=True)


def _content(parts: list[Part], name: str, title: str) -> dict[str, Any]:
    # A cell that several suites share is told once.
    origins, records = once(parts), {}
    for part in parts:
        for record in part.result.cell_records():
            records.setdefault((record.id, record.key.seed), (record, part.result))
    commits = sorted({commit_of(record) for record, _ in records.values()})
    newest = max((newest_date(part.result) for part in parts), default="")
    provenance, environment = provenance_rows(origins)
    found = [entry for part in parts for entry in differences(part.table, part.result)]
    told = counted([outcome for part in parts for outcome in part.result.outcomes])
    profiles = list(dict.fromkeys(part.result.suite["profile"] for part in parts))
    return {
        "title": title, "whole": len(parts) > 1,
        "subtitle": " · ".join(filter(None, [
            f"suite {name}", f"profile {', '.join(profiles)}", f"newest record {newest}" if newest else "",
            f"commit {', '.join(commits)}" if commits else ""])),
        "footer": f"saist-bench · {name} · every number measured by this benchmark unless marked as published",
        "notes": list(dict.fromkeys(note for part in parts for note in part.table.notes
                                    if len(parts) == 1 or "demonstration" in note.lower())),
        "parts": [_part(part, numbered=len(parts) > 1) for part in parts],
        # another test of the same network costs the same
        "cost": [_cost(record, result) for record, result in records.values()
                 if len(parts) == 1 or result.suite.get("kind", "grid") in ("grid", "figure", "average")],
        "cost_head": COST_HEAD,
        "cost_caption": "What each cell cost. Multiply-accumulates and milliseconds of a network are for a batch of "
                        "one at the stated input size, of a classical method the median over the test images.",
        "counted": told, "summary": f"{told} A cell is one method on one dataset with one "
        "seed; its id is a hash of its resolved config, its data and its starting weights.",
        "run": [[part.name, part.table.title, counted(part.result.outcomes)] for part in parts],
        "missing": [line for part in parts for line in missing(part, prefixed=len(parts) > 1)],
        "differences": [[entry[name] for name in DIFFERENCE_HEAD.values()] for entry in found],
        "difference_head": list(DIFFERENCE_HEAD), "difference_summary": summary(found),
        "causes": [f"{cause}: {text}." for cause, text in causes_used(found).items()],
        "provenance": provenance, "provenance_head": list(PROVENANCE), "environment": environment,
    }


def once(parts: list[Part]) -> list[dict[str, Any]]:
    """Provenance of the cells of all parts, each once, where it is shown first."""
    origins: dict[tuple[str, int], dict[str, Any]] = {}
    for part in parts:
        for origin in part.table.origins:
            origins.setdefault((origin["id"], origin["seed"]), origin)
    return list(origins.values())


def provenance_rows(origins: list[dict[str, Any]]) -> tuple[list[list[str]], list[str]]:
    """Texts under the heads of ``PROVENANCE`` for each origin, and lines that explain their numbers and signs."""
    machines, software = (list(dict.fromkeys(origin[fact] for origin in origins)) for fact in ("machine", "software"))
    rows = [[_fact(fact, origin, machines, software) for fact in PROVENANCE.values()] for origin in origins]
    return rows, _environment(origins, machines, software)


def _part(part: Part, *, numbered: bool) -> dict[str, Any]:
    table = part.table
    intervals = any(value.interval for row in table.rows for value in row.values.values())
    return {
        "name": part.name, "title": table.title, "caption": table.caption, "footnotes": table.footnotes,
        "notes": [note for note in table.notes if "demonstration" not in note.lower()] if numbered else [],
        "daggers": [f"{mark} {text}" for mark, text in table.daggers().items()], "row_head": table.row_head,
        "groups": [{"title": dataset["title"], "span": len(table.metrics)} for dataset in table.datasets],
        "columns": [metric_head(metric) for _, metric in table.columns()],
        "weights": [_weight(table, column) for column in table.columns()],
        "width": min(100, 28 + 9 * len(table.columns())), "row_inset": 3.6 if intervals else 2.8,
        "rows": _rows(table), "published": _published(table), "compared": _compared(table),
        "figures": [figure | {"file": figure["file"] and f"{part.name}-{figure['file']}"} for figure in part.figures],
        "side_by_side": len(table.datasets) == 1 and not any(figure["file"].endswith("png") for figure in part.figures),
    }


def _compared(table: Table) -> dict[str, Any]:
    head = [f"{STYLES[metric].title}, {STYLES[metric].unit}".rstrip(", ") for metric in table.metrics]
    rows = [[row.title + row.marks, dataset["title"], *(compared_text(own.get(metric), metric)
                                                        for metric in table.metrics)]
            for row, dataset, own in table.compared()]
    return {"head": ["Method", "Dataset", *head], "rows": rows, "caption": COMPARED_RULE}


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
            cells.append({"text": value.text, "interval": value.interval, "rank": value.rank, "tied": value.tied,
                          "notes": [] if value.note is None else [value.note],
                          "pad": padding[dataset["name"], metric].get(row.method, 0)})
        rows.append({"title": row.title + row.marks, "type": row.type, "notes": row.notes,
                     "rule": rule, "cells": cells})
    return rows


def _rules(rows: list[Row] | list[PublishedRow]) -> list[bool]:
    # A faint rule wherever the type of method changes; where one method has several rows, wherever the method does.
    repeated = len({row.title for row in rows}) < len(rows)
    group = [row.title if repeated else row.type for row in rows]
    return [False, *(before != after for before, after in pairwise(group))][: len(rows)]


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
    suite = result.suite
    titles = {entry["name"]: full_title(entry) for entry in suite.get("parts", suite["datasets"])}
    titles |= {entry["name"]: row_title(entry, suite) for entry in suite["methods"]}
    size = "×".join(map(str, cost["macs_input"])) if cost.get("macs_input") else NOT_RUN
    return [
        titles[record.key.method], titles[record.key.dataset], str(record.key.seed), _count(cost.get("params")),
        _count(cost.get("trainable_params")), _number(cost.get("macs"), 1e-9, 2), size,
        _number(cost.get("latency_ms"), 1, 1), _count(training.get("epochs")), _duration(cost.get("train_seconds")),
        _number(cost.get("peak_memory_mb"), 1, 0),
    ]


def counted(outcomes: list[Outcome]) -> str:
    """``'3 cells: 1 done, 2 skipped.'``"""
    counts = Counter(outcome.status for outcome in outcomes)
    shown = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
    return f"{len(outcomes)} cells: {shown or 'none'}."


def missing(part: Part, *, prefixed: bool) -> list[tuple[str, list[str]]]:
    """What did not run: one line for each reason, with the methods and datasets that it kept from running."""
    reasons: dict[str, list[Outcome]] = {}
    for outcome in part.result.outcomes:
        if outcome.status is not Status.DONE:
            text = f"{outcome.status.value}: {outcome.reason}" if outcome.reason else outcome.status.value
            reasons.setdefault(text, []).append(outcome)
    lines = [f"{reason} – {_places(outcomes, part.result)}." for reason, outcomes in reasons.items()]
    return [(f"Not run of {part.name}" if prefixed else "Not run", lines)] if lines else []


def _places(outcomes: list[Outcome], result: SuiteResult) -> str:
    methods = {method["name"]: row_title(method, result.suite) for method in result.suite["methods"]}
    datasets = {dataset["name"]: dataset["title"] for dataset in result.suite["datasets"]}
    places: dict[tuple[str, ...], list[str]] = {}
    for method, title in methods.items():
        on = tuple(name for name in datasets if any((outcome.key.method, outcome.key.dataset) == (method, name)
                                                    for outcome in outcomes))
        if on:
            # one method's rows (its corruptions, its protocols) are told as one
            titles = places.setdefault(on, [])
            if title not in titles:
                titles.append(title)
    return "; ".join(f"{', '.join(titles)} on {', '.join(datasets[name] for name in on)}"
                     for on, titles in places.items())


def _fact(name: str, origin: dict[str, Any], machines: list[str], software: list[str]) -> str:
    if name in ("machine", "software"):
        return str((machines if name == "machine" else software).index(origin[name]) + 1)
    if name in ("started", "finished"):
        return origin[name].replace("T", " ").removesuffix("Z")
    return str(origin[name])


def _environment(origins: list[dict[str, Any]], machines: list[str], software: list[str]) -> list[str]:
    lines = [f"M{number}: {text}." for number, text in enumerate(machines, start=1)]
    lines += [f"S{number}: {text}." for number, text in enumerate(software, start=1)]
    commands = dict.fromkeys(origin["command"] for origin in origins if origin["command"] != UNKNOWN)
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
