"""The table as Markdown, LaTeX, CSV and JSON; the numbers come ready from ``tables`` and are not touched here."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import Any

from benchmark.records import Record, SuiteResult
from reports.tables import NOT_RUN, STYLES, Row, Table, Value

ARROWS = {True: "↑", False: "↓"}
LATEX_ESCAPES = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
                 "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
                 ">": r"\textgreater{}", "±": r"$\pm$", "–": "--", "×": r"$\times$", "⁻": r"$^{-}$", "²": r"$^{2}$",
                 "⁶": r"$^{6}$", "·": r"$\cdot$", "→": r"$\rightarrow$"}
CSV_FIELDS = ("method", "title", "type", "reconstruction", "dataset", "real", "metric", "text", "value", "low", "high",
              "unit", "seeds", "status", "reason", "weights", "epochs", "epoch", "selection", "device", "split",
              "protocol", "profile", "commit", "dirty", "records")


def to_markdown(table: Table) -> str:
    """GitHub-flavoured Markdown: notes first, then the table, footnotes, and the paper's figures in a table apart."""
    lines = [f"# {_md(table.title)}", ""]
    lines += [line for note in table.notes for line in (f"> **{_md(note)}**", "")]
    columns = _columns(table)
    heads = [f"{dataset['title']} {STYLES[metric].title} {ARROWS[STYLES[metric].higher_is_better]}"
             for dataset, metric in columns]
    lines += _md_rows(["Method", "Type", *heads])
    for row in table.rows:
        cells = [_md_value(row.values[dataset["name"], metric]) for dataset, metric in columns]
        title = _md(row.title) + ("†" if row.reconstruction else "")
        lines.append("| " + " | ".join([title, _md(row.type), *cells]) + " |")
    lines += ["", _md(table.caption), ""]
    lines += [f"{number}. {_md(text)}" for number, text in enumerate(table.footnotes, start=1)]
    lines += _md_dagger(table)
    if table.published:
        keys = published_columns(table)
        lines += ["", "## As published in the SAIST paper (not our measurements)", ""]
        lines += _md_rows(["Method", *(f"{dataset} {STYLES[metric].title}" for dataset, metric in keys)])
        for row in table.published:
            lines.append("| " + " | ".join([_md(row.title), *(row.values.get(key, NOT_RUN) for key in keys)]) + " |")
        lines += ["", "IoU and Pd in 10⁻², Fa in 10⁻⁶, as printed; other splits, other counting and other training."]
    return "\n".join(lines) + "\n"


def to_latex(table: Table) -> str:
    r"""A ``table*`` environment for a document with ``\usepackage{booktabs}``; the paper's figures in a second one."""
    columns = _columns(table)
    span = len(table.metrics)
    head = ["", ""] + [rf"\multicolumn{{{span}}}{{c}}{{{_tex(dataset['title'])}}}" for dataset in table.datasets]
    rules = [rf"\cmidrule(lr){{{3 + index * len(table.metrics)}-{2 + (index + 1) * len(table.metrics)}}}"
             for index in range(len(table.datasets))]
    names = ["Method", "Type"] + [_tex_metric(metric) for _, metric in columns]
    body = [" & ".join([_tex(row.title) + (r"$^\dagger$" if row.reconstruction else ""), _tex(row.type)]
                       + [_tex_value(row.values[dataset["name"], metric]) for dataset, metric in columns]) + r" \\"
            for row in table.rows]
    notes = [_tex(note) for note in table.notes] + [rf"$^{{{number}}}$ {_tex(text)}."
                                                    for number, text in enumerate(table.footnotes, start=1)]
    if any(row.reconstruction for row in table.rows):
        notes.append(r"$^\dagger$ reconstruction: no official code or full text.")
    lines = [r"% needs \usepackage{booktabs}", r"\begin{table*}", r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
             rf"\begin{{tabular}}{{ll{'c' * len(columns)}}}", r"\toprule", " & ".join(head) + r" \\", "".join(rules),
             " & ".join(names) + r" \\", r"\midrule", *body, r"\bottomrule", r"\end{tabular}",
             rf"\caption{{{_tex(table.caption)} {' '.join(notes)}}}", rf"\label{{tab:{table.name}}}", r"\end{table*}"]
    if table.published:
        lines += _tex_published(table)
    return "\n".join(lines) + "\n"


def to_csv(table: Table, result: SuiteResult) -> str:
    """One line a method, dataset and metric: printed text and unrounded value, with provenance."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, CSV_FIELDS, lineterminator="\n")
    writer.writeheader()
    for row in table.rows:
        for dataset, metric in _columns(table):
            writer.writerow(_csv_row(row, dataset, metric, table, result))
    return buffer.getvalue()


def to_json(table: Table) -> str:
    """The table with values, texts and notes; keys of cells are ``dataset/metric``."""
    content = asdict(table)
    for rows in (content["rows"], content["published"]):
        for row in rows:
            row["values"] = {"/".join(key): value for key, value in row["values"].items()}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def published_columns(table: Table) -> list[tuple[str, str]]:
    """(dataset, metric) columns of the published figures, in the paper's order."""
    return list(dict.fromkeys(key for row in table.published for key in row.values))


def _columns(table: Table) -> list[tuple[dict[str, Any], str]]:
    return [(dataset, metric) for dataset in table.datasets for metric in table.metrics]


def _csv_row(row: Row, dataset: dict[str, Any], metric: str, table: Table, result: SuiteResult) -> dict[str, Any]:
    value = row.values[dataset["name"], metric]
    outcomes = [outcome for outcome in result.outcomes
                if (outcome.key.method, outcome.key.dataset) == (row.method, dataset["name"])]
    records = [outcome.record for outcome in outcomes if outcome.record is not None]
    suite = result.suite
    return {
        "method": row.method, "title": row.title, "type": row.type, "reconstruction": row.reconstruction,
        "dataset": dataset["name"], "real": dataset["real"], "metric": metric, "text": value.text,
        "value": value.value, "low": value.low, "high": value.high, "unit": STYLES[metric].unit,
        "seeds": _joined(value.seeds), "status": _joined(outcome.status.value for outcome in outcomes),
        "reason": "" if value.note is None else table.footnotes[value.note - 1],
        "weights": _joined(record.provenance.get("weights", {}).get("kind", "") for record in records),
        "epochs": _joined(record.training.get("epochs", "") for record in records),
        "epoch": _joined(record.training.get("epoch", "") for record in records),
        "selection": _joined(record.training.get("selection", "") for record in records),
        "device": _joined(record.provenance.get("device", "") for record in records), "split": dataset["split"],
        "protocol": suite["protocol"], "profile": suite["profile"],
        "commit": _joined((record.provenance.get("git", {}).get("commit") or "") for record in records),
        "dirty": _joined(record.provenance.get("git", {}).get("dirty", "") for record in records),
        "records": _joined(record.id for record in records),
    }


def provenance_rows(records: list[Record]) -> list[list[str]]:
    """One line a cell for the provenance page: what, where from, with which weights, on which machine, when."""
    rows = []
    for record in records:
        origin, weights = record.provenance, record.provenance.get("weights", {})
        training = record.training
        epochs = f"{training['epoch']} of {training['epochs']}, {training['selection']}" if training else "–"
        git = origin.get("git", {})
        rows.append([
            str(record.key), record.id, origin.get("data", {}).get("fingerprint", ""),
            weights.get("kind", ""), epochs,
            origin.get("device", ""), (git.get("commit") or "–")[:10] + ("+" if git.get("dirty") else ""),
            origin.get("finished", ""),
        ])
    return rows


def _joined(items: Any) -> str:
    return " ".join(dict.fromkeys(str(item) for item in items if item != "" and item is not None))


def _md(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(escaped.replace("*", "\\*").replace("_", "\\_").replace("`", "\\`").split())


def _md_rows(head: list[str]) -> list[str]:
    return ["| " + " | ".join(_md(name) for name in head) + " |", "|" + "---|" * len(head)]


def _md_value(value: Value) -> str:
    if value.value is None:
        return f"{NOT_RUN} ({value.note})"
    shown = {1: f"**{value.text}**", 2: f"<u>{value.text}</u>"}.get(value.rank, value.text)
    return f"{shown}<br><sub>{value.interval}</sub>" if value.interval else shown


def _md_dagger(table: Table) -> list[str]:
    shown = any(row.reconstruction for row in table.rows)
    return ["", "† reconstruction: no official code or full text."] if shown else []


def _tex(text: str) -> str:
    return "".join(LATEX_ESCAPES.get(character, character) for character in text)


def _tex_metric(metric: str) -> str:
    style = STYLES[metric]
    arrow = r"$\uparrow$" if style.higher_is_better else r"$\downarrow$"
    return f"{_tex(style.title)} {arrow}"


def _tex_value(value: Value) -> str:
    if value.value is None:
        return f"--$^{{{value.note}}}$"
    shown = {1: rf"\textbf{{{value.text}}}", 2: rf"\underline{{{value.text}}}"}.get(value.rank, value.text)
    if not value.interval:
        return shown
    return rf"\shortstack{{{shown}\\{{\tiny {_tex(value.interval)}}}}}"


def _tex_published(table: Table) -> list[str]:
    keys = published_columns(table)
    names = ["Method"] + [f"{_tex(dataset)} {_tex(STYLES[metric].title)}" for dataset, metric in keys]
    body = [" & ".join([_tex(row.title), *(row.values.get(key, "--") for key in keys)]) + r" \\"
            for row in table.published]
    return ["", r"\begin{table*}", r"\centering\scriptsize", rf"\begin{{tabular}}{{l{'c' * len(keys)}}}", r"\toprule",
            " & ".join(names) + r" \\", r"\midrule", *body, r"\bottomrule", r"\end{tabular}",
            r"\caption{As published in the SAIST paper; not measured here. IoU and Pd in $10^{-2}$, Fa in $10^{-6}$.}",
            rf"\label{{tab:{table.name}-published}}", r"\end{table*}"]
