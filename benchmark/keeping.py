"""What a tested cell keeps besides its counts: packed predictions, what became of targets, and maps of a few images.

Predictions (one bit a pixel) let another protocol count again without the network. Maps are 8-bit PNG of the images
that figures and the gallery show; the images themselves and their masks are copied once for each data fingerprint.
Real images stay in the work folder: nothing of this is meant to be published.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark.metrics.errors import describe_errors
from benchmark.metrics.target import float_at_most
from benchmark.records import DETAILS_FILE, IMAGES_FOLDER, MAPS_FOLDER, temporary_neighbour, write_atomically

PREDICTIONS_FILE = "predictions.npz"
GALLERY = 8
"""Test images of each dataset whose maps are kept, spread evenly over the list."""


def gallery(ids: list[str], wanted: Iterable[str] = (), size: int = GALLERY) -> list[str]:
    """The ids whose maps are kept: the wanted ones that exist, and ``size`` spread evenly; in the order of the list."""
    count = min(size, len(ids))
    spread = {ids[(2 * place + 1) * len(ids) // (2 * count)] for place in range(count)}
    return [name for name in ids if name in spread or name in set(wanted)]


def encode(score: np.ndarray, threshold: float) -> np.ndarray:
    """Score map in [0, 1] as uint8: a code is above ``int(255 · threshold)`` exactly where its score is above it."""
    level = int(255 * threshold)
    code = np.round(np.asarray(score, np.float64) * 255)
    above = score > float_at_most(threshold, score.dtype)
    return np.where(above, np.maximum(code, level + 1), np.minimum(code, level)).astype(np.uint8)


class Keeper:
    """Collects what a test leaves, image by image; ``finish`` writes it into the cell's folder.

    Args:
        folder: Of the cell.
        threshold: A pixel is foreground where its score is greater.
        maps: Ids whose score maps are written; they go to ``maps/`` at once.
    """

    def __init__(self, folder: Path, threshold: float, maps: Iterable[str]) -> None:
        self.folder, self.threshold, self.maps = folder, threshold, set(maps)
        self.ids: list[str] = []
        self.shapes: list[tuple[int, int]] = []
        self.packed: list[np.ndarray] = []
        self.details: list[dict[str, Any]] = []

    def add(self, image_id: str, score: np.ndarray, mask: np.ndarray) -> None:
        """Keep one image: score (H, W) float in [0, 1], mask (H, W) bool."""
        prediction = score > float_at_most(self.threshold, score.dtype)
        self.ids.append(image_id)
        self.shapes.append(prediction.shape)
        self.packed.append(np.packbits(prediction.ravel()))
        self.details.append(describe_errors(prediction, mask, image_id))
        if image_id in self.maps:
            write_png(self.folder / MAPS_FOLDER / f"{image_id}.png", encode(score, self.threshold))

    def finish(self, training_id: str) -> None:
        """Write predictions and details; ``training_id`` says whose predictions they are."""
        content = io.BytesIO()
        np.savez_compressed(content, training_id=training_id, threshold=self.threshold, ids=np.array(self.ids),
                            shapes=np.array(self.shapes, np.int32).reshape(-1, 2),
                            packed=np.concatenate(self.packed) if self.packed else np.zeros(0, np.uint8))
        write_bytes(self.folder / PREDICTIONS_FILE, content.getvalue())
        write_atomically(self.folder / DETAILS_FILE, "".join(json.dumps(row) + "\n" for row in self.details))


def read_predictions(folder: Path, training_id: str, threshold: float) -> Iterator[tuple[str, np.ndarray]] | None:
    """(id, (H, W) bool) of each test image in order, or None where no predictions of this training are kept."""
    try:
        with np.load(folder / PREDICTIONS_FILE, allow_pickle=False) as kept:
            if str(kept["training_id"]) != training_id or float(kept["threshold"]) != threshold:
                return None
            ids, shapes, packed = kept["ids"].tolist(), kept["shapes"].tolist(), kept["packed"]
    except (FileNotFoundError, ValueError, KeyError, OSError, zipfile.BadZipFile):
        return None
    return _unpacked(ids, shapes, packed)


def keep_images(store_root: Path, fingerprint: str, samples: Iterable[Any]) -> None:
    """Copy image and mask of samples into the store, once for each data fingerprint."""
    folder = store_root / IMAGES_FOLDER / fingerprint
    for sample in samples:
        if not (folder / f"{sample.id}.mask.png").exists():
            grey = sample.image if sample.image.dtype == np.uint8 else (sample.image // 257).astype(np.uint8)
            write_png(folder / f"{sample.id}.png", grey)
            write_png(folder / f"{sample.id}.mask.png", sample.mask.astype(np.uint8) * 255)


def write_png(path: Path, image: np.ndarray) -> None:
    """Write (H, W) uint8 as a grey PNG in one rename."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG", optimize=True)
    write_bytes(path, content.getvalue())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_neighbour(path)
    temporary.write_bytes(content)
    temporary.replace(path)


def _unpacked(ids: list[str], shapes: list[list[int]], packed: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    start = 0
    for name, (height, width) in zip(ids, shapes, strict=True):
        length = -(-height * width // 8)
        bits = np.unpackbits(packed[start:start + length], count=height * width)
        start += length
        yield name, bits.reshape(height, width).astype(bool)
