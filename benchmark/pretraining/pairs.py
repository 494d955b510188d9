"""Image and caption pairs of MIRSTD by part of the official splits, decoded once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmark.arrays import read_arrays, write_arrays
from benchmark.datasets.caption_schema import SCENE_CLASSES
from benchmark.datasets.captions import read_captions
from benchmark.datasets.catalog import load_dataset_config, open_dataset
from benchmark.datasets.folder import FolderSource
from benchmark.datasets.images import read_image
from benchmark.datasets.mirstd import DATASETS
from benchmark.errors import DataError

SPLIT = "official"
SIDES = re.compile(r"\b(left|right)(?=(?:most|wards?)?\b)")
OTHER = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class Pairs:
    """Scenes with their captions, row by row."""

    ids: list[str]
    """``dataset/image``."""
    scenes: np.ndarray
    """(N, S, S) uint8 grey levels of the whole image, targets and all, as SAIST's CLIP sees it."""
    captions: list[dict[str, Any]]
    classes: np.ndarray
    """(N,) index into ``SCENE_CLASSES``."""

    @property
    def texts(self) -> list[str]:
        """Captions as sentences."""
        return [caption["text"] for caption in self.captions]


def load_pairs(root: Path, part: str, size: int, datasets: Sequence[str] = DATASETS) -> Pairs:
    """Pairs of ``'train'`` or ``'test'`` of the official splits; images without a caption are left out.

    Decoded scenes are kept in the user's cache folder, so that a second run starts at once.

    Args:
        root: Data root.
        part: ``'train'`` or ``'test'``.
        size: S, side of the scenes.
        datasets: Names of MIRSTD's datasets.

    Raises:
        DataError: See ``find_pairs``.
    """
    ids, scenes, captions = [], [], []
    for source, found in find_pairs(root, part, datasets):
        names = [caption["image"] for caption in found]
        ids += [f"{source.name}/{name}" for name in names]
        captions += found
        scenes.append(_scenes(source, names, size))
    classes = np.array([SCENE_CLASSES.index(caption["scene_class"]) for caption in captions], np.int64)
    return Pairs(ids, np.concatenate(scenes), captions, classes)


def find_pairs(root: Path, part: str,
               datasets: Sequence[str] = DATASETS) -> Iterator[tuple[FolderSource, list[dict[str, Any]]]]:
    """Each dataset with the captions of the part's images, in the order of its list; no image is read.

    Raises:
        DataError: If a dataset or its captions are missing, or an image stands in the training and in the test list.
    """
    for name in datasets:
        source = open_dataset(load_dataset_config(name), root, SPLIT)
        if shared := set(source.ids("train")) & set(source.ids("test")):
            raise DataError(f"{name}: {len(shared)} images are in the training and in the test list, as {min(shared)}")
        if source.captions.path is None:
            raise DataError(f"{name}: has no caption file")
        by_image = {entry["image"]: entry for entry in read_captions(source.captions.path)}
        yield source, [by_image[sample_id] for sample_id in source.ids(part) if sample_id in by_image]


def mirrored(text: str) -> str:
    """The caption of the mirrored image: left and right change places."""
    return SIDES.sub(lambda match: OTHER[match[1]], text)


def _scenes(source: FolderSource, ids: Sequence[str], size: int) -> np.ndarray:
    key = "|".join([source.name, source.fingerprint(), str(size), *ids])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "saist-bench" / f"scenes-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    kept = read_arrays(path, ("scenes",))
    if kept is not None and kept[0].shape == (len(ids), size, size) and kept[0].dtype == np.uint8:
        return kept[0]
    made = np.stack([_scene(source.images[sample_id], size) for sample_id in ids]) if ids else \
        np.zeros((0, size, size), np.uint8)
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time, never a result
        write_arrays(path, scenes=made)
    return made


def _scene(path: Path, size: int) -> np.ndarray:
    image = read_image(path)
    levels = image.astype(np.float32) * (255 / np.iinfo(image.dtype).max)
    return cv2.resize(levels, (size, size), interpolation=cv2.INTER_AREA).round().clip(0, 255).astype(np.uint8)
