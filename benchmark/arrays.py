"""Arrays kept on disk between runs: written whole, read with every checksum verified, set aside where damaged."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.records import set_aside, temporary_neighbour

DAMAGED = (ValueError, KeyError, EOFError, OSError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What ``zipfile`` and NumPy raise for files that were cut off or changed."""


def read_arrays(path: Path, names: Sequence[str]) -> list[np.ndarray] | None:
    """The named arrays of an ``.npz`` file, or None where there is none; a damaged file is set aside.

    Each is read to its end, which is where ``zipfile`` compares its checksum; ``np.load`` may stop before.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return [np.lib.format.read_array(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)
                    for name in names]
    except DAMAGED:
        set_aside(path)
        return None


def write_arrays(path: Path, **arrays: np.ndarray | str | float) -> None:
    """Keep the arrays as a compressed ``.npz`` file, in one rename."""
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_bytes(path, content.getvalue())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing; what a full disk took of it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_neighbour(path)
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
