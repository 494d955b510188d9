"""What a prediction leaves on disk: mask, score map and overlay of each image, and one list of all detections."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmark.errors import StoreError
from benchmark.metrics.components import find_components
from benchmark.records import write_atomically

COLUMNS = ("image", "x", "y", "area", "confidence", "left", "top", "right", "bottom")
BOX_BGR = (0, 80, 255)
BOX_MARGIN = 4


class ResultFolder:
    """Writes ``<name>_mask.png`` (0/255), ``<name>_score.png`` (16 bits over [0, 1]) and ``<name>_overlay.png``.

    As a context manager it ends by writing ``detections.csv`` and ``detections.json`` (a GeoJSON feature collection in
    pixel coordinates, y downwards), also of what was done before an interrupt. Where nothing was added, those of an
    earlier call stay.

    Args:
        folder: Made if it is not there.
        threshold: Scores above it are targets.

    Raises:
        StoreError: If the folder cannot be written.
    """

    def __init__(self, folder: Path, threshold: float) -> None:
        self.folder, self.threshold = Path(folder), threshold
        self._rows: list[dict[str, Any]] = []
        self._images = 0
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot write to {self.folder}: {error.strerror}; choose another with --out") from error

    @property
    def detections(self) -> int:
        """How many so far."""
        return len(self._rows)

    @property
    def table(self) -> Path:
        """The CSV file."""
        return self.folder / "detections.csv"

    def add(self, name: str, image: np.ndarray, score: np.ndarray) -> None:
        """Keep one result: image (H, W) uint8 or uint16, score (H, W) in [0, 1]."""
        self._images += 1
        mask = score > self.threshold
        found = detections(score, mask)
        self._rows += [{"image": name} | row for row in found]
        for kind, picture in (("mask", mask.astype(np.uint8) * 255),
                              ("score", (score * np.iinfo(np.uint16).max).round().astype(np.uint16)),
                              ("overlay", _overlay(image, found))):
            path = self.folder / f"{name}_{kind}.png"
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                # not by imwrite, which crashes on a name that is not UTF-8
                path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
            except OSError as error:
                raise StoreError(f"{path}: could not be written ({error.strerror})") from error

    def __enter__(self) -> ResultFolder:
        return self

    def __exit__(self, *unused: Any) -> None:
        if not self._images:
            return
        with self.table.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self._rows)
        features = [{"type": "Feature", "geometry": {"type": "Point", "coordinates": [row["x"], row["y"]]},
                     "properties": {key: value for key, value in row.items() if key not in ("x", "y")}}
                    for row in self._rows]
        content = {"type": "FeatureCollection", "threshold": self.threshold, "features": features}
        write_atomically(self.folder / "detections.json", json.dumps(content, indent=1) + "\n")


def detections(score: np.ndarray, mask: np.ndarray) -> list[dict[str, Any]]:
    """8-connected components of the mask, most confident first.

    Each has ``x, y`` (centroid, pixels from the top left pixel's centre), ``area`` (pixels), ``confidence`` (its
    largest score) and its half-open box ``left, top, right, bottom``.
    """
    components = find_components(mask)
    rows = []
    for index, (box, centroid) in enumerate(zip(components.boxes, components.centroids, strict=True)):
        top, left, bottom, right = (int(edge) for edge in box)
        own = components.crop(index, box)
        rows.append({"x": round(float(centroid[1]), 3), "y": round(float(centroid[0]), 3),
                     "area": int(components.areas[index]),
                     "confidence": float(score[top:bottom, left:right][own].max()),
                     "left": left, "top": top, "right": right, "bottom": bottom})
    return sorted(rows, key=lambda row: -row["confidence"])


def _overlay(image: np.ndarray, found: list[dict[str, Any]]) -> np.ndarray:
    picture = cv2.cvtColor(_shown(image), cv2.COLOR_GRAY2BGR)
    for row in found:
        cv2.rectangle(picture, (row["left"] - BOX_MARGIN, row["top"] - BOX_MARGIN),
                      (row["right"] + BOX_MARGIN - 1, row["bottom"] + BOX_MARGIN - 1), BOX_BGR, 1)
    return picture


def _shown(image: np.ndarray) -> np.ndarray:
    # a frame of 14 bits in 16 would be black: deep images are stretched over their own range for the eye
    if image.dtype == np.uint8:
        return image
    low, high = float(image.min()), float(image.max())
    return ((image - low) / max(high - low, 1.0) * 255).round().astype(np.uint8)
