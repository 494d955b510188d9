"""Test images made worse on purpose: five kinds of what an infrared camera does to a scene, at five severities.

Strengths are in grey levels of a full scale of 255, whatever the bits of the image. An image is corrupted by
its id, the kind and the severity only: every method sees the same pixels. Masks stay as they are.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from benchmark.datasets.sample import Sample, SampleSource
from benchmark.errors import ConfigError, unknown_name

SEVERITIES = 5
STRENGTHS = {
    "noise": (4.0, 8.0, 12.0, 18.0, 26.0),  # standard deviation of white noise
    "blur": (0.5, 0.8, 1.2, 1.6, 2.2),  # sigma in pixels
    "contrast": (0.7, 0.5, 0.35, 0.25, 0.15),  # factor about the image's mean
    "stripes": (2.0, 4.0, 7.0, 11.0, 16.0),  # standard deviation of the offset of a column, as of a detector line
    "bad pixels": (0.0005, 0.001, 0.0025, 0.005, 0.01),  # share of pixels that are dead or saturated
}
KINDS = tuple(STRENGTHS)


def corrupt(image: np.ndarray, kind: str, severity: int, name: str, strength: float | None = None) -> np.ndarray:
    """The image (H, W), uint8 or uint16, corrupted; the same type and size.

    Args:
        image: Grey levels.
        kind: One of ``KINDS``.
        severity: 1 to 5.
        name: Seeds the random numbers; the image's id.
        strength: None for that of ``STRENGTHS``.

    Raises:
        ConfigError: For an unknown kind or severity.
    """
    if kind not in KINDS:
        raise ConfigError(unknown_name("corruption", kind, KINDS))
    if not 1 <= severity <= SEVERITIES:
        raise ConfigError(f"severity of {kind}: expected 1 to {SEVERITIES}, got {severity}")
    seed = hashlib.sha256(f"{kind}/{severity}/{name}".encode()).digest()[:8]
    generator = np.random.default_rng(int.from_bytes(seed, "big"))
    strength = STRENGTHS[kind][severity - 1] if strength is None else strength
    full = np.iinfo(image.dtype).max
    grey = image.astype(np.float64) * (255.0 / full)
    if kind == "noise":
        grey += generator.normal(0, strength, grey.shape)
    elif kind == "blur":
        from scipy import ndimage  # slow to import, and a list of cells needs the names above only

        grey = ndimage.gaussian_filter(grey, strength, mode="nearest")
    elif kind == "contrast":
        grey = grey.mean() + strength * (grey - grey.mean())
    elif kind == "stripes":
        grey += generator.normal(0, strength, (1, grey.shape[1]))
    else:
        bad = generator.random(grey.shape) < strength
        grey[bad] = np.where(generator.random(int(bad.sum())) < 0.5, 0.0, 255.0)
    return (grey.clip(0, 255) * (full / 255.0)).round().astype(image.dtype)


class CorruptedSource:
    """A sample source whose images are corrupted when they are read; arguments are those of ``corrupt``."""

    def __init__(self, source: SampleSource, kind: str, severity: int, strength: float | None = None) -> None:
        self.source, self.arguments, self.strength = source, (kind, severity), strength

    def read(self, sample_id: str) -> Sample:
        """The sample with its image corrupted."""
        sample = self.source.read(sample_id)
        return replace(sample, image=corrupt(sample.image, *self.arguments, sample_id, self.strength))

    def __getattr__(self, name: str) -> Any:  # all else is the source's own
        return getattr(self.source, name)
