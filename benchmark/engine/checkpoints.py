"""Finding the checkpoint to go on from: the newest one that is whole, whatever a kill left behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def newest_intact(folder: Path, usable: Callable[[int], bool] = lambda epoch: True) -> Path | None:
    """The ``epoch_N.pth`` with the largest N that loads; broken ones are set aside as ``*.damaged``.

    MMEngine's own pointer file is not used: it and the checkpoint are two writes, and a kill may fall between.

    Args:
        folder: Where the checkpoints lie.
        usable: Says of an epoch whether training may go on from its end, for instance because the validation that
            was due there is finished; an epoch that is not usable is passed over and will be repeated.
    """
    found = [(int(match[1]), path) for path in folder.glob("epoch_*.pth")
             if (match := re.fullmatch(r"epoch_(\d+)\.pth", path.name))]
    for epoch, path in sorted(found, reverse=True):
        if not is_intact(path):
            path.replace(path.with_name(path.name + ".damaged"))
        elif usable(epoch):
            return path
    return None


def strip(path: Path) -> None:
    """Leave only weights and meta data: a finished training is never resumed, and optimisers are twice the weights."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    smaller = path.with_name(f".{path.name}.part")
    torch.save({name: content[name] for name in ("meta", "state_dict") if name in content}, smaller)
    smaller.replace(path)


def is_intact(path: Path) -> bool:
    """Whether the file is a whole checkpoint that loads with ``weights_only``."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch raises half a dozen unrelated types for a truncated or foreign file
        return False
    return isinstance(content, dict) and "state_dict" in content
