"""What a tested cell keeps besides its counts: packed predictions, what became of targets, and maps of a few images.

Predictions (one bit a pixel) let another protocol count again without the network. Maps are 8-bit PNG of the images
that figures and the gallery show; the images themselves and their masks are copied once for each data fingerprint.
Real images stay in the work folder: nothing of this is meant to be published.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark.arrays import read_arrays, write_arrays, write_bytes
from benchmark.metrics.errors import describe_errors
from benchmark.metrics.target import float_at_most
from benchmark.records import DETAILS_FILE, IMAGES_FOLDER, MAPS_FOLDER, write_atomically

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
        self.images: list[tuple[str, tuple[int, int], np.ndarray, dict[str, Any]]] = []
        """Id, shape, packed prediction and details of each image, in the order in which they came."""

    def clear(self) -> None:
        """Forget the maps of an earlier test, which may be of other images. Once, before any image is added."""
        shutil.rmtree(self.folder / MAPS_FOLDER, ignore_errors=True)

    def add(self, image_id: str, score: np.ndarray, mask: np.ndarray) -> None:
        """Keep one image: score (H, W) float in [0, 1], mask (H, W) bool."""
        prediction = score > float_at_most(self.threshold, score.dtype)
        self.images.append((image_id, prediction.shape, np.packbits(prediction.ravel()),
                            describe_errors(prediction, mask, image_id)))
        if image_id in self.maps:
            write_png(self.folder / MAPS_FOLDER / f"{image_id}.png", encode(score, self.threshold))

    def finish(self, training_id: str) -> None:
        """Write predictions and details; ``training_id`` says whose predictions they are."""
        ids, shapes, packed, details = zip(*self.images, strict=True) if self.images else ((),) * 4
        write_arrays(self.folder / PREDICTIONS_FILE, training_id=training_id, threshold=self.threshold,
                     ids=np.array(ids), shapes=np.array(shapes, np.int32).reshape(-1, 2),
                     packed=np.concatenate(packed) if packed else np.zeros(0, np.uint8))
        write_atomically(self.folder / DETAILS_FILE, "".join(json.dumps(row) + "\n" for row in details))


def read_predictions(folder: Path, training_id: str, threshold: float) -> Iterator[tuple[str, np.ndarray]] | None:
    """(id, (H, W) bool) of each test image in order, or None where no predictions of this training are kept."""
    kept = read_arrays(folder / PREDICTIONS_FILE, ("training_id", "threshold", "ids", "shapes", "packed"))
    if kept is None or str(kept[0]) != training_id or float(kept[1]) != threshold:
        return None
    return _unpacked(kept[2].tolist(), kept[3].tolist(), kept[4])


def keep_images(store_root: Path, fingerprint: str, samples: Iterable[Any]) -> None:
    """Copy image and mask of samples into the store, once for each data fingerprint."""
    folder = store_root / IMAGES_FOLDER / fingerprint
    for sample in samples:
        if not (folder / f"{sample.id}.mask.png").exists():
            grey = sample.image if sample.image.dtype == np.uint8 else (sample.image // 257).astype(np.uint8)
            write_png(folder / f"{sample.id}.png", grey)
            write_png(folder / f"{sample.id}.mask.png", sample.mask.astype(np.uint8) * 255)


def read_map(path: Path) -> np.ndarray:
    """A kept score map as (H, W) float in [0, 1], above the threshold exactly where the score was."""
    with Image.open(path, formats=("PNG",)) as image:
        return np.asarray(image, np.float64) / 255


def write_png(path: Path, image: np.ndarray) -> None:
    """Write (H, W) uint8 as a grey PNG in one rename."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG", optimize=True)
    write_bytes(path, content.getvalue())


def _unpacked(ids: list[str], shapes: list[list[int]], packed: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    start = 0
    for name, (height, width) in zip(ids, shapes, strict=True):
        length = -(-height * width // 8)
        bits = np.unpackbits(packed[start:start + length], count=height * width)
        start += length
        yield name, bits.reshape(height, width).astype(bool)
