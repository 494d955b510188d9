"""What a dataset on disk really holds, and where its split leaks; every figure is read from the files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmark.datasets.folder import FolderSource
from benchmark.datasets.images import read_mask
from benchmark.datasets.sample import PARTS, SampleSource
from benchmark.errors import DataError

THUMBNAIL = (32, 32)
NEAR_DUPLICATE = 0.98
PERCENTILES = (5, 25, 50, 75, 95)
Track = Callable[[Iterable[str], int], Iterable[str]]


@dataclass
class _Tally:
    sizes: Counter = field(default_factory=Counter)
    modes: Counter = field(default_factory=Counter)
    codings: Counter = field(default_factory=Counter)
    targets: list[int] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)
    rescaled: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    thumbnails: dict[str, np.ndarray] = field(default_factory=dict)


def audit(source: SampleSource, track: Track = lambda ids, total: ids) -> dict[str, Any]:
    """Everything that ``data.py verify`` prints, as JSON types.

    Args:
        source: An opened dataset; of a folder all images on disk are read, of another source those of its parts.
        track: Wraps the ids while they are walked, for a progress bar.

    Returns:
        ``pairs, parts, sizes, modes, mask_codings, targets, targets_per_image, area_percentiles, empty_masks,
        rescaled_masks, near_duplicates, fingerprint, problems``; a file that cannot be read is a problem, not an end.
    """
    on_disk = isinstance(source, FolderSource)
    ids = list(source.images) if on_disk else [name for part in PARTS for name in source.ids(part)]
    tally = _Tally()
    for sample_id in track(ids, len(ids)):
        try:
            _look(source, sample_id, tally)
        except DataError as error:
            tally.problems.append(str(error))
    if on_disk:
        # 0001_pixels0.png is found under two names, of which an image has one
        used = {source.masks[name] for name in source.images if name in source.masks}
        tally.problems += [f"{path}: mask without an image" for path in sorted(set(source.masks.values()) - used)]
    return {
        "name": source.name, "real": source.real, "pairs": len(tally.targets),
        "parts": {part: len(source.ids(part)) for part in PARTS},
        "sizes": {"distinct": len(tally.sizes),
                  "most_common": [[*size, count] for size, count in tally.sizes.most_common(3)]},
        "modes": dict(tally.modes.most_common()), "mask_codings": dict(tally.codings.most_common()),
        "targets": sum(tally.targets), "targets_per_image": float(np.mean(tally.targets)) if tally.targets else None,
        "area_percentiles": {str(percent): float(np.percentile(tally.areas, percent)) for percent in PERCENTILES}
        if tally.areas else {},
        "empty_masks": sum(count == 0 for count in tally.targets), "rescaled_masks": tally.rescaled,
        "near_duplicates": near_duplicates(source, tally.thumbnails), "fingerprint": _fingerprint(source, tally),
        "problems": tally.problems,
    }


def near_duplicates(source: SampleSource, thumbnails: dict[str, np.ndarray]) -> dict[str, Any]:
    """For validation and test: how many images look like a training image.

    Thumbnails of 32×32 are compared by correlation; above 0.98 two images are nearly the same frame.

    Returns:
        ``{part: {'count', 'share', 'ids', 'pairs': [[id, training id, correlation], ...] (worst ten)}}``.
    """
    train = [name for name in source.ids("train") if name in thumbnails]
    found: dict[str, Any] = {}
    for part in ("val", "test"):
        ids = [name for name in source.ids(part) if name in thumbnails]
        if not ids or not train:
            continue
        correlation = np.stack([thumbnails[name] for name in ids]) @ np.stack([thumbnails[name] for name in train]).T
        nearest = correlation.argmax(axis=1)
        highest = correlation.max(axis=1)
        order = [index for index in np.argsort(-highest, kind="stable") if highest[index] > NEAR_DUPLICATE]
        found[part] = {
            "count": len(order), "share": len(order) / len(ids), "ids": sorted(ids[index] for index in order),
            "pairs": [[ids[index], train[nearest[index]], round(float(highest[index]), 4)] for index in order[:10]],
        }
    return found


def describe(result: dict[str, Any]) -> list[str]:
    """The result as lines for people."""
    areas = ", ".join(f"{percent} % {value:.0f}" for percent, value in result["area_percentiles"].items())
    common = ", ".join(f"{width}×{height} ({count})" for height, width, count in result["sizes"]["most_common"])
    per_image = result["targets_per_image"]
    lines = [
        f"{result['name']} ({'real' if result['real'] else 'synthetic'})",
        f"  pairs         {result['pairs']} · train {result['parts']['train']}, val {result['parts']['val']}, test "
        f"{result['parts']['test']}",
        f"  sizes         {result['sizes']['distinct']} distinct · {common}",
        f"  colour modes  {_counted(result['modes'])}",
        f"  mask coding   {_counted(result['mask_codings'])}",
        f"  targets       {result['targets']} · {'–' if per_image is None else f'{per_image:.2f}'} an image · "
        f"{result['empty_masks']} empty masks",
        f"  areas (px)    {areas or '–'}",
    ]
    for part, leak in result["near_duplicates"].items():
        worst = "; ".join(f"{first} ~ {second} ({value:.3f})" for first, second, value in leak["pairs"][:3])
        lines.append(f"  leakage       {leak['count']} of {part} ({100 * leak['share']:.1f} %) nearly equal a training "
                     f"image{': ' + worst if worst else ''}")
    if result["rescaled_masks"]:
        lines.append(f"  rescaled      {', '.join(result['rescaled_masks'])}: mask resized to its image")
    lines.append(f"  fingerprint   {result['fingerprint'] or '–'}")
    return lines + [f"  PROBLEM       {problem}" for problem in result["problems"]]


def _look(source: SampleSource, sample_id: str, tally: _Tally) -> None:
    sample = source.read(sample_id)
    if isinstance(source, FolderSource):
        with Image.open(source.images[sample_id]) as image:
            tally.modes[image.mode] += 1
        tally.codings[_coding(source, sample_id)] += 1
        if read_mask(source.masks[sample_id]).shape != sample.image.shape:
            tally.rescaled.append(sample_id)
    else:
        tally.modes["generated"] += 1
        tally.codings["generated"] += 1
    tally.sizes[sample.image.shape] += 1
    count, _, statistics, _ = cv2.connectedComponentsWithStats(sample.mask.astype(np.uint8), connectivity=8)
    tally.targets.append(count - 1)
    tally.areas += statistics[1:, cv2.CC_STAT_AREA].tolist()
    tally.thumbnails[sample_id] = thumbnail(sample.image)


def thumbnail(image: np.ndarray) -> np.ndarray:
    """The image (H, W) at 32×32, flat, without its mean and of unit length: dot products are correlations."""
    small = cv2.resize(image.astype(np.float32), THUMBNAIL, interpolation=cv2.INTER_AREA).ravel()
    small -= small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-9)


def _coding(source: FolderSource, sample_id: str) -> str:
    with Image.open(source.masks[sample_id]) as mask:
        values = np.unique(np.asarray(mask.convert("L")))
    if len(values) == 1 and values[0] == 0:
        return "empty"
    if values.max() == 1:
        return "0/1"
    return "0/255" if set(values.tolist()) <= {0, 255} else "0/255 with greys between"


def _fingerprint(source: SampleSource, tally: _Tally) -> str:
    try:
        return source.fingerprint()
    except DataError as error:
        tally.problems.append(str(error))
        return ""


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "–"
