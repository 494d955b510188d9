"""The adapter from MMEngine's evaluator to ``Evaluation``: the only file here that knows of MMEngine.

Every process counts its own images; small integer counts travel to the first process, which makes the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from benchmark.metrics.evaluation import Evaluation
from benchmark.metrics.summary import summarise
from benchmark.metrics.target import count_image


@METRICS.register_module()
class IRSTDMetric(BaseMetric):
    """Figures of ``summarise`` under the prefix ``irstd``, unrounded, None where undefined.

    Data samples (``SegDataSample`` or its dict) need ``img_id``, ``pred_score`` with data (1, H, W) or (H, W) float
    in [0, 1], and ``gt_sem_seg`` with data (1, H, W) or (H, W) holding 0 and 1, both at the size that is counted.
    After ``evaluate``, ``evaluation`` holds the counts of every image, in the order of the dataset, and the curve.

    Args:
        threshold: A pixel is foreground where its score is greater.
        protocol: Name of a counting protocol.
        roc_thresholds: As of ``Evaluation``; None for no curve.
    """

    default_prefix = "irstd"

    def __init__(self, threshold: float = 0.5, protocol: str = "standard", roc_thresholds: int | str | None = None,
                 collect_device: str = "cpu", prefix: str | None = None, collect_dir: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.settings = dict(threshold=threshold, protocol=protocol, roc_thresholds=roc_thresholds)
        self.evaluation = Evaluation(**self.settings)
        self.observer: Callable[[str, np.ndarray, np.ndarray], None] | None = None
        """Hears id, score and mask of each image that was counted."""

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Count a batch. Raises ``ValueError`` naming the image where sizes, scores or mask values are wrong."""
        for sample in data_samples:
            sample = sample if isinstance(sample, dict) else sample.to_dict()
            name = str(sample["img_id"])
            try:
                score, mask = _array(sample["pred_score"]), _array(sample["gt_sem_seg"])
                if mask.max(initial=0) > 1:  # 255 is mmseg's ignore label and has no meaning here
                    raise ValueError(f"mask holds {int(mask.max())}, expected 0 and 1 only")
                mask = mask.astype(bool)
                counts = count_image(score, mask, self.settings["threshold"], self.settings["protocol"], image_id=name)
                roc = self.evaluation.roc
                curve = None if roc is None else roc.contribution(score, mask)
            except ValueError as error:
                raise ValueError(f"image {name!r}: {error}") from error
            self.results.append((counts, curve))
            if self.observer is not None:
                self.observer(name, score, mask)

    def compute_metrics(self, results: list[Any]) -> dict[str, float | None]:
        """Figures of the images of all processes; an image that pads a process's share is counted once."""
        self.evaluation = Evaluation(**self.settings)
        seen: set[str] = set()
        for counts, curve in results:
            if counts.image_id in seen:
                continue
            seen.add(counts.image_id)
            self.evaluation.counts.append(counts)
            if self.evaluation.roc is not None:
                self.evaluation.roc.merge(curve)
        return summarise(self.evaluation.counts)


def _array(element: Any) -> np.ndarray:
    """(H, W) array of a ``PixelData`` (or its dict) that holds a (1, H, W) or (H, W) tensor on any device."""
    data = element["data"] if isinstance(element, dict) else element.data
    array = data.detach().cpu().numpy()
    return array[0] if array.ndim == 3 and len(array) == 1 else array
