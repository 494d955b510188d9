"""Our values beside the published ones, and which of the known causes apply: decided by rule, from the records.

No cause is claimed to explain a difference; each is a fact of the run under which the two numbers are not the same
experiment. What is published stays a string as printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.records import Record, SuiteResult
from reports.metric_styles import STYLES
from reports.origin import has_random_part
from reports.tables import Table, title_of

PAPER = {"epochs": 400, "size": [1024, 1024], "split": "paper"}
CAUSES = {
    "D": "other data: generated images, so that nothing can be compared",
    "S": "another split: the paper divides 50/30/20 by lists that are not public",
    "W": "a part that is pre-trained in the original started from random weights",
    "E": "fewer epochs than the paper's 400 (of methods that are trained)",
    "R": "another input size than the paper's 1024×1024 (of methods that are trained)",
    "O": "trained by the common recipe, not by the method's own",
    "X": "a reconstruction: no official code or full text",
    "L": "the decision rule is ours, chosen on training images (of methods that are not trained)",
    "V": "another form or size of the method than the published one",
    "T": "the epoch was chosen on test images",
    "P": "counted by another protocol than standard",
    "U": "the paper does not say how targets are matched, nor which threshold is taken",
}
NAMES = {"D": "data", "S": "split", "W": "weights", "E": "epochs", "R": "resolution", "O": "recipe",
         "X": "reconstruction", "L": "decision rule", "V": "variant", "T": "epoch choice", "P": "protocol",
         "U": "counting unknown"}
"""One word for each cause."""
METRICS = ("iou", "pd", "fa")


def differences(table: Table, result: SuiteResult) -> list[dict[str, Any]]:
    """One entry for each value that is both measured and published for the same dataset and metric.

    Beside generated data the mean of the paper's datasets is no counterpart either: then there are no entries.

    Returns:
        ``{'title', 'dataset', 'metric', 'ours', 'interval', 'published', 'difference', 'inside', 'causes'}``, texts
        ready to print; ``inside`` says whether the published value lies in our interval, '' without an interval.
    """
    published = {row.method: row.values for row in table.published}
    found = []
    for row in table.rows:
        for dataset in table.datasets:
            for metric in METRICS:
                printed = published.get(row.method, {}).get((dataset["name"], metric))
                value = row.values.get((dataset["name"], metric))
                if printed is None or value is None or value.value is None:
                    continue
                style = STYLES[metric]
                theirs = float(printed)
                ends = None if value.low is None else (value.low * style.scale, value.high * style.scale)
                records = [record for record in result.records()
                           if (record.key.method, record.key.dataset) == (row.method, dataset["name"])]
                found.append({
                    "title": row.title + row.marks, "dataset": title_of(dataset), "metric": style.title,
                    "ours": value.text, "interval": value.interval, "published": printed,
                    "difference": f"{value.value * style.scale - theirs:+.{style.decimals}f}",
                    "inside": "" if ends is None else "yes" if ends[0] <= theirs <= ends[1] else "no",
                    "causes": " ".join(causes_of(records, real=dataset["real"], reconstruction=row.reconstruction)),
                })
    return found


def summary(found: list[dict[str, Any]]) -> str:
    """How many differences there are, and how they lie, in one sentence that follows from the numbers."""
    if not found:
        return "No value is both measured here and published for the same data."
    judged = [entry for entry in found if entry["inside"]]
    inside = sum(entry["inside"] == "yes" for entry in judged)
    higher = sum(entry["difference"].startswith("+") for entry in found)
    told = f"{len(found)} values are both measured here and published; ours is the larger number in {higher} of them."
    return told + (f" Of {len(judged)} with an interval, {inside} hold the published value in it." if judged else "")


def causes_of(records: Sequence[Record], *, real: bool, reconstruction: bool, variant: bool = False) -> list[str]:
    """Which of ``CAUSES`` apply to the records of one method on one dataset, in their order.

    Args:
        records: One for each seed.
        real: Whether the images are real.
        reconstruction: Whether the method is one.
        variant: Whether they stand beside the published row of another form of the method.
    """
    trained = [record for record in records if record.training]
    rules = {
        "D": not real,
        "S": any(record.key.split != PAPER["split"] for record in records),
        "W": any(has_random_part(record) for record in records),
        "E": any((record.training.get("epochs") or 0) < PAPER["epochs"] for record in trained),
        "R": any(record.config.get("view", {}).get("size") not in (None, PAPER["size"]) for record in trained),
        "O": any(record.config.get("recipe") == "common" for record in trained),
        "X": reconstruction,
        "L": any(not record.training and "level" in record.config.get("model", {}) for record in records),
        "V": variant,
        "T": any(record.training.get("selection") == "test-best" for record in trained),
        "P": any(record.config.get("evaluation", {}).get("protocol", "standard") != "standard" for record in records),
        "U": True,
    }
    return [cause for cause in CAUSES if rules[cause]]


def causes_used(found: list[dict[str, Any]]) -> dict[str, str]:
    """The causes that occur, with what they stand for."""
    used = {cause for entry in found for cause in entry["causes"].split()}
    return {cause: text for cause, text in CAUSES.items() if cause in used}
