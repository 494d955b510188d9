"""Reading images and masks from disk, whatever colour mode and coding their authors chose; no torch."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from benchmark.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Codings that are tried, whatever the suffix; others of Pillow's start programs (EPS) or are not for images."""
SIXTEEN_BIT_MODES = ("I;16", "I;16B", "I;16L", "I")

log = logging.getLogger(__name__)
_told: set[Path] = set()


def read_image(path: Path) -> np.ndarray:
    """(H, W) luminance, uint8, or uint16 for 16-bit files.

    Colours become ITU-R 601 luminance; transparency is ignored, because it never carries the scene.

    Raises:
        DataError: If the file is missing, cut off, not an image, or deeper than 16 bits; one line with its path.
    """
    image = _open(path)
    if image.mode in SIXTEEN_BIT_MODES:
        array = np.asarray(image)
        if array.min() < 0 or array.max() > np.iinfo(np.uint16).max:
            raise DataError(f"{path}: grey levels from {array.min()} to {array.max()}, expected 8 or 16 bits")
        return array.astype(np.uint16)
    if image.mode == "F":
        raise DataError(f"{path}: floating-point image, expected 8 or 16 bits; convert it first")
    if image.mode in ("P", "PA", "LA", "RGBA"):
        image = image.convert("RGBA").convert("RGB")
    try:
        return np.array(image.convert("L"))
    except ValueError as error:
        raise DataError(f"{path}: colours of mode {image.mode} cannot be turned into grey levels; convert it "
                        "first") from error


def read_mask(path: Path, shape: tuple[int, int] | None = None) -> np.ndarray:
    """(H, W) bool, True on target pixels.

    The file's maximum tells its coding: 0 is an empty mask, 1 means 0/1, above 127 means 0/255, where foreground is
    above 127 (masks of IRSTD-1k hold intermediate greys). Any other maximum is refused.

    Args:
        path: Mask file.
        shape: (H, W) of its image. A mask that is a pure rescale of it is resized (nearest neighbour) with one
            warning a file, as ``Misc_111`` of NUAA-SIRST needs.

    Raises:
        DataError: If the file cannot be read, holds another coding, or does not fit ``shape``.
    """
    grey = read_image(path)
    top = int(grey.max(initial=0))
    if grey.dtype == np.uint16 and top > 255:
        mask = grey > np.iinfo(np.uint16).max // 2
    elif top in (0, 1):
        mask = grey > 0
    elif top > 127:
        mask = grey > 127
    else:
        raise DataError(f"{path}: largest mask value is {top}, expected 1 (coded 0/1) or above 127 (coded 0/255)")
    if shape is None or mask.shape == tuple(shape):
        return mask
    return _rescaled(mask, tuple(shape), path)


def _open(path: Path) -> Image.Image:
    try:
        if path.exists() and not path.is_file():
            raise OSError("not a file")  # a pipe would be waited for
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                image.load()
                return image.copy()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: not an image that can be read; replace the file") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: image is larger than {Image.MAX_IMAGE_PIXELS} pixels; cut it up first") from error
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more
        message = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: damaged or cut off ({message}); replace the file") from error


def _rescaled(mask: np.ndarray, shape: tuple[int, int], path: Path) -> np.ndarray:
    ratios = np.divide(mask.shape, shape)
    tolerance = 1 / min(shape)  # one pixel of rounding in the shorter side
    if abs(ratios[0] / ratios[1] - 1) > tolerance:
        raise DataError(f"{path}: mask is {mask.shape[1]}×{mask.shape[0]} but its image {shape[1]}×{shape[0]}, which "
                        "is no rescale of it; put the right mask there")
    if path not in _told:
        _told.add(path)
        log.warning("%s: mask %d×%d resized to its image's %d×%d", path, *mask.shape[::-1], *shape[::-1])
    import cv2  # here, because --list needs none of it and would wait 20 ms

    return cv2.resize(mask.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)
