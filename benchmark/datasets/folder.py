"""A dataset of image and mask files under one split."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.datasets.captions import Captions
from benchmark.datasets.decoded import DecodedCache, stamps
from benchmark.datasets.fingerprints import file_hashes
from benchmark.datasets.images import SUFFIXES, read_image, read_mask
from benchmark.datasets.sample import PARTS, Sample
from benchmark.datasets.splits import PAPER, listed_split, natural_order, paper_split, split_files
from benchmark.errors import DataError

MASK_STEM_SUFFIXES = ("", "_pixels0")


class FolderSource:
    """A ``SampleSource`` over files; only names are read until a sample is asked for.

    Args:
        config: Dataset config with ``name, real, folder, images, masks, splits``. ``images`` and ``masks`` are patterns
            with ``{id}``, or folder names, in which any image suffix and ``<id>`` or ``<id>_pixels0`` are accepted.
            ``text``, where there is one, says where the captions lie (see ``Captions``).
        root: Data root.
        split: Name of an offered split, ``'paper'``, or a path.
        seed: Of the ``paper`` split, and of captions that are shuffled.

    Raises:
        DataError: If the folder is missing or empty, or the split's lists are inconsistent.
        ConfigError: If the split is unknown.
    """

    def __init__(self, config: Mapping[str, Any], root: Path, split: str, seed: int = 0) -> None:
        self.name, self.real, self.title = config["name"], config["real"], config["title"]
        self.folder = Path(root) / config["folder"]
        self.images = _by_id(self.folder, config["images"], ("",))
        self.masks = _by_id(self.folder, config["masks"], MASK_STEM_SUFFIXES)
        if not self.images:
            raise DataError(f"{self.folder}: no images like {config['images']}; run `python benchmark/data.py verify "
                            f"{self.name}`")
        self.files: dict[str, Path] = {}
        if split == PAPER:
            self.parts = paper_split(self.name, self.images, seed)
        else:
            self.files = split_files(split, config.get("splits", {}), self.folder)
            self.parts = listed_split(self.files, self.images)
        self.captions = Captions(config.get("text"), root, self.name)
        self.captions.shuffle(self.parts, seed)
        self.decoded: DecodedCache | None = None

    def ids(self, part: str) -> list[str]:
        """Ids of ``'train'``, ``'val'`` or ``'test'`` in list order; an absent part is an empty list."""
        return list(self.parts[part])

    def read(self, sample_id: str) -> Sample:
        """The sample with this id. Raises ``DataError`` naming the file when it cannot be read."""
        if sample_id not in self.images:
            raise DataError(f"{self.folder}: no image with id {sample_id!r}")
        if sample_id not in self.masks:
            raise DataError(f"{self.images[sample_id]}: its mask is missing; put it there or take the id off the list")
        return Sample(sample_id, *self._pixels(sample_id), self.captions.text(sample_id))

    def keep_decoded(self, ids: Sequence[str]) -> None:
        """Keep the pixels of these once they are read, as far as memory allows; their arrays are read-only then."""
        with contextlib.suppress(OSError):  # memory that cannot be had costs time, never a result
            self.decoded = DecodedCache(ids)

    def _pixels(self, sample_id: str) -> tuple[np.ndarray, np.ndarray]:
        files = (self.images[sample_id], self.masks[sample_id])
        kept = self.decoded.get(sample_id, files) if self.decoded is not None else None
        if kept is not None:
            return kept
        before = stamps(files) if self.decoded is not None else None
        image = read_image(files[0])
        mask = read_mask(files[1], image.shape)
        if self.decoded is not None:
            self.decoded.put(sample_id, before, image, mask)
        return image, mask

    def text_origins(self) -> dict[str, int]:
        """Images of all parts by where their text comes from: ``caption``, ``template``, ``none``."""
        return self.captions.origins(sample_id for part in PARTS for sample_id in self.parts[part])

    def caption_source(self) -> dict[str, str | None]:
        """How texts are chosen, and the caption file with its sha256 (None without one)."""
        return self.captions.source()

    def fingerprint(self) -> str:
        """16 hex digits over the content of every file of every part, over the part lists and over the texts."""
        digest = hashlib.sha256()
        ids = [sample_id for part in PARTS for sample_id in self.parts[part]]
        files = [self.images[sample_id] for sample_id in ids]
        files += [self.masks[sample_id] for sample_id in ids if sample_id in self.masks]
        hashes = file_hashes(files)
        for part in PARTS:
            digest.update(f"{part}:".encode())
            for sample_id in self.parts[part]:
                mask = self.masks.get(sample_id)
                text = self.captions.text(sample_id)
                line = [sample_id, hashes[self.images[sample_id]], hashes[mask] if mask else "no mask"]
                line += [] if text is None else [text]
                digest.update("|".join(line).encode() + b"\n")
        return digest.hexdigest()[:16]


def is_text(name: str) -> bool:
    """Whether a name is UTF-8; Python keeps bytes of other codings as surrogates, which no file of ours can hold."""
    return name == name.encode(errors="ignore").decode()


def _by_id(folder: Path, pattern: str, stem_suffixes: tuple[str, ...]) -> dict[str, Path]:
    subfolder, _, name = pattern.rpartition("/")
    if "{id}" not in pattern:
        subfolder, name = pattern, ""
    try:
        paths = sorted((path for path in (folder / subfolder).iterdir() if not path.name.startswith(".")),
                       key=lambda path: natural_order(path.name))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{folder / subfolder}: no such folder; see `python benchmark/data.py prepare`") from error
    for path in paths:
        if not is_text(path.name):
            raise DataError(f"{path}: its name is not UTF-8, and could not stand in a list or a report; rename it")
    if name:
        before, after = name.split("{id}")
        expression = re.compile(re.escape(before) + "(.+)" + re.escape(after))
        matches = ((expression.fullmatch(path.name), path) for path in paths)
        return {match[1]: path for match, path in matches if match}
    found: dict[str, Path] = {}
    for suffix in sorted(stem_suffixes, key=len):  # the longer suffix wins where both match
        for path in paths:
            if path.suffix.lower() in SUFFIXES and path.stem.endswith(suffix):
                found[path.stem[: len(path.stem) - len(suffix)]] = path
    return found
