"""The table as Markdown, CSV and JSON; the numbers come ready from ``tables`` and are not touched here."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from benchmark.records import SuiteResult
from reports.latex import to_latex
from reports.metric_styles import COMPARED_RULE, NOT_RUN, STYLES, compared_text, metric_head
from reports.origin import precision_of, recipe_of
from reports.tables import TIED, Row, Table, Value

__all__ = ["FORMATS", "to_csv", "to_json", "to_latex", "to_markdown"]

FORMATS = ("md", "csv", "tex", "json", "pdf", "html")
"""Of a report; the last two are made of whole reports, elsewhere."""

CSV_FIELDS = ("method", "title", "type", "reconstruction", "dataset", "real", "metric", "text", "value", "low", "high",
              "spread", "unit", "best", "difference", "difference_low", "difference_high", "p_holm", "n_seeds", "seeds",
              "status", "reason", "weights", "recipe", "epochs", "epoch", "selection", "device", "precision", "split",
              "protocol", "profile", "commit", "dirty", "data", "records", "notes")
ORIGIN_HEAD = {"method": "Method", "dataset": "Dataset", "seed": "Seed", "data": "Data", "weights": "Weights",
               "recipe": "Recipe", "epochs": "Epoch", "device": "Device", "commit": "Commit",
               "finished": "Finished (UTC)", "id": "Cell"}
MARKDOWN_ESCAPES = str.maketrans({character: f"\\{character}" for character in "\\|*_`[]$~"}
                                 | {"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def to_markdown(table: Table, figures: Iterable[dict[str, str]] = ()) -> str:
    """GitHub-flavoured Markdown: notes, the table, footnotes, the paper's figures apart, and the provenance.

    Of ``figures`` (as ``draw_figures`` gives them) those that could not be drawn are told with their reasons.
    """
    lines = [f"# {_md(table.title)}", ""]
    lines += [line for note in table.notes for line in (f"> **{_md(note)}**", "")]
    lines += _md_head(["Method", table.row_head, *(f"{dataset['title']} {metric_head(metric)}"
                                          for dataset, metric in table.columns())], text_columns=2)
    for row in table.rows:
        cells = [_md_value(row.values[dataset["name"], metric]) for dataset, metric in table.columns()]
        lines.append(_md_row([_md_title(row), _md(row.type), *cells]))
    lines += ["", _md(table.caption)]
    if table.footnotes:
        lines += ["", *(f"{number}. {_md(text)}" for number, text in enumerate(table.footnotes, start=1))]
    for mark, text in table.daggers().items():
        lines += ["", f"{mark} {_md(text)}"]
    if table.compared():
        lines += _md_compared(table)
    if table.published:
        lines += _md_published(table)
    for figure in figures:
        if not figure["file"]:
            lines += ["", f"Figure {_md(figure['name'])}: {_md(figure['caption'])}"]
    if table.origins:
        lines += ["", "## Where the numbers come from", "", *_md_head(list(ORIGIN_HEAD.values()), len(ORIGIN_HEAD))]
        lines += [_md_row([_md(str(origin[name])) for name in ORIGIN_HEAD]) for origin in table.origins]
        lines += ["", "A plus sign after a commit stands for uncommitted changes."]
    return "\n".join(lines) + "\n"


def to_csv(table: Table, result: SuiteResult) -> str:
    """One line a method, dataset and metric: printed text and unrounded value, with provenance.

    ``low`` and ``high`` are the 95 % interval of a single seed, ``spread`` the standard deviation over several; both
    are in the unit of ``value`` (a fraction, or per million pixels), ``text`` is in ``unit``.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, CSV_FIELDS, lineterminator="\n")
    writer.writeheader()
    for row in table.rows:
        for dataset, metric in table.columns():
            writer.writerow(_csv_row(row, dataset, metric, table, result))
    return buffer.getvalue()


def to_json(table: Table) -> str:
    """The table with values, texts, notes and provenance; keys of cells are ``dataset/metric``."""
    content = asdict(table)
    for rows in (content["rows"], content["published"]):
        for row in rows:
            row["values"] = {"/".join(key): value for key, value in row["values"].items()}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _csv_row(row: Row, dataset: dict[str, Any], metric: str, table: Table, result: SuiteResult) -> dict[str, Any]:
    value = row.values[dataset["name"], metric]
    outcomes = [outcome for outcome in result.outcomes
                if (outcome.key.method, outcome.key.dataset) == (row.method, dataset["name"])]
    records = [outcome.record for outcome in outcomes if outcome.record is not None]
    suite, compared = result.suite, value.comparison or {}
    return {
        "method": row.method, "title": row.title, "type": row.type, "reconstruction": row.reconstruction,
        "dataset": dataset["name"], "real": dataset["real"], "metric": metric, "text": value.text,
        "value": value.value, "low": value.low, "high": value.high, "spread": value.spread,
        "unit": STYLES[metric].unit, "n_seeds": len(value.seeds),
        "best": compared.get("best"), "difference": compared.get("difference"), "difference_low": compared.get("low"),
        "difference_high": compared.get("high"), "p_holm": compared.get("p_holm"),
        "seeds": _joined(value.seeds), "status": _joined(outcome.status.value for outcome in outcomes),
        "reason": "" if value.note is None else table.footnotes[value.note - 1],
        "weights": _joined(record.provenance.get("weights", {}).get("kind", "") for record in records),
        "recipe": _joined(recipe_of(record) for record in records if record.training),
        "epochs": _joined((record.training or {}).get("epochs", "") for record in records),
        "epoch": _joined((record.training or {}).get("epoch", "") for record in records),
        "selection": _joined((record.training or {}).get("selection", "") for record in records),
        "device": _joined(record.provenance.get("device", "") for record in records),
        "precision": _joined(precision_of(record) for record in records if record.training), "split": dataset["split"],
        "protocol": suite["protocol"], "profile": suite["profile"],
        "commit": _joined((record.provenance.get("git", {}).get("commit") or "") for record in records),
        "dirty": _joined(record.provenance.get("git", {}).get("dirty", "") for record in records),
        "data": _joined(record.provenance.get("data", {}).get("fingerprint", "") for record in records),
        "records": _joined(record.id for record in records), "notes": " ".join(table.notes),
    }


def _joined(items: Iterable[Any]) -> str:
    return " ".join(dict.fromkeys(str(item) for item in items if item != "" and item is not None))


def _md(text: str) -> str:
    return " ".join(text.translate(MARKDOWN_ESCAPES).split())


def _md_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _md_head(names: list[str], text_columns: int) -> list[str]:
    rule = "|" + ":--|" * text_columns + "--:|" * (len(names) - text_columns)
    return [_md_row([_md(name) for name in names]), rule]


def _md_title(row: Row) -> str:
    return _md(row.title) + row.marks + _md_notes(row.notes)


def _md_notes(numbers: Iterable[int]) -> str:
    shown = ", ".join(map(str, numbers))
    return f" ({shown})" if shown else ""


def _md_value(value: Value) -> str:
    shown = {1: f"**{value.text}**", 2: f"<u>{value.text}</u>"}.get(value.rank, value.text)
    shown += f" {TIED}" * value.tied
    shown += _md_notes(() if value.note is None else (value.note,))
    return f"{shown}<br><sub>{value.interval}</sub>" if value.interval else shown


def _md_compared(table: Table) -> list[str]:
    head = ["Method", "Dataset", *(f"{STYLES[metric].title}, {STYLES[metric].unit}".rstrip(", ")
                                   for metric in table.metrics)]
    lines = ["", "## Against the best of each column", "", *_md_head(head, text_columns=2)]
    for row, dataset, own in table.compared():
        lines.append(_md_row([_md(row.title), _md(dataset["title"]),
                              *(_md(compared_text(own.get(metric), metric)) for metric in table.metrics)]))
    return [*lines, "", COMPARED_RULE]


def _md_published(table: Table) -> list[str]:
    heads = [f"{title} {metric_head(metric)}".strip()
             for (title, metric) in zip(
                 [title for title, span in table.published_groups() for _ in range(span)],
                 [metric for _, metric in table.published_columns()], strict=True)]
    lines = ["", "## As published in the SAIST paper (not our measurements)", "",
             *_md_head(["Method", "Type", *heads], text_columns=2)]
    for row in table.published:
        figures = (row.values.get(key, NOT_RUN) for key in table.published_columns())
        lines.append(_md_row([_md(row.title), _md(row.type), *figures]))
    return [*lines, "", _md(table.published_caption)]
