"""Datasets by name or path: where they are described, where they lie, and how they are opened; no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark import configs
from benchmark.datasets.folder import FolderSource
from benchmark.datasets.sample import SampleSource
from benchmark.datasets.tuning import TuningSource
from benchmark.errors import ConfigError, DataError, unknown_name

REQUIRED = {
    "folder": {"name", "title", "layout", "real", "folder", "images", "masks", "default_split", "mean", "std"},
    "synthetic": {"name", "title", "layout", "real", "default_split", "mean", "std"},
}
FOLDER_FIELDS = {"folder": str, "images": str, "masks": str}
CUSTOM = "custom"
CAPTIONS = "captions.jsonl"
"""Where captions of a user's own folder lie, in that folder."""


def known_datasets() -> list[str]:
    """Names of the datasets that have a config."""
    return [name for name in configs.known("datasets") if name != CUSTOM]


def load_dataset_config(name: str) -> dict[str, Any]:
    """The ``dataset`` dict of a known name, or that of a user's folder with ``images/`` and ``masks/`` given by path.

    Raises:
        ConfigError: For an unknown name, a folder of another layout, or a config that lacks a key.
    """
    path = Path(name)
    if name not in known_datasets() and path.is_dir():
        if not (path / "images").is_dir() or not (path / "masks").is_dir():
            raise ConfigError(f"{name}: a dataset folder holds images/ and masks/, this one does not")
        folder = path.resolve()
        config = configs.load("datasets", CUSTOM)["dataset"]
        captions = folder / CAPTIONS
        text = config["text"] | {"file": str(captions) if captions.is_file() else ""}
        return config | {"name": folder.name, "title": folder.name, "folder": str(folder), "text": text}
    if name not in known_datasets():
        raise ConfigError(f"{name}: no such folder" if "/" in name else unknown_name("dataset", name, known_datasets())
                          + ", or the path of a folder with images/ and masks/")
    content = configs.load("datasets", name).get("dataset", {})
    missing = REQUIRED.get(content.get("layout"), REQUIRED["folder"]) - content.keys()
    if missing:
        raise ConfigError(f"configs/datasets/{name}.py: dataset lacks {', '.join(sorted(missing))}")
    return content


def data_root(argument: str | None) -> Path:
    """``--data-root``, else ``$IRSTD_DATA_ROOT``, else ``data``."""
    return Path(argument or os.environ.get("IRSTD_DATA_ROOT") or "data")


def missing_reason(config: Mapping[str, Any], root: Path) -> str:
    """Why the dataset cannot be opened, with what to do; empty where its folder is there."""
    if config["layout"] == "synthetic" or (root / config["folder"]).is_dir():
        return ""
    return (f"{config['title']} not found under {root}; run `python benchmark/data.py prepare {config['name']}`, or "
            "set --data-root or IRSTD_DATA_ROOT")


def open_dataset(config: Mapping[str, Any], root: Path, split: str | None = None, seed: int = 0) -> SampleSource:
    """The dataset under a split (default: its own); the seed matters to the ``paper`` split and to shuffled captions.

    Raises:
        DataError: If its folder is missing or its lists are inconsistent.
        ConfigError: If the split is unknown.
    """
    split = split or config["default_split"]
    if "tuning" in config:
        plain = {name: value for name, value in config.items() if name != "tuning"}
        return TuningSource(open_dataset(plain, root, split, seed), **config["tuning"])
    if config["layout"] == "synthetic":
        if split != config["default_split"]:
            raise ConfigError(f"{config['name']}: unknown split {split!r}; it is generated with one split, "
                              f"{config['default_split']!r}")
        from benchmark.datasets.synthetic import SyntheticSource  # scipy's transforms, not needed for files

        return SyntheticSource.from_config(config, caption_seed=seed)
    configs.check_fields(config, FOLDER_FIELDS, "dataset")
    reason = missing_reason(config, root)
    if reason:
        raise DataError(reason)
    return FolderSource(config, root, split, seed)


def require_unchanged(config: Mapping[str, Any], root: Path, fingerprint: str) -> None:
    """Look again at the data of a resolved cell config: what it trains on, and what its ``test`` names.

    Raises:
        DataError: If they are not those any more of which ``fingerprint`` was taken when the cell was planned.
    """
    condition = config.get("test", {})
    wanted = [(config["dataset"], config["split"], fingerprint)]
    if "fingerprint" in condition:
        wanted.append((condition["dataset"], condition["split"], condition["fingerprint"]))
    for dataset, split, planned in wanted:
        found = open_dataset(dataset, root, split, config["seed"]).fingerprint()
        if found != planned:
            raise DataError(f"{dataset['title']}: the dataset changed while this cell was running (fingerprint "
                            f"{planned} before, {found} now), nothing was recorded; run the same command again to "
                            "measure it as it is now, or put it back and use --retry-failed")


def open_test(config: Mapping[str, Any], root: Path) -> SampleSource:
    """What a resolved cell config tests: its dataset, or what its ``test`` names, corrupted where that says so.

    Raises:
        DataError, ConfigError: As ``open_dataset``.
    """
    condition = config.get("test", {})
    source = open_dataset(condition.get("dataset", config["dataset"]), root, condition.get("split", config["split"]),
                          config["seed"])
    if "corruption" not in condition:
        return source
    from benchmark.datasets.corruption import CorruptedSource

    return CorruptedSource(source, **condition["corruption"])
