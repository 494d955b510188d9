"""One image against its ground truth: integer counts from which every figure and interval is computed later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from benchmark.metrics.components import Components, find_components
from benchmark.metrics.protocols import PROTOCOLS, Protocol, Scene

__all__ = ["PROTOCOLS", "ImageCounts", "check_pair", "count_image", "count_masks", "float_at_most", "protocol_named"]


@dataclass(frozen=True)
class ImageCounts:
    """Counts of one image under one protocol and threshold; sums over images are all that the figures need."""

    image_id: str
    protocol: str
    pixels: int
    """Of the image."""
    tp: int
    fp: int
    """Predicted pixels outside every target, whatever became of their component."""
    fn: int
    targets: int
    paired: int
    """Targets that are found."""
    predicted: int
    """Predicted components."""
    fa_pixels: int
    """Pixels that the protocol calls false alarm."""
    fa_area: int
    """Pixels over which the protocol states false alarm: the image, save for ``overlap``, where it is the background
    of images with targets."""
    fa_components: int
    """Predicted components that the protocol calls false alarm."""
    pair_iou_sum: float | None
    """IoU of the paired components summed over pairs; None where the protocol does not pair one to one."""

    @property
    def fa_pixels_strict(self) -> int:
        """Predicted pixels outside any target: another name of ``fp``, beside ``fa_pixels``."""
        return self.fp

    def to_dict(self) -> dict[str, Any]:
        """JSON types; ``from_dict`` brings the same object back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ImageCounts:
        """The counts that ``to_dict`` described. Raises ``ValueError`` where a field is missing or unknown."""
        names = {field.name for field in fields(cls)}
        if set(data) != names:
            raise ValueError(f"image counts need exactly {sorted(names)}, got {sorted(data)}")
        for name, value in data.items():
            kind = {"image_id": str, "protocol": str, "pair_iou_sum": (int, float, type(None))}.get(name, int)
            if not isinstance(value, kind) or isinstance(value, bool) or kind is int and not 0 <= value < 2**63:
                raise ValueError(f"image counts cannot have {value!r} as {name}")
        return cls(**data)


def count_image(score: np.ndarray, mask: np.ndarray, threshold: float = 0.5, protocol: str = "standard",
                image_id: str = "") -> ImageCounts:
    """Counts of one score map against its ground truth, at the resolution of the two arrays.

    Args:
        score: (H, W) float in [0, 1], or bool.
        mask: (H, W) bool ground truth, or any array whose non-zero values are targets.
        threshold: A pixel is foreground where its score is greater; compared exactly in the score's own precision.
        protocol: A key of ``PROTOCOLS``.
        image_id: Kept in the counts.

    Raises:
        ValueError: If shapes differ or are empty, scores are NaN or outside [0, 1], or the protocol is unknown.
    """
    score, mask = check_pair(score, mask)
    return count_masks(score > float_at_most(threshold, score.dtype), mask, protocol, image_id)


def count_masks(prediction: np.ndarray, mask: np.ndarray, protocol: str = "standard", image_id: str = "",
                targets: Components | None = None) -> ImageCounts:
    """Counts of a bool prediction (H, W) against a bool mask; ``targets``, if given, are the mask's components."""
    rule = protocol_named(protocol)
    targets = find_components(mask) if targets is None else targets
    scene = Scene(prediction, mask, find_components(prediction), targets)
    found = rule.count(scene)
    tp = int(np.count_nonzero(prediction & mask))
    return ImageCounts(
        image_id=image_id, protocol=rule.name, pixels=mask.size, tp=tp,
        fp=int(np.count_nonzero(prediction)) - tp, fn=int(np.count_nonzero(mask)) - tp,
        targets=len(targets), paired=int(found.paired), predicted=len(scene.predicted), fa_pixels=found.fa_pixels,
        fa_area=found.fa_area, fa_components=found.fa_components, pair_iou_sum=found.pair_iou_sum,
    )


def check_pair(score: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Score map as a floating-point and mask as a bool (H, W) array. Raises ``ValueError`` as ``count_image`` does."""
    score, mask = np.asarray(score), np.asarray(mask)
    if score.shape != mask.shape or score.ndim != 2 or not score.size:
        raise ValueError(f"score map and mask must be two (H, W) arrays of one size, got {score.shape}, {mask.shape}")
    if score.dtype == bool:
        score = score.astype(np.float32)
    if not np.issubdtype(score.dtype, np.floating):
        raise ValueError(f"score map must hold floating-point numbers in [0, 1], got {score.dtype}; scale it first")
    low, high = float(score.min()), float(score.max())
    if np.isnan(low) or np.isnan(high):
        raise ValueError("score map holds NaN")
    if low < 0 or high > 1:
        raise ValueError(f"scores reach from {low:.4g} to {high:.4g}; looks like logits; apply a sigmoid first")
    return score, mask if mask.dtype == bool else mask != 0


def float_at_most(value: float, dtype: np.dtype) -> np.floating:
    """Largest number of ``dtype`` that is not above ``value``.

    Scores of that type exceed the one exactly when they exceed the other, so that float32 maps are compared with a
    float64 threshold without a conversion and with the same answer under every version of NumPy.
    """
    nearest = np.dtype(dtype).type(value)
    return nearest if float(nearest) <= value else np.nextafter(nearest, np.dtype(dtype).type(-np.inf))


def protocol_named(name: str) -> Protocol:
    """The protocol of this name. Raises ``ValueError`` listing the known ones."""
    if name not in PROTOCOLS:
        raise ValueError(f"unknown protocol {name!r}; known: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
