"""Images of a user, from wherever they come: files, folders, videos. What cannot be read is named, never skipped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmark.datasets.folder import is_text
from benchmark.datasets.images import SUFFIXES, read_image
from benchmark.errors import DataError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".mpg", ".mpeg")


@dataclass(frozen=True)
class Frame:
    """One image; ``name`` is unique among a call's inputs and usable as a path below a folder."""

    name: str
    image: np.ndarray
    """(H, W) luminance, uint8 or uint16."""


@dataclass(frozen=True)
class Unreadable:
    """An input that gave no image, and why."""

    reason: str


def frames(paths: Sequence[Path], avoid: Path | None = None) -> Iterator[Frame | Unreadable]:
    """Every image of the files, folders (searched through, in order of name) and videos, in order.

    Args:
        paths: Inputs.
        avoid: A folder that is not searched, so that results written below an input are not read back.
    """
    taken: set[str] = set()
    for root in paths:
        if root.is_dir():
            files = sorted(path for path in root.rglob("*") if path.suffix.lower() in (*SUFFIXES, *VIDEO_SUFFIXES)
                           and not (avoid and path.resolve().is_relative_to(avoid.resolve())))
            if not files:
                yield Unreadable(f"{root}: no images or videos in this folder")
        else:
            files = [root]
        for path in files:
            name = path.relative_to(root).with_suffix("").as_posix() if root.is_dir() else path.stem
            yield from _read(path, _unique(name, taken))


def _read(path: Path, name: str) -> Iterator[Frame | Unreadable]:
    if path.suffix.lower() in VIDEO_SUFFIXES:
        yield from _read_video(path, name)
        return
    try:
        yield Frame(name, read_image(path))
    except DataError as error:
        yield Unreadable(str(error))


def _read_video(path: Path, name: str) -> Iterator[Frame | Unreadable]:
    if not is_text(str(path)):  # OpenCV crashes on it
        yield Unreadable(f"{path}: its name is not UTF-8; rename it")
        return
    video = cv2.VideoCapture(str(path)) if path.is_file() else None
    number = 0
    while video is not None:
        found, image = video.read()
        if not found:
            break
        yield Frame(f"{name}/{number:06d}", cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image)
        number += 1
    if video is not None:
        video.release()
    if not number:
        yield Unreadable(f"{path}: {'no such file' if video is None else 'not a video that can be read'}")


def _unique(name: str, taken: set[str]) -> str:
    number, found = 2, name
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    taken.add(found)
    return found
