"""From a suite's records to a table of cells that know their value and how it is printed; formats come later.

Numbers are rounded here and nowhere else. Best and second best are sought among measured values of one column, and a
published figure never stands in a measured column.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.records import Outcome, Record, Status, SuiteResult


@dataclass(frozen=True)
class MetricStyle:
    """How a metric is named and printed: shown = value × scale, with so many decimals."""

    title: str
    unit: str
    scale: float
    decimals: int
    higher_is_better: bool


STYLES = {
    "iou": MetricStyle("IoU", "10⁻²", 100, 2, True), "niou": MetricStyle("nIoU", "10⁻²", 100, 2, True),
    "pd": MetricStyle("Pd", "10⁻²", 100, 2, True), "fa": MetricStyle("Fa", "10⁻⁶", 1, 2, False),
    "niou_targets": MetricStyle("nIoU (targets)", "10⁻²", 100, 2, True), "f1": MetricStyle("F1", "10⁻²", 100, 2, True),
    "precision": MetricStyle("Precision", "10⁻²", 100, 2, True), "recall": MetricStyle("Recall", "10⁻²", 100, 2, True),
    "hiou": MetricStyle("hIoU", "10⁻²", 100, 2, True), "pixel_auc": MetricStyle("AUC", "", 1, 4, True),
    "target_auc": MetricStyle("Target AUC", "", 1, 4, True), "target_pauc": MetricStyle("pAUC", "", 1, 4, True),
}
NOT_RUN = "–"
MARK_RULE = "Best measured value of a column in bold, second best underlined."


@dataclass(frozen=True)
class Value:
    """One measured cell of the table; ``value`` is unrounded, ``text`` and ``interval`` are ready to print."""

    value: float | None
    text: str
    interval: str = ""
    low: float | None = None
    high: float | None = None
    rank: int = 0
    """1 best, 2 second best, 0 neither."""
    note: int | None = None
    """Number of the footnote that says why there is no value."""
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Row:
    """A method: title with its mark, type, and values keyed by (dataset, metric)."""

    method: str
    title: str
    type: str
    reconstruction: bool
    values: dict[tuple[str, str], Value]


@dataclass(frozen=True)
class PublishedRow:
    """A method's figures as the paper prints them, keyed by (dataset, metric); strings, never rounded."""

    method: str
    title: str
    values: dict[tuple[str, str], str]


@dataclass(frozen=True)
class Table:
    """Everything that a format needs to write the table."""

    name: str
    title: str
    datasets: list[dict[str, Any]]
    metrics: list[str]
    rows: list[Row]
    published: list[PublishedRow]
    notes: list[str]
    footnotes: list[str]
    caption: str
    seeds: list[int] = field(default_factory=list)


def build_table(result: SuiteResult, published: dict[str, Any]) -> Table:
    """The table of a suite, with whatever has run so far.

    Args:
        result: Suite and outcomes.
        published: As ``load_printed`` gives them; the suite says which of its tables belongs beside ours.
    """
    suite = result.suite
    footnotes: list[str] = []
    rows = [_row(method, result, footnotes) for method in suite["methods"]]
    rows = _ranked(rows, [(dataset["name"], metric) for dataset in suite["datasets"] for metric in suite["metrics"]])
    footnotes += _trainings(result) + _warnings(result.records())
    return Table(
        name=suite["name"], title=suite["title"], datasets=suite["datasets"], metrics=list(suite["metrics"]), rows=rows,
        published=_published(suite, published), notes=list(suite["notes"]), footnotes=footnotes,
        caption=_caption(result), seeds=list(suite["seeds"]),
    )


def format_number(value: float, decimals: int) -> str:
    """The number with fixed decimals; a dash where it is not finite."""
    return f"{value:.{decimals}f}" if math.isfinite(value) else NOT_RUN


def _row(method: dict[str, Any], result: SuiteResult, footnotes: list[str]) -> Row:
    values = {}
    for dataset in result.suite["datasets"]:
        outcomes = [outcome for outcome in result.outcomes
                    if (outcome.key.method, outcome.key.dataset) == (method["name"], dataset["name"])]
        for metric in result.suite["metrics"]:
            values[dataset["name"], metric] = _value(metric, outcomes, footnotes)
    return Row(method["name"], method["title"], method["type"], bool(method["reconstruction"]), values)


def _value(metric: str, outcomes: Sequence[Outcome], footnotes: list[str]) -> Value:
    style = STYLES[metric]
    done = [outcome.record for outcome in outcomes if outcome.record is not None]
    found = [(record.key.seed, record.metrics[metric]) for record in done if metric in record.metrics]
    measured = [(seed, entry) for seed, entry in found if entry.value is not None]
    if not measured:
        reasons = [entry.reason or "undefined" for _, entry in found] or [_reason(outcome) for outcome in outcomes]
        return Value(None, NOT_RUN, note=_footnote(footnotes, reasons[0] if reasons else "not part of this suite"))
    seeds = tuple(seed for seed, _ in measured)
    if len(measured) == 1:
        entry = measured[0][1]
        low, high = entry.low, entry.high
        ends = [format_number(end * style.scale, style.decimals) for end in (low, high) if end is not None]
        interval = f"[{', '.join(ends)}]" if len(ends) == 2 else ""
        return Value(entry.value, format_number(entry.value * style.scale, style.decimals), interval, low, high,
                     seeds=seeds)
    numbers = [entry.value for _, entry in measured]
    mean, spread = statistics.fmean(numbers), statistics.stdev(numbers)
    interval = f"± {format_number(spread * style.scale, style.decimals)} (n={len(numbers)})"
    return Value(mean, format_number(mean * style.scale, style.decimals), interval, seeds=seeds)


def _reason(outcome: Outcome) -> str:
    if outcome.status is Status.SKIPPED:
        return f"not run: {outcome.reason}"
    if outcome.status is Status.FAILED:
        return f"failed: {outcome.reason}"
    return "not run yet" if outcome.status is Status.PENDING else f"{outcome.status.value}: {outcome.reason}"


def _footnote(footnotes: list[str], text: str) -> int:
    if text not in footnotes:
        footnotes.append(text)
    return footnotes.index(text) + 1


def _ranked(rows: list[Row], columns: list[tuple[str, str]]) -> list[Row]:
    # By printed text, so that what looks equal is marked equally.
    ranks: dict[tuple[int, tuple[str, str]], int] = {}
    for column in columns:
        style = STYLES[column[1]]
        shown = [(float(row.values[column].text), index) for index, row in enumerate(rows)
                 if row.values[column].value is not None]
        if len(shown) < 2:
            continue
        levels = sorted({number for number, _ in shown}, reverse=style.higher_is_better)
        for number, index in shown:
            if number in levels[:2]:
                ranks[index, column] = levels.index(number) + 1
    return [_with_ranks(row, {column: ranks.get((index, column), 0) for column in columns})
            for index, row in enumerate(rows)]


def _with_ranks(row: Row, ranks: dict[tuple[str, str], int]) -> Row:
    values = {}
    for column, value in row.values.items():
        fields = {**value.__dict__, "rank": ranks[column]}
        values[column] = Value(**fields)
    return Row(row.method, row.title, row.type, row.reconstruction, values)


def _published(suite: dict[str, Any], published: dict[str, Any]) -> list[PublishedRow]:
    printed = published.get(suite.get("published") or "", {})
    shown = {method["name"]: method["title"] for method in suite["methods"]}
    rows = []
    for name, title in shown.items():
        values = {(dataset, metric): figure for dataset, figures in printed.get(name, {}).items()
                  if isinstance(figures, dict) for metric, figure in figures.items()}
        if values:
            rows.append(PublishedRow(name, title, values))
    return rows


def _trainings(result: SuiteResult) -> list[str]:
    # One line a method: with what it began and how long it was trained on which set.
    titles = {dataset["name"]: dataset["title"] for dataset in result.suite["datasets"]}
    lines = []
    for method in result.suite["methods"]:
        trained = [record for record in result.records() if record.key.method == method["name"] and record.training]
        if not trained:
            continue
        weights = sorted({record.provenance.get("weights", {}).get("kind", "unknown") for record in trained})
        spans = dict.fromkeys(f"{record.training['epochs']} epochs on {titles[record.key.dataset]} "
                              f"({record.training['selection']})" for record in trained)
        lines.append(f"{method['title']}: {' and '.join(weights)} initial weights; {', '.join(spans)}")
    return lines


def _warnings(records: Sequence[Record]) -> list[str]:
    states = [record.provenance.get("git", {}) for record in records]
    found = []
    if len({state.get("commit") for state in states}) > 1:
        found.append("rows come from more than one commit of the benchmark; see the provenance")
    if any(state.get("dirty") for state in states):
        found.append("some rows were measured with uncommitted changes in the benchmark; see the provenance")
    if any(record.training.get("selection") == "test-best" for record in records):
        found.append("epochs were chosen on test images (selection='test-best')")
    return found


def _caption(result: SuiteResult) -> str:
    suite = result.suite
    splits = ", ".join(f"{dataset['title']} ({'real' if dataset['real'] else 'synthetic'}, split {dataset['split']})"
                       for dataset in suite["datasets"])
    seeds = len(suite["seeds"])
    spread = ("In brackets 95 % bootstrap intervals over test images." if seeds == 1 else
              f"Mean ± standard deviation over {seeds} seeds.")
    return (f"{suite['title']}. Profile {suite['profile']}; {splits}. Counting protocol {suite['protocol']}. "
            f"IoU, nIoU and Pd in 10⁻², Fa in 10⁻⁶. {spread} {MARK_RULE}")
