"""MMEngine's W&B backend, fit for many runs in one process and without its upload of every Python file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import wandb
from mmengine.config import Config
from mmengine.registry import VISBACKENDS
from mmengine.visualization import WandbVisBackend
from mmengine.visualization.vis_backend import force_init_env

from benchmark.datasets.sample import Sample
from benchmark.metrics.components import find_components

LABELS = {1: "target"}
MAX_BOXES = 200


@VISBACKENDS.register_module()
class WandbRunBackend(WandbVisBackend):
    """One W&B run, opened by the first call, whatever other runs are open.

    MMEngine's ``add_config`` sends every ``*.py`` below the current folder, environments included, which takes
    minutes; this one sends the config. Nothing else that W&B gathers by itself is wanted either: git remotes may hold
    secrets, and console and hardware are in the record.

    Args:
        save_dir: The run's folder is made in ``wandb`` inside it.
        init_kwargs: Of ``wandb.init``.
        timeouts: Seconds to wait for a server when the run is opened and when it is closed.
    """

    def __init__(self, save_dir: str, init_kwargs: dict[str, Any] | None = None,
                 timeouts: tuple[float, float] = (10.0, 10.0), **kwargs: Any) -> None:
        super().__init__(save_dir, init_kwargs, **kwargs)
        self.timeouts = timeouts

    def _init_env(self) -> None:
        Path(self._save_dir).mkdir(parents=True, exist_ok=True)
        opening, closing = self.timeouts
        settings = wandb.Settings(
            console="off", silent=True, quiet=True, disable_git=True, disable_code=True, disable_job_creation=True,
            save_code=False, x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True,
            x_save_requirements=False, init_timeout=opening, finish_timeout=closing, finish_timeout_raises=True,
        )
        # The base class calls log and config on this, so it is the run and not the module with its one global run.
        self._wandb = wandb.init(dir=self._save_dir, reinit="create_new", settings=settings, **self._init_kwargs or {})

    @force_init_env
    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Set the run's config, and nothing else."""
        self._wandb.config.update(config.to_dict(), allow_val_change=True)

    @force_init_env
    def add_scalar(self, name: str, value: Any, step: int = 0, **kwargs: Any) -> None:
        """Log one value at a step."""
        self._wandb.log({name: value}, step=step)

    @force_init_env
    def add_scalars(self, scalar_dict: dict[str, Any], step: int = 0, file_path: str | None = None,
                    **kwargs: Any) -> None:
        """Log values at a step; W&B drops those of a step that it has already left."""
        self._wandb.log(dict(scalar_dict), step=step)

    @force_init_env
    def add_image(self, name: str, image: np.ndarray, step: int = 0, boxes: dict[str, Any] | None = None,
                  **kwargs: Any) -> None:
        """Log an image (H, W) or (H, W, 3) uint8 with boxes as ``boxed_image`` gives them."""
        self._wandb.log({name: wandb.Image(image, boxes=boxes)}, step=step)

    @force_init_env
    def add_summary(self, figures: Mapping[str, Any]) -> None:
        """Set final figures of the run."""
        self._wandb.summary.update(dict(figures))

    @force_init_env
    def add_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int = 0) -> None:
        """Log a table."""
        self._wandb.log({name: wandb.Table(list(columns), [list(row) for row in rows])}, step=step)

    @force_init_env
    def add_curves(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int, *,
                   lines: Mapping[str, tuple[str, str, str]]) -> None:
        """Log line plots over one table: ``lines`` maps a plot's name to its x column, y column and title."""
        for plot, (x, y, title) in lines.items():
            table = wandb.Table(list(columns), [list(row) for row in rows])
            self._wandb.log({f"{name}/{plot}": wandb.plot.line(table, x, y, title=title)}, step=step)

    @force_init_env
    def add_file(self, name: str, kind: str, paths: Sequence[Path]) -> None:
        """Log files as one artifact; they are referred to where they lie, which spares a copy of a large checkpoint."""
        artifact = wandb.Artifact(name, type=kind)
        for path in paths:
            artifact.add_file(str(path), policy="immutable", skip_cache=True)
        self._wandb.log_artifact(artifact)

    def close(self, exit_code: int = 0) -> None:
        """End the run; 0 says that it is finished. Raises ``TimeoutError`` where the server does not take the rest."""
        if hasattr(self, "_wandb"):
            self._wandb.finish(exit_code=exit_code)


def boxed_image(sample: Sample, score: np.ndarray, threshold: float) -> tuple[np.ndarray, dict[str, Any]]:
    """The image (H, W) uint8 at the size of its score map, and its boxes: ``predictions`` and ``ground_truth``.

    A box is that of an 8-connected component, in pixels; a prediction has its largest score beside it. Of very many
    components the ``MAX_BOXES`` largest are shown.
    """
    image = sample.image
    if image.dtype != np.uint8:
        spread = max(int(image.max()) - int(image.min()), 1)
        image = ((image - image.min()) * (255.0 / spread)).astype(np.uint8)
    mask = sample.mask
    if image.shape != score.shape:
        size = score.shape[::-1]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        mask = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
    return image, {"predictions": {"box_data": _boxes(score > threshold, score), "class_labels": LABELS},
                   "ground_truth": {"box_data": _boxes(mask), "class_labels": LABELS}}


def _boxes(mask: np.ndarray, score: np.ndarray | None = None) -> list[dict[str, Any]]:
    boxes = []
    components = find_components(mask)
    largest = np.argsort(-components.areas, kind="stable")[:MAX_BOXES]
    for top, left, bottom, right in components.boxes[largest].tolist():
        box = {"position": dict(minX=left, minY=top, maxX=right, maxY=bottom), "domain": "pixel", "class_id": 1,
               "box_caption": LABELS[1]}
        if score is not None:
            box["scores"] = {"score": float(score[top:bottom, left:right].max())}
        boxes.append(box)
    return boxes
