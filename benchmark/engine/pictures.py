"""Score maps of a few test images, kept beside a cell's record so that its predictions can be looked at later."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmark.arrays import read_arrays, write_arrays
from benchmark.suites import Cell

PICTURES = 4


class Pictures:
    """Keeps the score maps of ``PICTURES`` test images, spread evenly over the test part, whatever is in them."""

    def __init__(self, cell: Cell, folder: Path, ids: Sequence[str]) -> None:
        self.folder = place(cell, folder)
        count = min(PICTURES, len(ids))
        self.chosen = {ids[(2 * number + 1) * len(ids) // (2 * count)] for number in range(count)}

    def clear(self) -> None:
        """Forget older ones: a training that is counted anew has new pictures. Once, before any is offered."""
        for old in self.folder.parent.glob("pictures-*"):
            shutil.rmtree(old)

    def offer(self, sample_id: str, score: np.ndarray) -> None:
        """Keep the score map (H, W) where it is one of the chosen ones."""
        if sample_id in self.chosen:
            write_arrays(self.folder / f"{sample_id}.npz", score=score.astype(np.float32, copy=False))


def place(cell: Cell, folder: Path) -> Path:
    """Where the pictures of this version of the cell lie, inside its folder."""
    return folder / f"pictures-{cell.id}"


def kept(cell: Cell, folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """``(id, score map)`` of each picture, in order of id; nothing where none were kept."""
    for path in sorted(place(cell, folder).glob("*.npz")):
        content = read_arrays(path, ("score",))
        if content is not None:
            yield path.stem, content[0]
