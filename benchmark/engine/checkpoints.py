"""Finding the checkpoint to go on from: the newest one that is whole, whatever a kill left behind."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmark.arrays import write_bytes
from benchmark.records import set_aside

STRIPPED = "stripped"
"""Key of a checkpoint that holds no optimiser any more: nothing can go on from it."""


def epoch_of(path: Path) -> int:
    """Epoch after which a checkpoint was written, by its name: ``epoch_7.pth``, ``best_..._epoch_7.pth``."""
    return int(re.findall(r"epoch_(\d+)", path.name)[-1])


def newest_intact(folder: Path, usable: Callable[[int], bool] = lambda epoch: True) -> Path | None:
    """The ``epoch_N.pth`` with the largest N that loads; broken ones are set aside as ``*.damaged``.

    MMEngine's own pointer file is not used: it and the checkpoint are two writes, and a kill may fall between.

    Args:
        folder: Where the checkpoints lie.
        usable: Says of an epoch whether training may go on from its end, for instance because the validation that
            was due there is finished; an epoch that is not usable is passed over and will be repeated.
    """
    found = [path for path in folder.glob("epoch_*.pth") if re.fullmatch(r"epoch_\d+\.pth", path.name)]
    for path in sorted(found, key=epoch_of, reverse=True):
        content = read_checkpoint(path)
        if content is None:
            set_aside(path)
        elif STRIPPED not in content and usable(epoch_of(path)):
            return path
    return None


def best(folder: Path) -> Path | None:
    """The whole ``best_*.pth`` of the latest epoch: a later one is only written where it is better."""
    found = {path: is_intact(path) for path in folder.glob("best_*epoch_*.pth")}
    for path in (path for path, intact in found.items() if not intact):
        set_aside(path)
    return max((path for path, intact in found.items() if intact), key=epoch_of, default=None)


def discard_later(folder: Path, epoch: int) -> None:
    """Remove checkpoints of epochs that a training resumed after ``epoch`` will repeat."""
    for path in folder.glob("*epoch_*.pth"):
        if epoch_of(path) > epoch:
            path.unlink()


def strip(path: Path) -> None:
    """Leave only weights and meta data: a finished training is never resumed, and optimisers are twice the weights."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    kept = {name: content[name] for name in ("meta", "state_dict") if name in content}
    smaller = io.BytesIO()  # torch writing to a full disk raises an error that does not say so
    torch.save(kept | {STRIPPED: True}, smaller)
    write_bytes(path, smaller.getvalue())


def is_intact(path: Path) -> bool:
    """Whether the file is a whole checkpoint that loads with ``weights_only``."""
    return read_checkpoint(path) is not None


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """The content of a checkpoint whose checksums fit and that loads with ``weights_only``, else None."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:  # torch writes checksums, and does not compare them
                return None
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # both raise half a dozen unrelated types for a truncated or foreign file
        return None
    return content if isinstance(content, dict) and "state_dict" in content else None
