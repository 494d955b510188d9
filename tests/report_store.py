"""A work folder of made-up records for every suite, so that reports can be tested without running anything.

Every number follows from the cell's key: what a page shows can be compared with what a record says.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark.keeping import encode
from benchmark.metrics.evaluation import Evaluation
from benchmark.metrics.target import ImageCounts
from benchmark.records import CellKey, Metric, Record, RecordStore
from benchmark.suites import Selection, lay_out, load_suite

IMAGES, SIDE, MAPS = 10, 64, 4
FINGERPRINT = "feedfacefeedface"
NOT_RUN = "uiunet"
"""A method without records: reports must show what is missing too."""


def fill(root: Path, suites: tuple[str, ...], profile: str = "demo", **selection: Any) -> RecordStore:
    """A store with a record at every place of the suites but those of ``NOT_RUN``."""
    store = RecordStore(root)
    done: set[CellKey] = set()
    for name in suites:
        layout = lay_out(load_suite(name), Selection(profile, Path("nowhere"), **selection))
        for place, row, column in layout.places():
            if row.base != NOT_RUN and place.cell not in done:
                done.add(place.cell)
                _put(store, place.cell, row, column)
    images = root / "images" / FINGERPRINT
    images.mkdir(parents=True, exist_ok=True)
    for index in range(MAPS):
        image, mask = _scene(index)
        Image.fromarray(image).save(images / f"im{index}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(images / f"im{index}.mask.png")
    (root / "audits").mkdir(exist_ok=True)
    (root / "audits" / f"{FINGERPRINT}.json").write_text(json.dumps({"near_duplicates": ["im1", "im2"]}))
    return store


def _draw(key: CellKey) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(str(key).encode()).digest()[:8], "big"))


def _scene(index: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(index)
    image = np.clip(90 + 30 * np.sin(np.arange(SIDE) / 9)[:, None] + generator.normal(0, 6, (SIDE, SIDE)), 0, 255)
    mask = np.zeros((SIDE, SIDE), bool)
    for _ in range(1 + index % 2):
        row, column = generator.integers(8, SIDE - 12, 2)
        mask[row:row + 3, column:column + 4] = True
    image[mask] = 230
    return image.astype(np.uint8), mask


def _put(store: RecordStore, key: CellKey, row: Any, column: Any) -> None:
    generator, folder = _draw(key), store.folder(key)
    evaluation, trainable = Evaluation(roc_thresholds=None), row.config["method"]["trainable"]
    details = []
    for index in range(IMAGES):
        targets, found = 2, int(generator.integers(0, 3))
        tp, false = int(generator.integers(4, 20)), int(generator.integers(0, 2))
        evaluation.counts.append(ImageCounts(
            f"im{index}", row.protocol or "standard", SIDE * SIDE, tp, false * 5 + 2, 24 - tp, targets, found,
            found + false, false * 5, SIDE * SIDE, false, 0.7 * found))
        kinds = ["found", "missed", "split", "merged", "mis-segmented"]
        details.append({"image_id": f"im{index}", "false": false, "targets": [
            [int(generator.integers(1, 80)), bool(place < found), kinds[int(generator.integers(0, 5))]]
            for place in range(targets)]})
    step = np.linspace(0.02, 0.98, 25)
    marked = step < 0.9  # at the highest thresholds nothing is
    quality = 0.3 + 0.6 * generator.random()
    metrics = {name: Metric(**metric) for name, metric in evaluation.summary(resamples=200).items()}
    metrics |= {name: Metric(quality + 0.05 * place) for place, name in enumerate(("pixel_auc", "target_auc",
                                                                                   "target_pauc"))}
    record = Record(
        hashlib.sha256(str(key).encode()).hexdigest()[:16], key,
        {"evaluation": {"protocol": row.protocol or "standard", "threshold": 0.5}, "view": {"size": [128, 128]},
         "split": key.split, "recipe": "common"} if trainable else
        {"evaluation": {"protocol": row.protocol or "standard", "threshold": 0.5}, "split": key.split}, metrics,
        roc={"thresholds": step.tolist(), "tpr": (marked * (1 - step**3)).tolist(),
             "fpr": (marked * 1e-2 * (1 - step)**4).tolist(), "pd": (marked * (1 - step**4 * (1 - quality))).tolist(),
             "fa": (marked * 3e-3 * (1 - step)**5).tolist()},
        cost={"params": 385637, "trainable_params": 300000 + len(str(key)), "macs": 4 * 10**9, "macs_input": [128, 128],
              "latency_ms": 5 + 60 * generator.random(), "train_seconds": 61.0, "peak_memory_mb": 700.0},
        training={"epochs": 8, "epoch": 6, "selection": "val-best", "curve": [
            {"epoch": epoch, "loss": 1 / epoch, "val_iou": 0.1 * epoch} for epoch in range(1, 9)]} if trainable else {},
        provenance={
            "git": {"commit": "c" * 40, "dirty": False}, "versions": {"python": "3.11.7", "torch": "2.13.0"},
            "hardware": {"cpu": "Made-up CPU", "cores": 2, "memory_gb": 24.0, "gpu": []}, "device": "cpu", "threads": 1,
            "data": {"fingerprint": FINGERPRINT, "real": column.dataset["real"]},
            "weights": {"kind": "random", "sam_weights": "random", "clip_weights": "random"} if row.base == "saist"
            else {"kind": "random" if trainable else "none"}, "started": "2026-01-02T03:04:05Z",
            "finished": "2026-01-02T04:04:05Z", "command": "python benchmark/run.py --suite all"})
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(record.to_dict()))
    (folder / "per_image.jsonl").write_text("".join(json.dumps(one) + "\n" for one in evaluation.rows()))
    (folder / "details.jsonl").write_text("".join(json.dumps(one) + "\n" for one in details))
    if "+" not in key.dataset:
        _put_maps(folder, generator, explained=row.base == "saist")


def _put_maps(folder: Path, generator: np.random.Generator, *, explained: bool) -> None:
    (folder / "maps").mkdir()
    for index in range(MAPS):
        _, mask = _scene(index)
        score = np.where(np.roll(mask, int(generator.integers(0, 5)), 1), 0.9, 0.02 * generator.random((SIDE, SIDE)))
        Image.fromarray(encode(score, 0.5)).save(folder / "maps" / f"im{index}.png")
        if explained:
            for name in ("background", "depth", "similarity"):
                values = np.outer(np.linspace(0, 1, SIDE), generator.random(SIDE))
                Image.fromarray((255 * values).astype(np.uint8)).save(folder / "maps" / f"im{index}.{name}.png")
