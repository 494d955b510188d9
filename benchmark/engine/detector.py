"""A method ready for use on images of one's own: from a finished cell, a checkpoint file, or random weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np

from benchmark import configs
from benchmark.datasets.catalog import load_dataset_config
from benchmark.datasets.sample import Sample
from benchmark.engine import compat
from benchmark.errors import ConfigError, DataError, StoreError
from benchmark.json_text import parse
from benchmark.records import RECORD_FILE, Record
from models.weights import WeightsError

RANDOM = "random"
DEFAULTS = {"profile": "fast", "dataset": "nuaa-sirst"}


@dataclass(frozen=True)
class Source:
    """Where a detector's weights and settings come from."""

    config: dict[str, Any]
    checkpoint: Path | None
    """None for classical methods and for random weights."""
    origin: str
    """One line for people."""


class Detector:
    """Score maps of single images by one method.

    Args:
        source: What ``find_source`` gives.
        device: ``'auto'``, ``'cpu'`` or ``'cuda:N'``.

    Raises:
        DataError: For weights that are absent, damaged or of another network.
    """

    def __init__(self, source: Source, device: str = "auto") -> None:
        compat.apply()
        import torch
        from mmengine.dataset import Compose
        from mmengine.registry import init_default_scope
        from mmengine.utils import import_modules_from_strings
        from mmseg.registry import MODELS

        import benchmark.datasets.transforms  # noqa: F401  - registers what pipelines name
        from benchmark.engine import runner_config

        # Whatever was counted in training, the user's pixels are those of the user's image.
        self.config = source.config | {"evaluation": source.config["evaluation"] | {"space": "original"}}
        self.origin = source.origin
        self.threshold = self.config["evaluation"]["threshold"]
        import_modules_from_strings(self.config["custom_imports"]["imports"])
        self.trainable = self.config["method"]["trainable"]
        if not self.trainable:
            self.model = MODELS.build(self.config["model"])
            return
        init_default_scope("mmseg")
        torch.manual_seed(self.config["seed"])
        try:
            self.model = MODELS.build(runner_config.model_config(self.config)).eval()
        except WeightsError as error:
            raise DataError(str(error)) from error
        if source.checkpoint is not None:
            _load(self.model, source.checkpoint)
        self.model.to(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        self._pipeline = Compose(runner_config.test_pipeline(self.config))

    def __call__(self, image: np.ndarray, text: str | None = None) -> np.ndarray:
        """Score map (H, W) float32 in [0, 1] at the image's own size.

        Args:
            image: (H, W) uint8 or uint16 grey levels.
            text: Caption of the scene, for methods that read one.

        Raises:
            DataError: For an array of another kind.
        """
        image = _checked(image)
        if not self.trainable:
            return self.model.score(image)
        import torch

        with torch.no_grad():
            sample = self.model.test_step(self._batch(image, text))[0]
        return sample.pred_score.data[0].float().cpu().numpy()

    def explain(self, image: np.ndarray, text: str | None = None) -> dict[str, np.ndarray]:
        """The maps behind a prediction, each (H, W) float32 (see ``SAIST.explain``).

        Raises:
            ConfigError: For a method that has nothing but its score.
        """
        if not hasattr(self.model, "explain"):
            raise ConfigError(f"{self.config['method']['name']} has nothing to explain beside its score map; SAIST's "
                              "variants have")
        prepared = self.model.data_preprocessor(self._batch(_checked(image), text), training=False)
        found = self.model.explain(prepared["inputs"], prepared["data_samples"])[0]
        return {name: value.float().cpu().numpy() for name, value in found.items()}

    def _batch(self, image: np.ndarray, text: str | None) -> dict[str, list[Any]]:
        sample = Sample("image", image, np.zeros(image.shape, bool), text)
        packed = self._pipeline({"img_id": sample.id, "sample": sample})
        return {name: [value] for name, value in packed.items()}


def load_detector(method: str, weights: str | Path | None = None, *, work_dir: str | Path = "work_dirs",
                  dataset: str | None = None, profile: str | None = None, device: str = "auto") -> Detector:
    """A detector that is called with an image and gives its score map.

    Args:
        method: Name of a config in ``configs/methods``, or the path of one's own.
        weights: A checkpoint file, ``'random'``, or None for the newest training in ``work_dir``.
        work_dir: Where ``run.py`` left its cells.
        dataset: With a training from ``work_dir``, the set that it was trained on; with a file that has no record
            beside it, the set whose grey levels it was normalised with (default nuaa-sirst).
        profile: With a file that has no record beside it, the profile whose view it was trained with (default fast).
        device: ``'auto'``, ``'cpu'`` or ``'cuda:N'``.

    Raises:
        ConfigError: For an unknown method, or where there are no weights; says what to do.
        DataError: For a checkpoint that is damaged or of another network.

    Example:
        >>> score = load_detector("top_hat")(image)
    """
    return Detector(find_source(method, weights, Path(work_dir), dataset=dataset, profile=profile), device)


def find_source(method: str, weights: str | Path | None, work_dir: Path, *, dataset: str | None = None,
                profile: str | None = None) -> Source:
    """See ``load_detector``; torch is not imported."""
    loaded = configs.load_method(method)
    given, method = method, loaded["method"]["name"]
    if not loaded["method"]["trainable"]:
        return Source(_default_config(loaded, dataset, profile), None, f"{method}, nothing to train")
    if weights is None:
        return _from_store(method, given, work_dir, dataset)
    if str(weights) == RANDOM:
        return Source(_default_config(loaded, dataset, profile), None, f"{method}, random weights: not trained at all")
    path = Path(weights)
    if not path.is_file():
        raise ConfigError(f"--weights {path}: no such file")
    record = _record_beside(path, method)
    if record is not None:
        return _trained(record, path)
    return Source(_default_config(loaded, dataset, profile), path, f"{method}, a checkpoint without a record beside it")


def _from_store(method: str, given: str, work_dir: Path, dataset: str | None) -> Source:
    found = []
    for path in sorted(work_dir.glob(f"cells/{method}__*/{RECORD_FILE}")):
        record = _read(path)
        if record is None or record.key.method != method or (dataset and record.key.dataset != dataset):
            continue
        checkpoint = path.parent / record.training.get("checkpoint", "")
        if checkpoint.is_file():
            age = (record.provenance.get("order", 0), record.provenance.get("finished", ""))
            found.append((age, checkpoint, record))
    if not found:
        on = f" on {dataset}" if dataset else ""
        raise ConfigError(f"no trained {method}{on} under {work_dir}; train it with `python benchmark/run.py --suite "
                          f"table1 --methods {given}`, or give --weights FILE")
    _, checkpoint, record = max(found, key=lambda entry: entry[0])
    return _trained(record, checkpoint)


def _trained(record: Record, checkpoint: Path) -> Source:
    epoch, epochs = record.training.get("epoch"), record.training.get("epochs")
    return Source(record.config, checkpoint, f"{record.key.method}, epoch {epoch} of {epochs} on {record.key.dataset} "
                  f"({record.key.split}, {record.key.profile}, seed {record.key.seed})")


def _record_beside(checkpoint: Path, method: str) -> Record | None:
    record = _read(checkpoint.resolve().parent.parent / RECORD_FILE)
    if record is None or not record.training.get("checkpoint", "").endswith(checkpoint.name):
        return None
    if record.key.method != method:
        raise ConfigError(f"--weights {checkpoint}: belongs to {record.key.method}, not to {method}")
    return record


def _read(path: Path) -> Record | None:
    try:
        return Record.from_dict(parse(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, StoreError):
        return None


def _default_config(method: Mapping[str, Any], dataset: str | None, profile: str | None) -> dict[str, Any]:
    from benchmark import weights

    config = configs.compose(configs.merge(
        profile=configs.load("profiles", profile or DEFAULTS["profile"]), method=method,
        dataset=load_dataset_config(dataset or DEFAULTS["dataset"]), split="official", seed=0, protocol=None), ())
    _, reason = weights.resolve(config)
    if reason:
        raise ConfigError(reason)
    return config


def _checked(image: np.ndarray) -> np.ndarray:
    if image.ndim != 2 or image.dtype not in (np.uint8, np.uint16) or 0 in image.shape:
        raise DataError(f"an image is (H, W) of uint8 or uint16, got {image.shape} of {image.dtype}")
    return image


def _load(model: Any, checkpoint: Path) -> None:
    import torch

    from models.checkpoints import REFUSED

    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
        missing, unexpected = model.load_state_dict(state, strict=False)
    except UnpicklingError as error:  # torch's own message advises to switch the protection off
        raise DataError(f"{checkpoint}: cannot be loaded: {REFUSED}") from error
    except Exception as error:  # torch raises half a dozen unrelated types for a truncated or foreign file
        raise DataError(f"{checkpoint}: cannot be loaded ({' '.join(str(error).split())[:200]})") from error
    if missing or unexpected:
        raise DataError(f"{checkpoint}: not weights of this network: {len(missing)} missing, {len(unexpected)} "
                        f"unexpected ({', '.join([*missing, *unexpected][:3])})")
