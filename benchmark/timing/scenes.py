"""A small NUAA-SIRST of synthetic scenes on disk, so that what reads files can be timed on a bare machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark import configs
from benchmark.datasets.catalog import load_dataset_config

DATASET = "nuaa-sirst"


def write_scenes(root: Path, train: int, test: int = 1, *, side: int) -> None:
    """Images, masks and lists under ``root/NUAA-SIRST``, named and coded as the real ones are."""
    from benchmark.datasets.synthetic import SyntheticSource

    config = load_dataset_config(DATASET)
    folder = root / config["folder"]
    source = SyntheticSource.from_config({"size": (side, side), "counts": {"train": train, "test": test}})
    for part in ("train", "test"):
        for name in source.ids(part):
            sample = source.read(name)
            _write(folder / config["images"].format(id=name), sample.image)
            _write(folder / config["masks"].format(id=name), 255 * sample.mask.astype(np.uint8))
        path = folder / config["splits"]["official"][part]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{name}\n" for name in source.ids(part)), encoding="utf-8")


def cell_config(method: str, **settings: Any) -> dict[str, Any]:
    """Resolved config of the method on that dataset in profile ``fast``; its training has no validation.

    ``settings`` are config values by dotted path, with ``__`` for the dots.
    """
    layers = configs.merge(profile=configs.load("profiles", "fast"), method=configs.load("methods", method),
                           dataset=load_dataset_config(DATASET), split="official", seed=0, protocol=None)
    changes = [(name.replace("__", "."), value) for name, value in settings.items()]
    return configs.compose(layers, [("selection", "last"), *changes])


def _write(path: Path, grey: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey).save(path)
