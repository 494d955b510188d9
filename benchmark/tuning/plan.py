"""From what the user asked for to the job of a study: config, space and images are settled before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark import configs, weights
from benchmark.datasets.catalog import load_dataset_config, missing_reason, open_dataset
from benchmark.errors import ConfigError
from benchmark.suites import choose_split
from benchmark.tuning.space import Space, load_space

FIRST_SHARE = 4  # a method that does not train is not judged before this part of its images


@dataclass(frozen=True)
class Wish:
    """What the user asked for; None means a default."""

    method: str
    dataset: str
    data_root: Path
    profile: str | None = None
    split: str | None = None
    recipe: str | None = None
    protocol: str | None = None
    seed: int = 0
    images: int | None = None
    val_images: int | None = None
    space: str | None = None
    overrides: Sequence[tuple[str, Any]] = ()


@dataclass(frozen=True)
class TuningPlan:
    """A resolved config with its tuning images, the space, and what people are told about both."""

    method: str
    """As the user named it: a name or a path."""
    config: dict[str, Any]
    space: Space
    fingerprint: str
    resource: tuple[int, int]
    counts: dict[str, int]
    """Images by part: ``train`` and, for a method that trains, ``val``."""

    @property
    def name(self) -> str:
        """Of the study, unless the user gives one."""
        config = self.config
        return "-".join((config["method"]["name"], config["dataset"]["name"], config["split"].replace("/", "_"),
                         config["profile_name"]))

    @property
    def subject(self) -> str:
        """What the objective is measured on, in words."""
        train, val = self.counts["train"], self.counts.get("val")
        return f"{train} training images" if val is None else f"{val} validation images, trained on {train}"


def plan(wish: Wish) -> TuningPlan:
    """Raises ``ConfigError`` or ``DataError`` for whatever does not fit; nothing has run then."""
    dataset, method = load_dataset_config(wish.dataset), configs.load_method(wish.method)
    reason = missing_reason(dataset, wish.data_root)
    if reason:
        raise ConfigError(reason)
    profile = configs.load("profiles", wish.profile or ("fast" if dataset["real"] else "demo"))
    split = choose_split(dataset, wish.split, profile["profile"]["split"])
    layers = configs.merge(profile=profile, method=method, dataset=dataset, split=split, seed=wish.seed,
                           protocol=wish.protocol, recipe=wish.recipe)
    configs.check_overrides(wish.overrides, [layers])
    config = configs.compose(layers, wish.overrides)
    source = open_dataset(config["dataset"], wish.data_root, split, wish.seed)
    fixed = {path for path, _ in wish.overrides}
    space = load_space(method, wish.space)
    space = {path: entry for path, entry in space.items() if path.removeprefix("+") not in fixed}
    for path, entry in space.items():
        configs.look_up(config, path, entry.get("default"))
    if not space:
        raise ConfigError("--set fixes every value of the search space; nothing is left to search")
    fingerprint, reason = weights.resolve(config)
    if reason:
        raise ConfigError(reason)
    trainable = config["method"]["trainable"]
    config["dataset"]["tuning"] = dict(train=wish.images, val=wish.val_images, carve=trainable)
    if trainable:
        if config["selection"] == "auto":
            config["selection"] = "val-best" if source.ids("val") else "last"
        if "train_cfg.val_interval" not in fixed:
            config["train_cfg"]["val_interval"] = 1
    images = open_dataset(config["dataset"], wish.data_root, split, wish.seed)
    counts = {part: len(images.ids(part)) for part in (("train", "val") if trainable else ("train",))}
    if not all(counts.values()):
        raise ConfigError(f"{dataset['name']}: split {split!r} gives {counts} images to tune on; each must be above 0")
    return TuningPlan(wish.method, configs.to_plain(config), space, source.fingerprint() + fingerprint,
                      _resource(config, counts), counts)


def _resource(config: dict[str, Any], counts: dict[str, int]) -> tuple[int, int]:
    # first and last step at which a trial reports
    if config["method"]["trainable"]:
        return config["train_cfg"]["val_interval"], config["train_cfg"]["max_epochs"]
    return max(1, counts["train"] // FIRST_SHARE), counts["train"]
