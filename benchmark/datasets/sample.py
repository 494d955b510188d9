"""What every dataset hands out: one image with its mask and text, and the interface of a source of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Sample:
    """One annotated infrared image at its original size."""

    id: str
    """Unique within the dataset, without file suffix."""
    image: np.ndarray
    """(H, W) luminance, uint8 or uint16; divide by ``np.iinfo(image.dtype).max`` for [0, 1]."""
    mask: np.ndarray
    """(H, W) bool, True on target pixels."""
    text: str | None = None
    """Scene caption, or None where the dataset has none."""
    meta: dict[str, Any] = field(default_factory=dict)
    """Anything else that is known, such as the realised SCR of synthetic targets; JSON types only."""


class SampleSource(Protocol):
    """A dataset under one split: ids by part, samples by id, and a fingerprint of all of it."""

    name: str
    real: bool

    def ids(self, part: str) -> list[str]:
        """Ids of ``'train'``, ``'val'`` or ``'test'`` in list order; an absent part is an empty list."""

    def read(self, sample_id: str) -> Sample:
        """The sample with this id. Raises ``DataError`` naming the file when it cannot be read."""

    def keep_decoded(self, ids: Sequence[str]) -> None:
        """Hold the pixels of these in memory, where that saves time and they fit: they will be read once an epoch."""

    def text_origins(self) -> dict[str, int]:
        """Images of all parts by where their text comes from: ``caption``, ``template`` or ``none``."""

    def caption_source(self) -> dict[str, str | None]:
        """``mode`` of the captions, their ``file`` and its ``sha256`` (None without one)."""

    def fingerprint(self) -> str:
        """16 hex digits over the content of every file of every part and over the part lists."""
