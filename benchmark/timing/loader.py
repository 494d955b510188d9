"""How fast training images are read: our dataset and loader against OpenCV's decoding alone, and against training."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmark.datasets.catalog import data_root, load_dataset_config, missing_reason
from benchmark.engine import compat
from benchmark.schedule import cores
from benchmark.timing.comparison import Comparison, compare
from benchmark.timing.scenes import DATASET, cell_config, write_scenes

IMAGES, BATCH, SIDE = 64, 4, 256
FASTEST = ("gcinet", "acm")
"""The networks whose training asks for most images a second."""


def comparisons(rounds: int) -> list[Comparison]:
    """On files of synthetic scenes, and on NUAA-SIRST where it is; a call is an epoch over the training images."""
    compat.apply()
    found = []
    with tempfile.TemporaryDirectory() as folder, _one_opencv_thread():
        root = Path(folder)
        write_scenes(root, train=IMAGES, side=SIDE)
        found += reading(root, rounds, f"{IMAGES} synthetic scenes, {SIDE}x{SIDE}")
        found += [against_training(name, root, rounds) for name in FASTEST]
        real = data_root(None)
        if not missing_reason(load_dataset_config(DATASET), real):
            found += reading(real, rounds, load_dataset_config(DATASET)["title"])
    return found


def reading(root: Path, rounds: int, what: str) -> list[Comparison]:
    """Epochs of our loader against decoding the same files with OpenCV, and with kept pixels against without."""
    with_cache, without = build_loader(root, keep_decoded=True), build_loader(root, keep_decoded=False)
    workers = max(2, cores())
    found = [
        compare("loader, 0 workers, decoding", ("loader, 0 workers", lambda: _epoch(without)),
                ("OpenCV alone", decode_alone(without.dataset)), rounds, what),
        compare("loader, 0 workers, pixels kept", ("loader, 0 workers", lambda: _epoch(with_cache)),
                ("OpenCV alone", decode_alone(without.dataset)), rounds, what),
        compare("0 workers, pixels kept", ("kept", lambda: _epoch(with_cache)),
                ("decoded each time", lambda: _epoch(without)), rounds, f"{what}; "
                f"{with_cache.dataset.source.decoded.used / 2**20:.0f} MB kept, at most "
                f"{with_cache.dataset.source.decoded.limit / 2**20:.0f}"),
    ]
    many = {keep: build_loader(root, keep_decoded=keep, workers=workers) for keep in (True, False)}
    found += [
        compare(f"loader, {workers} workers, decoding", (f"loader, {workers} workers", lambda: _epoch(many[False])),
                ("OpenCV alone", decode_alone(without.dataset)), rounds, f"workers start anew each epoch; {what}"),
        compare(f"{workers} workers, pixels kept", ("kept", lambda: _epoch(many[True])),
                ("decoded each time", lambda: _epoch(many[False])), rounds, what),
    ]
    return found


def against_training(method: str, root: Path, rounds: int) -> Comparison:
    """Images of one batch by the loader (kept pixels, one process) against a training step on such a batch."""
    from benchmark.timing.steps import first_batch, variant_step

    config = cell_config(method, train_dataloader__batch_size=BATCH, view__size=[SIDE, SIDE])
    step = variant_step(config, first_batch(config, root), ("channels-last",))
    loader = build_loader(root, keep_decoded=True)
    _epoch(loader)  # from the second epoch on is what a training sees
    batches = _endless(loader)
    found = compare(f"batch for {config['method']['title']}", ("loader", lambda: next(batches)),
                    ("training step", step), rounds)
    rates = (BATCH / np.median(seconds) for seconds in (found.ours_seconds, found.reference_seconds))
    note = "{:.0f} images a second read, {:.1f} trained on".format(*rates)
    return replace(found, note=f"{note}; batch {BATCH}, {SIDE}x{SIDE}, one thread")


def build_loader(root: Path, *, keep_decoded: bool, workers: int = 0) -> Any:
    """The training loader of profile ``fast`` as the runner builds it."""
    from mmengine.registry import init_default_scope
    from mmengine.runner import Runner

    import benchmark.engine.registered  # noqa: F401
    from benchmark.engine import runner_config

    init_default_scope("mmseg")
    config = cell_config("acm", train_dataloader__batch_size=BATCH, train_dataloader__num_workers=workers,
                         view__size=[SIDE, SIDE])
    settings = runner_config.train_config(config, root=root, folder=root, cell_id="loader", device="cpu",
                                          resume_from=None)["train_dataloader"]
    settings["dataset"]["keep_decoded"] = keep_decoded
    return Runner.build_dataloader(settings, seed=0)


def decode_alone(dataset: Any) -> Callable[[], None]:
    """A call that decodes image and mask of every training image with OpenCV and does nothing else."""
    source = dataset.source
    files = [str(folder[name]) for name in source.ids("train") for folder in (source.images, source.masks)]

    def call() -> None:
        for file in files:
            cv2.imread(file, cv2.IMREAD_GRAYSCALE)

    return call


def _epoch(loader: Any) -> None:
    for _ in loader:
        pass


def _endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
