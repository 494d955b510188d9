"""From a suite's records to a table of cells that know their value and how it is printed; formats come later.

Numbers are rounded here and nowhere else. Best and second best are sought among measured values of one column, and a
published figure never stands in a measured column.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmark.records import Metric, Outcome, Record, Status, SuiteResult
from reports.metric_styles import FALSE_ALARMS, LEVEL, NOT_RUN, STYLES, format_number
from reports.origin import AUTHORS, has_random_part, origins, precision_of, recipe_of
from reports.published import DATASETS

DAGGERS = {"†": "reconstruction: no official code or full text.",
           "‡": "a part that is pre-trained in the original started from random weights."}
TIED = "≈"
MARK_RULE = ("Best measured value of a column in bold, second best underlined; values that print alike are marked "
             "alike, a value alone in its column is not marked, and neither is the Fa of a method that found nothing, "
             "be it with one seed.")

TIED_RULE = (f"{TIED}: no different from the best of its column beyond the noise of the test images (paired bootstrap, "
             f"Holm's correction within the column, level {LEVEL:g}).")
RECIPES = {"authors": "each method's own recipe where it has one", "common": "one common recipe"}


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
    """Number of the footnote that says why there is no value, or which seeds are missing from it."""
    seeds: tuple[int, ...] = ()
    spread: float | None = None
    """Standard deviation over seeds, unrounded; None for fewer than two."""
    silent: bool = False
    """Whether one of its seeds found no target: whoever says nothing raises no false alarm, and that is no merit."""
    comparison: dict[str, Any] | None = None
    """With the best of its column, as in ``SuiteResult.comparisons``."""

    @property
    def tied(self) -> bool:
        """Whether it differs from the best of its column by no more than the noise of the test images."""
        return self.comparison is not None and self.comparison["p_holm"] >= LEVEL


@dataclass(frozen=True)
class Row:
    """A method: title, type, values keyed by (dataset, metric), and numbers of the footnotes about the whole row."""

    method: str
    title: str
    type: str
    reconstruction: bool
    values: dict[tuple[str, str], Value]
    notes: tuple[int, ...] = ()
    random: bool = False
    """Whether a part that should be pre-trained started from random weights."""

    @property
    def marks(self) -> str:
        """Daggers after its title; ``DAGGERS`` says what they stand for."""
        return "†" * self.reconstruction + "‡" * self.random


@dataclass(frozen=True)
class PublishedRow:
    """A method's figures as the paper prints them, keyed by (dataset, metric); strings, never rounded.

    The dataset is "" where the paper averages over all of them.
    """

    method: str
    title: str
    type: str
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
    published_caption: str = ""
    seeds: list[int] = field(default_factory=list)
    origins: list[dict[str, Any]] = field(default_factory=list)
    """Provenance of every finished cell, as ``reports.origin.origins`` gives it."""
    row_head: str = "Type"

    def daggers(self) -> dict[str, str]:
        """The daggers that occur, with what they stand for."""
        return {mark: text for mark, text in DAGGERS.items() if any(mark in row.marks for row in self.rows)}

    def compared(self) -> list[tuple[Row, dict[str, Any], dict[str, dict[str, Any]]]]:
        """(row, dataset, comparison by metric) of every row that is compared with the best of a column."""
        found = []
        for dataset in self.datasets:
            for row in self.rows:
                own = {metric: row.values[dataset["name"], metric].comparison for metric in self.metrics}
                own = {metric: comparison for metric, comparison in own.items() if comparison}
                if own:
                    found.append((row, dataset, own))
        return found

    def columns(self) -> list[tuple[dict[str, Any], str]]:
        """(dataset, metric) of each measured column."""
        return [(dataset, metric) for dataset in self.datasets for metric in self.metrics]

    def published_columns(self) -> list[tuple[str, str]]:
        """(dataset, metric) of each published column, in the paper's order."""
        return list(dict.fromkeys(key for row in self.published for key in row.values))

    def published_groups(self) -> list[tuple[str, int]]:
        """Title and number of columns of each dataset of the published figures."""
        names = [dataset for dataset, _ in self.published_columns()]
        titles = DATASETS | {dataset["name"]: dataset["title"] for dataset in self.datasets}
        return [(titles.get(name, name), names.count(name)) for name in dict.fromkeys(names)]

    def padding(self) -> dict[tuple[str, str], dict[str, int]]:
        """For each column and method, how many digits are missing on the left for the decimal points to align."""
        digits = {(dataset["name"], metric): {row.method: len(row.values[dataset["name"], metric].text.split(".")[0])
                                              for row in self.rows
                                              if row.values[dataset["name"], metric].value is not None}
                  for dataset, metric in self.columns()}
        return {column: {method: max(found.values()) - count for method, count in found.items()}
                for column, found in digits.items()}


def build_table(result: SuiteResult, published: dict[str, Any]) -> Table:
    """The table of a suite, with whatever has run so far.

    Args:
        result: Suite and outcomes.
        published: As ``load_printed`` gives them; the suite says which of its tables belongs beside ours.
    """
    suite = result.suite
    footnotes: list[str] = []
    rows = [_row(method, result, footnotes) for method in suite["methods"]]
    if suite.get("ranked", True):
        rows = _ranked(rows, [(dataset["name"], metric) for dataset in suite["datasets"]
                              for metric in suite["metrics"]])
    rows = _with_comparisons(rows, result.comparisons)
    rows = _with_trainings(rows, result, footnotes)
    rows = _with_warnings(rows, result.records(), footnotes)
    shown, caption = _published(suite, published)
    return Table(
        name=suite["name"], title=suite["title"], datasets=suite["datasets"], metrics=list(suite["metrics"]), rows=rows,
        published=shown, notes=_notes(suite), footnotes=footnotes, caption=_caption(result), published_caption=caption,
        seeds=list(suite["seeds"]), origins=origins(result), row_head=suite.get("row_head", "Type"),
    )


def _row(method: dict[str, Any], result: SuiteResult, footnotes: list[str]) -> Row:
    values = {}
    for dataset in result.suite["datasets"]:
        outcomes = [outcome for outcome in result.outcomes
                    if (outcome.key.method, outcome.key.dataset) == (method["name"], dataset["name"])]
        for metric in result.suite["metrics"]:
            values[dataset["name"], metric] = value_of(metric, outcomes, footnotes)
    records = [record for record in result.records() if record.key.method == method["name"]]
    return Row(method["name"], method["title"], method["type"], bool(method["reconstruction"]), values,
               random=any(has_random_part(record) for record in records))


def value_of(metric: str, outcomes: Sequence[Outcome], footnotes: list[str]) -> Value:
    """The value of a place of a table from the outcomes of its seeds; why one is missing joins ``footnotes``."""
    style = STYLES[metric]
    measured: list[tuple[int, Metric]] = []
    missing: list[tuple[int, str]] = []
    for outcome in outcomes:
        entry = outcome.record.metrics.get(metric) if outcome.record else None
        if entry is not None and entry.value is not None:
            measured.append((outcome.key.seed, entry))
        else:
            missing.append((outcome.key.seed, _reason(outcome, entry)))
    if not measured:
        return Value(None, NOT_RUN, note=_footnote(footnotes, _joined_reasons(missing) or "not part of this suite"))
    seeds = tuple(seed for seed, _ in measured)
    note = _footnote(footnotes, f"without {_joined_reasons(missing, always_name_seeds=True)}") if missing else None
    rates = [outcome.record.metrics.get("pd") for outcome in outcomes if outcome.record]
    silent = any(rate is not None and rate.value == 0 for rate in rates)
    if len(measured) == 1:
        entry = measured[0][1]
        ends = [format_number(end * style.scale, style.decimals) for end in (entry.low, entry.high) if end is not None]
        interval = f"[{', '.join(ends)}]" if len(ends) == 2 else ""
        return Value(entry.value, format_number(entry.value * style.scale, style.decimals), interval, entry.low,
                     entry.high, note=note, seeds=seeds, silent=silent)
    numbers = [entry.value for _, entry in measured]
    mean, spread = statistics.fmean(numbers), statistics.stdev(numbers)
    interval = f"± {format_number(spread * style.scale, style.decimals)} (n={len(numbers)})"
    return Value(mean, format_number(mean * style.scale, style.decimals), interval, note=note, seeds=seeds,
                 spread=spread, silent=silent)


def _reason(outcome: Outcome, entry: Metric | None) -> str:
    if outcome.record is not None:
        return (entry.reason if entry else "not in this record") or "undefined"
    if outcome.status is Status.SKIPPED:
        return f"not run: {outcome.reason}"
    if outcome.status is Status.FAILED:
        return f"failed: {outcome.reason}"
    return "not run yet" if outcome.status is Status.PENDING else f"{outcome.status.value}: {outcome.reason}"


def _joined_reasons(missing: list[tuple[int, str]], *, always_name_seeds: bool = False) -> str:
    reasons = list(dict.fromkeys(reason for _, reason in missing))
    if len(reasons) == 1 and not always_name_seeds:
        return reasons[0]
    parts = []
    for reason in reasons:
        seeds = [str(seed) for seed, found in missing if found == reason]
        parts.append(f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)} ({reason})")
    return "; ".join(parts)


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
                 if row.values[column].value is not None
                 and not (column[1] in FALSE_ALARMS and row.values[column].silent)]
        if len(shown) < 2:
            continue
        levels = sorted({number for number, _ in shown}, reverse=style.higher_is_better)
        for number, index in shown:
            if number in levels[:2]:
                ranks[index, column] = levels.index(number) + 1
    return [_with_ranks(row, {column: ranks.get((index, column), 0) for column in columns})
            for index, row in enumerate(rows)]


def _with_ranks(row: Row, ranks: dict[tuple[str, str], int]) -> Row:
    return replace(row, values={column: replace(value, rank=ranks[column]) for column, value in row.values.items()})


def _with_comparisons(rows: list[Row], comparisons: Sequence[dict[str, Any]]) -> list[Row]:
    found = {(entry["method"], entry["dataset"], entry["metric"]): entry for entry in comparisons}
    return [replace(row, values={column: replace(value, comparison=found.get((row.method, *column)))
                                 for column, value in row.values.items()}) for row in rows]


def _published(suite: dict[str, Any], published: dict[str, Any]) -> tuple[list[PublishedRow], str]:
    name = suite.get("published") or ""
    printed = published.get(name, {})
    ours = {dataset["name"] for dataset in suite["datasets"]}
    rows = []
    for method in suite["methods"]:
        figures = {(dataset, metric): figure for dataset, entry in printed.get(method["name"], {}).items()
                   for metric, figure in (entry.items() if isinstance(entry, dict) else ())}
        figures |= {("", metric): figure for metric, figure in printed.get(method["name"], {}).items()
                    if not isinstance(figure, dict)}
        # Beside measurements on some of the paper's datasets only those are of use; beside other data, all are.
        kept = {key: figure for key, figure in figures.items() if key[0] in ours} or figures
        if kept:
            rows.append(PublishedRow(method["name"], method["title"], method["type"], kept))
    same_data = any(dataset in ours for row in rows for dataset, _ in row.values)
    difference = ("Other splits, other counting and other training than above." if same_data else
                  "On other data than above: nothing in the two tables can be compared.")
    number = name.removeprefix("table") or "–"
    return rows, (f"Published (SAIST paper, CVPR 2025, Table {number}), exactly as printed – not our measurement. "
                  f"{difference} IoU and Pd in 10⁻², Fa in 10⁻⁶.")


def _with_trainings(rows: list[Row], result: SuiteResult, footnotes: list[str]) -> list[Row]:
    # One footnote a method: with what it began and how long it was trained on which set.
    titles = {dataset["name"]: title_of(dataset) for dataset in result.suite["datasets"]}
    told = []
    for row in rows:
        trained = [record for record in result.records() if record.key.method == row.method and record.training]
        if trained:
            weights = sorted({record.provenance.get("weights", {}).get("kind") or "unknown" for record in trained})
            recipes = sorted({recipe_of(record) for record in trained} - {AUTHORS})
            spans = dict.fromkeys(f"{record.training.get('epochs', NOT_RUN)} epochs on "
                                  f"{record.config.get('dataset', {}).get('title', titles[record.key.dataset])} "
                                  f"({record.training.get('selection') or 'selection unknown'})" for record in trained)
            text = f"{' and '.join(weights)} initial weights; {', '.join(spans)}"
            text += f"; {' and '.join(recipes)} recipe" if recipes and "recipe" not in result.suite else ""
            narrow = sorted({precision_of(record) for record in trained} - {""})
            text += f"; in {' and '.join(narrow)}" if narrow else ""
            row = replace(row, notes=(*row.notes, _footnote(footnotes, text)))
        told.append(row)
    return told


def _with_warnings(rows: list[Row], records: Sequence[Record], footnotes: list[str]) -> list[Row]:
    newest = max(records, key=lambda record: record.provenance.get("finished", ""), default=None)
    warnings = (
        ("not measured at the newest commit shown: rows come from more than one commit of the benchmark; see the "
         "provenance", lambda record: _commit(record) != _commit(newest)),
        ("measured, at least in part, with uncommitted changes in the benchmark; see the provenance",
         lambda record: bool(record.provenance.get("git", {}).get("dirty"))),
        ("epochs were chosen on test images (selection='test-best')",
         lambda record: (record.training or {}).get("selection") == "test-best"),
    )
    for text, applies in warnings:
        methods = {record.key.method for record in records if applies(record)}
        if methods:
            number = _footnote(footnotes, text)
            rows = [replace(row, notes=(*row.notes, number)) if row.method in methods else row for row in rows]
    return rows


def _commit(record: Record) -> str | None:
    return record.provenance.get("git", {}).get("commit")


def _notes(suite: dict[str, Any]) -> list[str]:
    notes = list(suite["notes"])
    generated = [dataset["title"] for dataset in suite["datasets"] if not dataset["real"]]
    if (generated or suite["profile"] == "demo") and not any("demonstration" in note.lower() for note in notes):
        what = f"generated images ({', '.join(generated)})" if generated else "small runs"
        notes.insert(0, f"Demonstration: {what}; these numbers say nothing about the methods on real images.")
    return notes


def _caption(result: SuiteResult) -> str:
    suite = result.suite
    splits = ", ".join(dict.fromkeys(
        f"{title_of(dataset)} ({'real' if dataset['real'] else 'synthetic'}, split {dataset['split']})"
        for dataset in suite.get("parts", suite["datasets"])))
    seeds = len(suite["seeds"])
    spread = ("In brackets 95 % bootstrap intervals over test images." if seeds == 1 else
              f"Mean ± standard deviation over n of {seeds} seeds; where one seed alone is done, its 95 % bootstrap "
              "interval over test images in brackets.")
    units: dict[str, list[str]] = {}
    for metric in suite["metrics"]:
        units.setdefault(STYLES[metric].unit, []).append(STYLES[metric].title)
    scale = ", ".join(f"{_listed(titles)} in {unit}" for unit, titles in units.items() if unit)
    records = [outcome.record for outcome in result.outcomes if outcome.record]
    trained = not records or any(record.training for record in records)
    recipe = f"Trained by {_recipe(suite['recipe'])}. " if suite.get("recipe") and trained else ""
    protocol = "" if suite.get("kind") == "protocols" else f"Counting protocol {suite['protocol']}. "
    marks = f" {MARK_RULE}" if suite.get("ranked", True) else ""
    tied = f" {TIED_RULE}" if result.comparisons else ""
    return (f"{suite['title']}. Profile {suite['profile']}; {splits}. {protocol}{recipe}"
            + (f"{scale}. " if scale else "") + f"{spread}{marks}{tied}")


def _recipe(names: str) -> str:
    # records that were gathered from several runs may have several
    found = [RECIPES.get(name, name) for name in names.split(" and ")]
    return found[0] if len(found) == 1 else f"different recipes ({'; '.join(found)}), as the provenance says of each"


def title_of(dataset: dict[str, Any]) -> str:
    """Title of a column's dataset, without the condition under which it is tested."""
    return dataset.get("dataset", dataset["title"])


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
