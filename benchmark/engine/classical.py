"""A method without training in a cell: one score map an image, kept on disk, so that a kill costs one image."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.utils import import_modules_from_strings
from mmseg.registry import MODELS
from threadpoolctl import threadpool_limits

from benchmark.arrays import read_arrays, write_arrays
from benchmark.datasets.catalog import open_test
from benchmark.engine import memory
from benchmark.keeping import Keeper
from benchmark.metrics.evaluation import Evaluation
from benchmark.suites import Cell

EVALUATION_KEYS = ("threshold", "protocol", "roc_thresholds")


def evaluate(cell: Cell, folder: Path, send: Callable[[dict[str, Any]], None],
             keeper: Keeper) -> tuple[Evaluation, dict[str, Any]]:
    """Evaluation of what the cell tests, and the cost: median ``latency_ms`` an image; ``keeper`` hears every image.

    Score maps go to ``scores-<training id>`` inside ``folder`` and are read back on a second call. One thread is used
    whatever the machine has, so that sums are taken in one order and maps are the same for any number of jobs.
    """
    config = cell.config
    import_modules_from_strings(config.get("custom_imports", {}).get("imports", []))
    method = MODELS.build(config["model"])
    source = open_test(config, Path(cell.data_root))
    evaluation = Evaluation(**{name: config["evaluation"][name] for name in EVALUATION_KEYS})
    scores = folder / f"scores-{cell.training_id}"
    scores.mkdir(parents=True, exist_ok=True)
    ids, milliseconds = source.ids("test"), []
    keeper.clear()
    with threadpool_limits(1):
        for done, sample_id in enumerate(ids, start=1):
            sample = source.read(sample_id)
            score, spent = _kept_or_computed(method, sample.image, scores / f"{sample_id}.npz")
            evaluation.add(sample_id, score, sample.mask)
            keeper.add(sample_id, score, sample.mask)
            milliseconds.append(spent)
            send({"kind": "progress", "stage": "test", "done": done, "total": len(ids), "unit": "image"})
    return evaluation, {"params": 0, "trainable_params": 0, "latency_ms": float(np.median(milliseconds))}


def _kept_or_computed(method: Any, image: np.ndarray, path: Path) -> tuple[np.ndarray, float]:
    # A map belongs to the pixels that it was made from: the folder of images may have been another when it was kept.
    pixels = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()
    kept = read_arrays(path, ("score", "milliseconds", "pixels"))
    if kept is not None and str(kept[2]) == pixels:
        return kept[0], float(kept[1])
    start = time.perf_counter()
    with memory.told(f"one image of {image.shape[0]}×{image.shape[1]}"):
        score = method.score(image)
    spent = (time.perf_counter() - start) * 1e3
    write_arrays(path, score=score, milliseconds=spent, pixels=pixels)
    return score, spent
