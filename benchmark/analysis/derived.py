"""Values that no single cell has: means over datasets, and test scores without near-duplicates of training images.

Each becomes a record at its place of the suite's grid, made from the records and the per-image counts of real cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmark.analysis.comparison import read_counts
from benchmark.metrics.bootstrap import RESAMPLE_SEED, percentiles, resampled
from benchmark.metrics.summary import RATIOS, count_table, figures
from benchmark.metrics.target import ImageCounts
from benchmark.records import Metric, Outcome, Record, Status, SuiteResult

RESAMPLES = 2000
AVERAGE = "average"


def derive(result: SuiteResult, leaks: Callable[[str], list[str] | None]) -> SuiteResult:
    """The result that the tables of an ``average`` or ``leakage`` suite show; that of other kinds as it is.

    Args:
        result: Suite and outcomes as they were run.
        leaks: Near-duplicates among the test images by data fingerprint; None where nobody has looked for them.
    """
    kind = result.suite.get("kind", "grid")
    if kind == "average":
        return _averaged(result)
    if kind == "leakage":
        return replace(result, outcomes=[_subset(outcome, leaks) for outcome in result.outcomes],
                       behind=[outcome for outcome in result.outcomes if outcome.key.method.endswith("@all")])
    return result


def _averaged(result: SuiteResult) -> SuiteResult:
    datasets = result.suite["datasets"]
    column = {"name": AVERAGE, "title": f"Mean over {', '.join(dataset['title'] for dataset in datasets)}",
              "real": all(dataset["real"] for dataset in datasets), "split": "/".join(dict.fromkeys(
                  dataset["split"] for dataset in datasets))}
    outcomes = []
    for method in result.suite["methods"]:
        for seed in result.suite["seeds"]:
            own = [outcome for outcome in result.outcomes
                   if (outcome.key.method, outcome.key.seed) == (method["name"], seed)]
            if own:
                outcomes.append(_mean(own, len(datasets)))
    return replace(result, suite=result.suite | {"datasets": [column], "parts": datasets}, outcomes=outcomes,
                   behind=result.outcomes)


def _mean(outcomes: list[Outcome], wanted: int) -> Outcome:
    key = replace(outcomes[0].key, dataset=AVERAGE)
    missing = [outcome for outcome in outcomes if outcome.record is None]
    if missing or len(outcomes) < wanted:
        done = len(outcomes) - len(missing)
        reason = f"done on {done} of {wanted} datasets, so that there is no mean" + (
            f" ({missing[0].reason})" if missing and missing[0].reason else "")
        return Outcome(key, missing[0].status if missing else Status.PENDING, reason)
    records = [outcome.record for outcome in outcomes]
    draws = [_draws(outcome) for outcome in outcomes]
    metrics = {}
    for name in RATIOS:
        entries = [record.metrics.get(name) for record in records]
        if any(entry is None or entry.value is None for entry in entries):
            metrics[name] = Metric(None, reason="undefined on one of the datasets")
            continue
        low, high = percentiles(sum(drawn[name] for drawn in draws) / wanted) if all(draws) else (None, None)
        metrics[name] = Metric(float(np.mean([entry.value for entry in entries])), low, high)
    metrics |= {"trainable_params_m": _cost(records, "trainable_params", 1e-6),
                "inference_s": _cost(records, "latency_ms", 1e-3)}
    newest = max(records, key=lambda record: record.provenance.get("finished", ""))
    return Outcome(key, Status.DONE, record=replace(newest, key=key, metrics=metrics, roc={}))


def _draws(outcome: Outcome) -> dict[str, np.ndarray]:
    counts = read_counts(outcome)
    return figures(resampled(count_table(counts), RESAMPLES)) if len(counts) > 1 else {}


def _cost(records: list[Record], name: str, scale: float) -> Metric:
    values = [record.cost.get(name) for record in records]
    if any(value is None for value in values):
        return Metric(None, reason="not measured")
    return Metric(float(np.mean(values)) * scale)


def _subset(outcome: Outcome, leaks: Callable[[str], list[str] | None]) -> Outcome:
    method, _, subset = outcome.key.method.rpartition("@")
    if outcome.record is None or subset == "all":
        return outcome
    leaked = leaks(outcome.record.provenance.get("data", {}).get("fingerprint", ""))
    counts = read_counts(outcome)
    if leaked is None or not counts:
        reason = ("near-duplicates have not been looked for: python benchmark/run.py --suite leakage" if leaked is None
                  else "counts of single images were not kept")
        return Outcome(outcome.key, Status.PENDING, reason)
    kept = [image for image in counts if image.image_id not in set(leaked)]
    if len(kept) == len(counts):
        return Outcome(outcome.key, Status.SKIPPED, "no near-duplicates found among its test images")
    metrics = _without(kept) if subset == "without" else _change(counts, kept)
    record = replace(outcome.record, metrics=metrics, roc={})
    return replace(outcome, record=record)


def _without(kept: list[ImageCounts]) -> dict[str, Metric]:
    table = count_table(kept)
    point, drawn = figures(table.sum(axis=0)), figures(resampled(table, RESAMPLES))
    return {name: _metric(point[name], drawn[name]) for name in RATIOS}


def _change(counts: list[ImageCounts], kept: list[ImageCounts]) -> dict[str, Metric]:
    # Resampled together: an image that is drawn counts on both sides, or, left out, on one.
    names = {image.image_id for image in kept}
    table = count_table(counts)
    masked = table * np.array([image.image_id in names for image in counts])[:, None]
    both = [(figures(one.sum(axis=0)), figures(resampled(one, RESAMPLES, RESAMPLE_SEED))) for one in (masked, table)]
    return {name: _metric(both[0][0][name] - both[1][0][name], both[0][1][name] - both[1][1][name])
            for name in RATIOS}


def _metric(point: Any, drawn: np.ndarray) -> Metric:
    if np.isnan(point):
        return Metric(None, reason="undefined on these images")
    low, high = percentiles(drawn)
    return Metric(float(point), low, high)
