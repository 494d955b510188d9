"""Stand-ins that let the pinned stack import where compiled parts are absent; all of them live here.

Three gaps are closed, each only when it is really open, by ``apply()`` before anything imports mmseg:

* PyPI's torchvision is built for CUDA; beside a CPU build of torch it fails to import, because the schemas of
  ``torchvision::nms`` and ``qnms`` are unknown. Declaring them is enough (pytorch/vision#9077); ``nms``, which SAM's
  automatic masks need, gets a plain implementation as well.
* mmsegmentation 1.2.2 imports ``mmcv.ops``, which ``mmcv-lite`` lacks (``mmcv._ext``). A module whose attributes
  raise when called takes its place; real ops are used where they are installed.
* mmengine 0.10.7 opens checkpoints with torch's default ``weights_only``, which is off before torch 2.6. Local
  files are always opened with it on.
"""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import importlib.util
import sys
import types
from typing import Any

TORCHVISION_SCHEMAS = ("nms", "qnms")


@functools.cache
def apply() -> None:
    """Close every open gap; calling it again does nothing."""
    _declare_torchvision_schemas()
    _stand_in_for_mmcv_ops()
    _open_checkpoints_safely()


def _declare_torchvision_schemas() -> None:
    import torch

    if torch.version.cuda is not None or torch.version.hip is not None or not _find_spec("torchvision"):
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in [module for module in sys.modules if module.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for operator in TORCHVISION_SCHEMAS:
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.impl("nms", plain_nms, "CPU")
        # nms has its operator now; the other operators stay missing, and their modules go on saying so.
        importlib.import_module("torchvision.ops.boxes")._assert_has_ops = lambda: None
        # The declaration lives as long as the library object does.
        _declare_torchvision_schemas.library = library  # type: ignore[attr-defined]


def plain_nms(dets: Any, scores: Any, iou_threshold: float) -> Any:
    """Indices of the boxes (n, 4: left, top, right, bottom) that no better one overlaps by more than ``iou_threshold``.

    Best first, as torchvision's own; n² work, which a few hundred boxes allow.
    """
    import torch

    order = scores.argsort(descending=True, stable=True)
    boxes = dets[order].double()
    corners = torch.maximum(boxes[:, None, :2], boxes[:, :2]), torch.minimum(boxes[:, None, 2:], boxes[:, 2:])
    overlap = (corners[1] - corners[0]).clamp(min=0).prod(dim=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    too_close = overlap / (areas[:, None] + areas - overlap).clamp(min=1e-12) > iou_threshold
    kept = torch.ones(len(order), dtype=torch.bool)
    for index in range(len(order)):
        if kept[index]:
            kept[index + 1:] &= ~too_close[index, index + 1:]
    return order[kept]


class MissingOps(types.ModuleType):
    """A module in place of ``mmcv._ext``: any operator can be named, and raises when it is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError(f"mmcv operator {name!r} is not compiled here; install full mmcv>=2.0.0,<2.2 to use it")

        return missing


def _stand_in_for_mmcv_ops() -> None:
    if _find_spec("mmcv._ext"):
        return
    stand_in = MissingOps("mmcv._ext")
    # Without a spec mmengine's mmcv_full_available() raises; with an empty one it answers False, which is true.
    stand_in.__spec__ = importlib.machinery.ModuleSpec("mmcv._ext", None)
    sys.modules["mmcv._ext"] = stand_in


def _open_checkpoints_safely() -> None:
    import torch
    from mmengine.runner.checkpoint import CheckpointLoader

    @CheckpointLoader.register_scheme(prefixes="", force=True)
    def load_local(filename: str, map_location: Any = None) -> Any:
        return torch.load(filename, map_location=map_location, weights_only=True)


def _find_spec(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
