"""Images to be captioned, with their targets taken out and as an endpoint wants them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmark.datasets.catalog import known_datasets, load_dataset_config
from benchmark.datasets.folder import FolderSource
from benchmark.datasets.images import SUFFIXES, read_image, read_mask
from benchmark.errors import ConfigError, DataError

MARGIN = 7
"""Pixels that a mask is widened by before what lies under it is replaced: a target is blurred beyond its mask."""
RADIUS = 5
LONGEST_SIDE = 768


@dataclass(frozen=True)
class SceneFile:
    """One image on disk."""

    id: str
    image: Path
    mask: Path | None
    """None where the image has no targets to be removed, or nobody marked them."""


def find_scenes(name: str, root: Path, with_masks: bool) -> list[SceneFile]:
    """Images of a known dataset or of a folder with ``images/`` (and ``masks/``), in natural order.

    Args:
        name: A dataset's name or a folder.
        root: Data root of known datasets.
        with_masks: Every image must have its mask. Without, masks are not looked at and a folder may hold the images
            themselves.

    Raises:
        DataError: If there are no images, or a mask is missing.
        ConfigError: For a name that is neither.
    """
    folder = Path(name)
    if not with_masks and name not in known_datasets():
        if not folder.is_dir():
            raise ConfigError(f"{name}: no such folder")
        inner = folder / "images" if (folder / "images").is_dir() else folder
        paths = sorted(path for path in inner.iterdir() if path.suffix.lower() in SUFFIXES)
        scenes = [SceneFile(path.stem, path, None) for path in paths]
    else:
        config = load_dataset_config(name)
        if config["layout"] == "synthetic":
            raise ConfigError(f"{name}: its images are generated, and described by their generator")
        source = FolderSource(config | {"text": None}, root, "paper")
        lacking = [sample_id for sample_id in source.images if sample_id not in source.masks]
        if with_masks and lacking:
            raise DataError(f"{source.images[lacking[0]]}: its mask is missing ({len(lacking)} such images); with "
                            "--without-masks nothing is removed and targets may be described")
        scenes = [SceneFile(sample_id, path, source.masks[sample_id] if with_masks else None)
                  for sample_id, path in source.images.items()]
    if not scenes:
        raise DataError(f"{name}: no images ({', '.join(sorted(SUFFIXES))})")
    return scenes


def background(scene: SceneFile) -> np.ndarray:
    """(H, W) uint8 grey levels of the scene without its targets. Raises ``DataError`` for an unreadable file."""
    image = read_image(scene.image)
    mask = None if scene.mask is None else read_mask(scene.mask, image.shape)
    grey = image if image.dtype == np.uint8 else np.round(image / (np.iinfo(image.dtype).max / 255)).astype(np.uint8)
    return grey if mask is None else without_targets(grey, mask)


def without_targets(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image with everything within ``MARGIN`` pixels of the mask filled in from its surroundings.

    Args:
        image: (H, W) uint8.
        mask: (H, W) bool.
    """
    if not mask.any():
        return image.copy()
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * MARGIN + 1, 2 * MARGIN + 1))
    return cv2.inpaint(image, cv2.dilate(mask.astype(np.uint8), disc), RADIUS, cv2.INPAINT_TELEA)


def sent_size(shape: tuple[int, ...], longest: int = LONGEST_SIDE) -> tuple[int, int]:
    """(height, width) at which an image is sent: its own, unless its longer side is above ``longest``."""
    factor = min(1.0, longest / max(shape[:2]))
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def as_png(image: np.ndarray, longest: int = LONGEST_SIDE) -> bytes:
    """A PNG file of (H, W) uint8, shrunk to ``longest`` pixels on its longer side where it is larger."""
    height, width = sent_size(image.shape, longest)
    if (height, width) != image.shape:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".png", image)[1].tobytes()


def as_data_url(png: bytes) -> str:
    """The file as a Base64 data URL."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
