"""Decoded images and masks, kept from one epoch to the next; decoding PNG files is most of what loading costs.

The memory is anonymous and shared with processes that are forked later: what a loader's worker decodes is there for
the workers of the next epoch. What does not fit is decoded each time: an epoch reads every image once, so that throwing
out the oldest would keep nothing at all.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SHARE = 0.125
"""Of the memory that is available at the start; cells side by side each keep as much."""
SLOT = np.dtype([("stamps", np.int64, (2, 3)), ("offset", np.int64), ("room", np.int64), ("shape", np.int64, 2),
                 ("deep", np.int64), ("filled", np.int64)])

Pixels = tuple[np.ndarray, np.ndarray]


class DecodedCache:
    """Images (H, W) uint8 or uint16 with their masks (H, W) bool, by id, as long as their files stay as they were.

    Pickled or copied it is empty, with the same bound; only a fork shares.

    Args:
        ids: What may be kept.
        limit: In bytes; None for ``SHARE`` of the available memory.
    """

    def __init__(self, ids: Sequence[str], limit: int | None = None) -> None:
        self.ids = tuple(ids)
        self.limit = int(SHARE * available_bytes()) if limit is None else limit
        self._places = {name: place for place, name in enumerate(self.ids)}
        # Untouched pages of a mapping take no memory, so that it can be as large as the bound.
        self._pixels = mmap.mmap(-1, max(self.limit, 1))
        table = np.frombuffer(mmap.mmap(-1, 8 + SLOT.itemsize * len(self.ids)), np.uint8)
        self._used, self._slots = table[:8].view(np.int64), table[8:].view(SLOT)
        self._lock = multiprocessing.Lock()

    def __reduce__(self) -> tuple[type[DecodedCache], tuple[tuple[str, ...], int]]:
        return DecodedCache, (self.ids, self.limit)

    @property
    def used(self) -> int:
        """Bytes of pixels that are kept, at most ``limit``."""
        return int(self._used[0])

    def get(self, name: str, files: tuple[Path, Path]) -> Pixels | None:
        """Image and mask, read-only; None where they were never kept, or a file has changed since."""
        slot = self._slots[self._places[name]] if name in self._places else None
        if slot is None or not slot["filled"] or stamps(files) != slot["stamps"].tolist():
            return None
        shape, offset = tuple(slot["shape"]), int(slot["offset"])
        image = np.frombuffer(self._pixels, np.uint16 if slot["deep"] else np.uint8, shape[0] * shape[1], offset)
        mask = np.frombuffer(self._pixels, bool, image.size, offset + image.nbytes)
        for array in (image, mask):
            array.flags.writeable = False
        return image.reshape(shape), mask.reshape(shape)

    def put(self, name: str, before: list[list[int]] | None, image: np.ndarray, mask: np.ndarray) -> None:
        """Keep a copy where it fits; ``before`` is what ``stamps`` gave before the files were read."""
        if name not in self._places or before is None:
            return
        slot = self._slots[self._places[name]]
        size = image.nbytes + mask.nbytes
        size += size % 2  # an odd number of pixels must not put the next image of 16 bits on an odd address
        with self._lock:
            if slot["room"] < size:
                if self.used + size > self.limit:
                    return
                slot["offset"], slot["room"] = self._used[0], size
                self._used[0] += size
        slot["filled"] = 0
        target = np.frombuffer(self._pixels, np.uint8, image.nbytes + mask.nbytes, int(slot["offset"]))
        target[:image.nbytes] = np.ascontiguousarray(image).reshape(-1).view(np.uint8)
        target[image.nbytes:] = np.ascontiguousarray(mask).reshape(-1).view(np.uint8)
        slot["stamps"], slot["shape"], slot["deep"] = before, image.shape, image.itemsize == 2
        slot["filled"] = 1


def stamps(files: tuple[Path, Path]) -> list[list[int]] | None:
    """Size and both times of each file; None where one cannot be looked at. A changed file has another stamp."""
    try:
        found = [path.stat() for path in files]
    except OSError:
        return None
    return [[status.st_size, status.st_mtime_ns, status.st_ctime_ns] for status in found]


def available_bytes() -> int:
    """Memory that can still be taken, by the system and by the limit of this process's group (a container's)."""
    found = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")] if hasattr(os, "sysconf") else [0]
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        found = [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")] or found
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit, current = ((group / name).read_text(encoding="utf-8") for name in ("memory.max", "memory.current"))
        found.append(max(0, int(limit) - int(current)))  # "max" is no number and no limit
    return min(found)
