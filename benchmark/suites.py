"""From a suite to its cells: names are checked, configs resolved, identities computed. Nothing is run, no torch.

A cell's identity is a hash of its resolved config, of the data it reads and of the weights it starts from. Change
any of them and the cell is stale; change anything else and it is not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark import configs, weights
from benchmark.datasets.catalog import load_dataset_config, missing_reason, open_dataset
from benchmark.datasets.sample import SampleSource
from benchmark.errors import ConfigError, unknown_name
from benchmark.records import CellKey, Outcome, Status

# Keys that only say how the finished scores are counted; a training need not be repeated when they change.
COUNTING_KEYS = ("evaluation",)


@dataclass(frozen=True)
class Cell:
    """One method on one dataset with one seed, ready to be run."""

    key: CellKey
    config: dict[str, Any]
    data_root: str
    """Where the data lies; not part of the identity, the fingerprint of the data is."""
    data_fingerprint: str
    weights_fingerprint: str = ""

    @property
    def id(self) -> str:
        """16 hex digits over config, data and weights."""
        return self._hash(self.config)

    @property
    def training_id(self) -> str:
        """Like ``id``, but the same for cells that differ only in how they are counted."""
        return self._hash({name: value for name, value in self.config.items() if name not in COUNTING_KEYS})

    def _hash(self, config: dict[str, Any]) -> str:
        return identity([config, self.data_fingerprint, self.weights_fingerprint])


@dataclass(frozen=True)
class Selection:
    """What the user asked for; None means the suite's or the profile's own choice."""

    profile: str
    data_root: Path
    methods: Sequence[str] | None = None
    datasets: Sequence[str] | None = None
    seeds: Sequence[int] | None = None
    split: str | None = None
    protocol: str | None = None
    recipe: str | None = None
    overrides: Sequence[tuple[str, Any]] = field(default_factory=tuple)


@dataclass(frozen=True)
class Plan:
    """The resolved suite (as ``SuiteResult.suite``), its cells, and the cells that cannot run, with reasons."""

    suite: dict[str, Any]
    cells: list[Cell]
    skipped: list[Outcome]

    def ordered(self, outcomes: dict[CellKey, Outcome]) -> list[Outcome]:
        """Outcomes of all cells in the order of the suite, the skipped ones included."""
        found = {outcome.key: outcome for outcome in self.skipped} | outcomes
        suite = self.suite
        keys = [CellKey(method["name"], dataset["name"], dataset["split"], suite["profile"], seed)
                for dataset in suite["datasets"] for method in suite["methods"] for seed in suite["seeds"]]
        return [found[key] for key in keys if key in found]


def identity(content: Any) -> str:
    """16 hex digits over JSON content, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()[:16]


def load_suite(name_or_path: str) -> dict[str, Any]:
    """The ``suite`` dict of ``configs/suites/<name>.py`` or of a config file given by path.

    Raises:
        ConfigError: For an unknown name, a broken file, or a suite with unknown or missing keys.
    """
    path = Path(name_or_path)
    content = configs.load_file(path) if path.suffix == ".py" else configs.load("suites", name_or_path)
    suite = content.get("suite")
    required, optional = {"name", "title", "metrics", "methods"}, {"published", "datasets", "seeds", "notes", "labels"}
    if not isinstance(suite, dict) or not required <= suite.keys() or not suite.keys() <= required | optional:
        raise ConfigError(f"{name_or_path}: a suite is a dict with {', '.join(sorted(required))} and optionally "
                          f"{', '.join(sorted(optional))}")
    return suite


def expand(suite: dict[str, Any], selection: Selection) -> Plan:
    """Every cell of the suite under the selection, with what cannot run set apart as skipped.

    Raises:
        ConfigError: For unknown methods, datasets, splits, protocols or overrides; nothing is planned then.
        DataError: When the split lists of a present dataset are inconsistent, or no dataset is present at all.
    """
    profile = configs.load("profiles", selection.profile)
    planned = profile["profile"]
    methods = _methods(selection.methods or suite["methods"], suite)
    names = list(methods)
    wanted = selection.datasets or suite.get("datasets") or planned["datasets"]
    datasets = [load_dataset_config(name) for name in wanted]
    seeds = list(selection.seeds if selection.seeds is not None else suite.get("seeds") or planned["seeds"])
    cells: list[Cell] = []
    skipped: list[Outcome] = []
    described, absent_reasons, merged = [], [], []
    for dataset in datasets:
        split = choose_split(dataset, selection.split, planned["split"])
        described.append({"name": dataset["name"], "title": dataset["title"], "real": dataset["real"], "split": split})
        absent = missing_reason(dataset, selection.data_root)
        absent_reasons += [absent] if absent else []
        for name, seed in ((name, seed) for name in names for seed in seeds):
            key = CellKey(name, dataset["name"], split, planned["name"], seed)
            if methods[name] is None:
                skipped.append(Outcome(key, Status.SKIPPED, "not implemented in this version"))
            elif absent:
                skipped.append(Outcome(key, Status.SKIPPED, absent))
            else:
                layers = configs.merge(profile=profile, method=methods[name], dataset=dataset, split=split, seed=seed,
                                       protocol=selection.protocol, recipe=selection.recipe)
                merged.append(layers)
                cell, reason = _cell(key, configs.compose(layers, selection.overrides), selection.data_root)
                if cell is None:
                    skipped.append(Outcome(key, Status.SKIPPED, reason))
                else:
                    cells.append(cell)
    if absent_reasons and not cells:
        raise ConfigError(f"no dataset to run on: {absent_reasons[0]}")
    configs.check_overrides(selection.overrides, merged)
    resolved = {
        "name": suite["name"], "title": suite["title"], "published": suite.get("published"),
        "metrics": suite["metrics"],
        "methods": [_describe(suite, name, methods[name]) for name in names],
        "datasets": described, "seeds": seeds, "profile": planned["name"], "profile_title": planned["title"],
        "protocol": selection.protocol or profile["evaluation"]["protocol"],
        "recipe": selection.recipe or planned["recipe"],
        "notes": list(planned.get("notes", ())) + list(suite.get("notes", ())) + _notes(cells),
    }
    return Plan(resolved, cells, skipped)


def load_method(name_or_path: str) -> dict[str, Any]:
    """A method's config by name, or from a file such as ``tune.py`` exports. Raises ``ConfigError`` for neither."""
    path = Path(name_or_path)
    if path.suffix != ".py":
        return configs.load("methods", name_or_path)
    content = configs.load_file(path)
    if not isinstance(content.get("method"), dict) or "model" not in content:
        raise ConfigError(f"{path}: a method's config holds method = dict(...) and model = dict(...)")
    return content


def _methods(wanted: Sequence[str], suite: dict[str, Any]) -> dict[str, dict[str, Any] | None]:
    # by name, in order; None for those that the suite knows and that are not written yet
    found: dict[str, dict[str, Any] | None] = {}
    for name in wanted:
        known = configs.known("methods")
        if name not in suite["methods"] and name not in known and not name.endswith(".py"):
            raise ConfigError(unknown_name("method", name, {*suite["methods"], *known}))
        config = load_method(name) if name in known or name.endswith(".py") else None
        own = config["method"]["name"] if config else name
        if own in found and own != name:
            raise ConfigError(f"{name}: another of the methods is named {own!r} too; change the name in the file")
        found[own] = config
    return found


def _cell(key: CellKey, config: dict[str, Any], root: Path) -> tuple[Cell | None, str]:
    # the cell, or None and the reason why it cannot run
    source = open_dataset(config["dataset"], root, config["split"], config["seed"])
    for part in ("train", "test") if config["method"]["trainable"] else ("test",):
        if not source.ids(part):
            raise ConfigError(f"{key.dataset}: split {config['split']!r} has no {part} images, {key.method} needs them")
    if config.get("selection") == "auto":
        config["selection"] = "val-best" if source.ids("val") else "last"
    if config.get("selection") == "val-best" and not source.ids("val"):
        raise ConfigError(f"{key.dataset}: selection 'val-best' needs validation images, split {config['split']!r} has "
                          "none; use --set selection=last")
    if "selection" in config and config["selection"] not in configs.SELECTIONS:
        raise ConfigError(unknown_name("selection", config["selection"], configs.SELECTIONS))
    fingerprint, reason = weights.resolve(config)
    return (None, reason) if reason else (Cell(key, config, str(root), source.fingerprint(), fingerprint), "")


def _notes(cells: list[Cell]) -> list[str]:
    # What a reader of the results would otherwise find out from a record: said at the start and in the report.
    notes = []
    for method in dict.fromkeys(cell.key.method for cell in cells):
        own = [cell for cell in cells if cell.key.method == method]
        starts = {name: value for name, value in own[0].config.get("weights", {}).items() if name.endswith("_weights")}
        if "random" in starts.values():
            notes.append(f"{method} starts from {', '.join(f'{name}: {value}' for name, value in starts.items())}.")
        for dataset, cell in {cell.key.dataset: cell for cell in own if cell.config["method"].get("text")}.items():
            source = open_dataset(cell.config["dataset"], Path(cell.data_root), cell.config["split"],
                                  cell.config["seed"])
            notes += [f"{method} on {dataset}: {note}" for note in _text_notes(source)]
    return notes


def _text_notes(source: SampleSource) -> list[str]:
    counts, mode = source.text_origins(), source.caption_source()["mode"]
    without = counts["template"] + counts["none"]
    if mode == "template":
        return ["captions are not used, every image has the template's text."]
    notes = ["every image has the caption of another image of its part."] if mode == "shuffled" else []
    return notes + ([f"{without} of {sum(counts.values())} images have no caption ({counts['template']} take the "
                     "dataset's template)."] if without else [])


def choose_split(dataset: dict[str, Any], asked: str | None, preferred: str) -> str:
    """The split asked for; else the profile's where the dataset offers it, else the dataset's own."""
    if asked is not None:
        return asked  # checked when the dataset is opened, which knows its lists
    offered = {"paper", *dataset.get("splits", {})} if dataset["layout"] == "folder" else {dataset["default_split"]}
    return preferred if preferred in offered else dataset["default_split"]


def _describe(suite: dict[str, Any], name: str, config: dict[str, Any] | None) -> dict[str, Any]:
    if config is None:
        title, kind = suite.get("labels", {}).get(name, (name, ""))
        return {"name": name, "title": title, "type": kind, "reconstruction": False}
    method = config["method"]
    return {field: method[field] for field in ("name", "title", "type", "reconstruction")}
