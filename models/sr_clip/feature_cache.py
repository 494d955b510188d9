"""Image features on disk, keyed by the weights that made them and by the pixels they were made from."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


class FeatureCache:
    """One ``.npz`` file an image, half precision; the zip format brings a checksum, which is verified.

    Writers may run side by side: files appear whole. A damaged file is set aside as ``*.damaged`` and made anew.

    Args:
        fingerprint: Gives a name for the weights; asked once, when the cache is first used.
        base: Folder of all caches; None for the user's cache folder.
    """

    def __init__(self, fingerprint: Callable[[], str], base: Path | None = None) -> None:
        self._fingerprint, self._base, self._folder = fingerprint, base, None
        self.hits = self.misses = 0

    @property
    def folder(self) -> Path:
        """Where the files of these weights lie."""
        if self._folder is None:
            base = self._base or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saist-bench"
            self._folder = base / "clip-features" / self._fingerprint()
        return self._folder

    def through(self, images: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """``compute`` of each image, from the cache where it is there, else computed and kept.

        Images are computed one at a time: in a batch sums are rounded otherwise, and what is kept would depend on
        which images happened to come together.

        Args:
            images: (B, H, W) uint8.
            compute: Gives (1, ...) float16 features of a (1, H, W) image.
        """
        paths = [self._path(image) for image in images]
        rows = [self._read(path) for path in paths]
        missing = [index for index, row in enumerate(rows) if row is None]
        self.hits, self.misses = self.hits + len(rows) - len(missing), self.misses + len(missing)
        for index in missing:
            rows[index] = compute(images[index:index + 1])[0].cpu()
            self._write(paths[index], rows[index])
        return torch.stack(rows)

    def _path(self, image: Tensor) -> Path:
        pixels = image.cpu().contiguous().numpy()
        content = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
        return self.folder / f"{content[:32]}.npz"

    def _read(self, path: Path) -> Tensor | None:
        try:
            with zipfile.ZipFile(path) as archive:
                content = io.BytesIO(archive.read("features.npy"))  # to its end, where the checksum is compared
            return torch.from_numpy(np.lib.format.read_array(content, allow_pickle=False))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile):
            with contextlib.suppress(OSError):
                path.replace(path.with_name(path.name + ".damaged"))
            return None

    def _write(self, path: Path, row: Tensor) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
                np.savez(file, features=row.numpy())
            Path(file.name).replace(path)
        except OSError:  # a full or read-only cache costs time, never a run
            return
