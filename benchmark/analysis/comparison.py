"""Is a method worse than the best of its column beyond the noise of the test images? Paired bootstrap with Holm.

Both sides are resampled with the same images. Over several seeds the counts of those that both methods have are taken
together. Holm's correction is over the methods of one column.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import StoreError
from benchmark.metrics.bootstrap import difference_of, holm, resampled
from benchmark.metrics.summary import LOWER_IS_BETTER, RATIOS, count_table, figures
from benchmark.metrics.target import ImageCounts
from benchmark.records import PER_IMAGE_FILE, Outcome, SuiteResult, read_lines

RESAMPLES = 2000


def read_counts(outcome: Outcome) -> list[ImageCounts]:
    """Per-image counts of a finished cell; empty where they were not kept or not copied along."""
    if outcome.record is None or outcome.folder is None:
        return []
    return read_count_file(Path(outcome.folder) / PER_IMAGE_FILE)


def read_count_file(path: Path) -> list[ImageCounts]:
    """Per-image counts of a file, empty where there is none. Raises ``StoreError`` naming a file of something else."""
    try:
        counts = [ImageCounts.from_dict(row) for row in read_lines(path)]
        count_table(counts)
    except ValueError as error:
        raise StoreError(f"{path}: {error}; run the cell again with --force") from error
    return counts


def compare(result: SuiteResult, resamples: int = RESAMPLES) -> list[dict[str, Any]]:
    """Every method against the best of its column, for each metric that is computed from counts.

    Returns:
        ``{'method', 'dataset', 'metric', 'best', 'difference', 'low', 'high', 'p', 'p_holm', 'seeds'}``: method - best,
        unrounded, p-values two-sided. Methods on other test images than the best have no entry, and a method that
        found no target, be it with one seed, has none for Fa, of which it cannot be the best.
    """
    found: list[dict[str, Any]] = []
    competing = result.suite.get("kind", "grid") in ("grid", "cross")
    for dataset in result.suite["datasets"] if competing else []:
        counts = {method["name"]: _by_seed(result.outcomes, method["name"], dataset["name"])
                  for method in result.suite["methods"]}
        counts = {name: seeds for name, seeds in counts.items() if seeds}
        if len(counts) < 2:
            continue
        drawn: dict[tuple[str, tuple[int, ...]], Any] = {}
        for metric in result.suite["metrics"]:
            if metric in RATIOS:
                found += _column(counts, metric, dataset["name"], drawn, resamples)
    return found


def _by_seed(outcomes: Sequence[Outcome], method: str, dataset: str) -> dict[int, list[ImageCounts]]:
    own = {outcome.key.seed: read_counts(outcome) for outcome in outcomes
           if (outcome.key.method, outcome.key.dataset) == (method, dataset)}
    return {seed: counts for seed, counts in own.items() if counts}


def _column(counts: dict[str, dict[int, list[ImageCounts]]], metric: str, dataset: str, drawn: dict[Any, Any],
            resamples: int) -> list[dict[str, Any]]:
    own = {name: [figures(count_table(images).sum(axis=0)) for images in seeds.values()]
           for name, seeds in counts.items()}
    values = {name: float(np.mean([one[metric] for one in found])) for name, found in own.items()
              # whoever finds nothing raises no false alarm, and that is no merit
              if metric not in LOWER_IS_BETTER or all(one["pd"] != 0 for one in found)}
    values = {name: value for name, value in values.items() if np.isfinite(value)}
    if len(values) < 2:
        return []
    best = (min if metric in LOWER_IS_BETTER else max)(values, key=values.get)
    rows = []
    for name in values:
        shared = tuple(sorted(counts[name].keys() & counts[best].keys()))
        if name == best or not _same_images(counts[name], counts[best], shared):
            continue
        tables = []
        for side in (name, best):
            if (side, shared) not in drawn:
                table = sum(count_table(counts[side][seed]) for seed in shared)
                drawn[side, shared] = (figures(table.sum(axis=0)), figures(resampled(table, resamples)))
            tables.append(drawn[side, shared])
        (point_a, draws_a), (point_b, draws_b) = tables
        difference = difference_of(metric, point_a[metric] - point_b[metric], draws_a[metric] - draws_b[metric])
        if difference.p_value is not None:
            rows.append({"method": name, "dataset": dataset, "metric": metric, "best": best,
                         "difference": difference.difference, "low": difference.low, "high": difference.high,
                         "p": difference.p_value, "seeds": list(shared)})
    return [row | {"p_holm": p} for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True)]


def _same_images(first: dict[int, list[ImageCounts]], second: dict[int, list[ImageCounts]],
                 seeds: tuple[int, ...]) -> bool:
    # The paper split tests other images with every seed; only equal lists can be paired, and added over seeds.
    lists = {tuple(image.image_id for image in side[seed]) for side in (first, second) for seed in seeds}
    return len(lists) == 1
