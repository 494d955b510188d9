"""A sample source as an MMEngine dataset; readers, splits and the synthetic generator know nothing of MMEngine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS

from benchmark.datasets.catalog import open_dataset
from benchmark.datasets.corruption import CorruptedSource


@DATASETS.register_module()
class IRSTDDataset(BaseDataset):
    """One part of a dataset under one split, through an mmseg pipeline that begins with ``LoadSample``.

    Args:
        dataset: A resolved dataset config (see ``configs/datasets``).
        root: Data root folder.
        split: Name or path of the split.
        seed: Seeds the ``paper`` split; ignored by lists.
        part: ``'train'``, ``'val'`` or ``'test'``.
        pipeline: Transforms.
        keep_decoded: Hold decoded images in memory, for a part that is read epoch by epoch.
        corruption: ``kind``, ``severity`` and ``strength`` of ``CorruptedSource``, or None.
    """

    METAINFO = {"classes": ("background", "target")}

    def __init__(self, dataset: dict[str, Any], root: str, split: str, seed: int, part: str,
                 pipeline: list[dict[str, Any]], keep_decoded: bool = False,
                 corruption: dict[str, Any] | None = None) -> None:
        self.source = open_dataset(dataset, Path(root), split, seed)
        if corruption is not None:
            self.source = CorruptedSource(self.source, **corruption)
        if keep_decoded:
            self.source.keep_decoded(self.source.ids(part))
        self.part = part
        super().__init__(pipeline=pipeline, serialize_data=False)

    def load_data_list(self) -> list[dict[str, Any]]:
        """One entry an image; pixels are read when the pipeline asks for them."""
        return [{"img_id": sample_id} for sample_id in self.source.ids(self.part)]

    def prepare_data(self, idx: int) -> Any:
        """The pipeline's output for image ``idx``; an unreadable file is an error, never another image."""
        info = self.get_data_info(idx)
        return self.pipeline(info | {"sample": self.source.read(info["img_id"])})

    def __getitem__(self, idx: int) -> Any:
        return self.prepare_data(idx)
