"""The grid of a suite: its rows, its columns, and which cell fills each place. Nothing is opened or run, no torch.

Most suites are methods × datasets. A row may be a *variant* (a method with changed settings) or a method trained on
another set than it is tested on; a column may be a *condition*, another test of the same training. The cell behind a
place is named by what is run, never by the suite or the row, so that suites that ask for the same cell share it:
``saist+1a2b3c4d`` (a hash of base and settings) in the method's part of its folder, ``synth-sirst+noise-3`` in the
dataset's.

kinds: ``grid``; ``figure`` (a grid whose table only goes with pictures: nothing is ranked); ``average`` (the mean over
all datasets is the one column that is shown); ``cross`` (a row for each training set); ``robustness`` (a row for each
corruption, a column for each severity); ``scr`` (a column for each signal-to-clutter ratio of the synthetic set);
``protocols`` (a row for each counting rule); ``leakage`` (rows with and without near-duplicates of training frames,
computed from the counts of one cell).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmark import configs
from benchmark.datasets.corruption import KINDS, SEVERITIES
from benchmark.errors import ConfigError, unknown_name
from benchmark.records import CellKey

SUITE_KINDS = ("grid", "figure", "average", "cross", "robustness", "scr", "protocols", "leakage")
PROTOCOLS = ("standard", "basicirstd", "dnanet", "overlap", "opdc", "shooting")
METRICS = ("iou", "niou", "niou_targets", "precision", "recall", "f1", "pd", "fa", "hiou", "pixel_auc", "target_auc",
           "target_pauc", "trainable_params_m", "inference_s")
"""What a table can show; ``reports.metric_styles`` says how."""
SUITE_FIELDS = {
    "name": "name", "title": str, "metrics": [str], "methods": [(str, dict)], "published": (str, type(None)),
    "datasets": [str], "seeds": [int], "notes": [str], "labels": {str: [str]}, "kind": str, "figures": [str],
    "images": {str: [str]}, "suites": [str], "profile": str, "left_out": {str: str},
}
"""Types of a suite's fields; ``name`` is a text that can name a file."""
SCR_LEVELS = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
SUBSETS = {"all": "all test images", "without": "without near-duplicates", "change": "change"}
ROW_HEADS = {"cross": "Trained on", "robustness": "Corruption", "protocols": "Protocol", "leakage": "Test images"}


@dataclass(frozen=True)
class Row:
    """One row of a suite's table: what is run, and what is told about it."""

    name: str
    title: str
    type: str
    base: str
    """Name of the method's config."""
    config: Mapping[str, Any] | None
    """The loaded config; None where there is none yet."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Dotted path → value, merged over everything else."""
    train: str | None = None
    """Dataset trained on, where it is not the column's."""
    corruption: str | None = None
    protocol: str | None = None
    subset: str | None = None
    left_out: str = ""
    """Why the suite does not run it unless it is asked for by name; empty where it does."""

    @property
    def absence(self) -> str:
        """Why no cell of the row is run; empty where they are."""
        return "not implemented in this version" if self.config is None else self.left_out

    @property
    def method(self) -> str:
        """The method's part of the cell's key."""
        if not self.settings:
            return self.base
        content = json.dumps([self.base, configs.to_plain(self.settings)], sort_keys=True)
        return f"{self.base}+{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    def describe(self) -> dict[str, Any]:
        """The row as an entry of ``SuiteResult.suite['methods']``."""
        method = self.config["method"] if self.config else {}
        return {"name": self.name, "title": self.title, "type": self.type,
                "reconstruction": bool(method.get("reconstruction"))}


@dataclass(frozen=True)
class Column:
    """One column group of a suite's table: a dataset, perhaps under a condition."""

    name: str
    title: str
    dataset: Mapping[str, Any]
    """The dataset's config."""
    split: str
    severity: int = 0
    scr: float | None = None

    def describe(self) -> dict[str, Any]:
        """The column as an entry of ``SuiteResult.suite['datasets']``."""
        return {"name": self.name, "title": self.title, "dataset": self.dataset["title"], "real": self.dataset["real"],
                "split": self.split}


@dataclass(frozen=True)
class Place:
    """Where a row meets a column for one seed: the key under which the report shows it, and the cell that fills it."""

    shown: CellKey
    cell: CellKey
    home: CellKey
    """The cell with the same training that is tested on its own test part; often the cell itself."""


def rows_of(suite: Mapping[str, Any], wanted: Sequence[str] | None, datasets: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The suite's rows, or those of the wanted names of rows or methods, or of methods' config files.

    Raises:
        ConfigError: For names that are neither a row of the suite nor a method, and for two methods of one name.
    """
    rows: list[Row] = []
    entries = {entry if isinstance(entry, str) else entry["name"]: entry for entry in suite["methods"]}
    known = configs.known("methods")
    bases = [entry["base"] for entry in entries.values() if not isinstance(entry, str)]
    for name in wanted or entries:
        if name not in entries and name in bases:  # a method: all its rows
            rows += [_row(suite, entry) for entry in entries.values()
                     if not isinstance(entry, str) and entry["base"] == name]
        elif name.endswith(".py"):
            method = (config := configs.load_method(name))["method"]
            if method["name"] in {row.name for row in rows}:
                raise ConfigError(f"{name}: another of the methods is named {method['name']!r} too; change the name in "
                                  "the file")
            rows.append(Row(method["name"], method["title"], method["type"], method["name"], config))
        elif name in entries or name in known:
            row = _row(suite, entries.get(name, name))
            rows.append(row if wanted else replace(row, left_out=suite.get("left_out", {}).get(name, "")))
        else:
            raise ConfigError(unknown_name("method", name, {*entries, *known}))
    return [part for row in rows for part in _split(suite.get("kind", "grid"), row, datasets)]


def columns_of(kind: str, datasets: Sequence[tuple[Mapping[str, Any], str]]) -> list[Column]:
    """The suite's columns for (dataset config, split) pairs."""
    columns = []
    for dataset, split in datasets:
        name, title = dataset["name"], dataset["title"]
        if kind == "robustness":
            own = f"{title}, " if len(datasets) > 1 else ""
            columns += [Column(f"{name}/{severity}", own + (f"severity {severity}" if severity else "clean"), dataset,
                               split, severity) for severity in range(SEVERITIES + 1)]
        elif kind == "scr":
            columns += [Column(f"{name}/scr-{level:g}", f"SCR {level:g}", dataset, split, scr=level)
                        for level in SCR_LEVELS]
        else:
            columns.append(Column(name, title, dataset, split))
    return columns


def place(row: Row, column: Column, splits: Mapping[str, str], profile: str, seed: int, protocol: str) -> Place:
    """Which cell fills the place.

    Args:
        row, column: Of the suite.
        splits: Split of each dataset by name, for rows that are trained elsewhere.
        profile: Name of the profile.
        seed: Of the cell.
        protocol: The counting rule of all cells that do not name their own.
    """
    tested = column.dataset["name"]
    trained = row.train or tested
    home = CellKey(row.method, trained, splits.get(trained, column.split), profile, seed)
    condition = []
    if trained != tested:
        condition.append(f"on-{tested}")
    if row.corruption and column.severity:
        condition.append(f"{row.corruption}-{column.severity}")
    if column.scr is not None:
        condition.append(f"scr-{column.scr:g}")
    if row.protocol not in (None, protocol):
        condition.append(f"by-{row.protocol}")
    cell = CellKey(home.method, "+".join([trained, *condition]), home.split, profile, seed)
    return Place(CellKey(row.name, column.name, column.split, profile, seed), cell, home)


def check_suite(suite: Any, source: str) -> dict[str, Any]:
    """The suite itself. Raises ``ConfigError`` for missing or unknown keys, kinds and fields of rows."""
    required = {"name", "title", "metrics", "methods"}
    optional = {"published", "datasets", "seeds", "notes", "labels", "kind", "figures", "images", "profile",
                "left_out"}
    for name in suite if isinstance(suite, dict) else ():
        if name in SUITE_FIELDS and not _fits(suite[name], SUITE_FIELDS[name]):
            raise ConfigError(f"{source}: {name} cannot be {suite[name]!r}")
    if isinstance(suite, dict) and {"name", "title", "suites"} == suite.keys() - {"profile"}:
        return suite
    if not isinstance(suite, dict) or not required <= suite.keys() or not suite.keys() <= required | optional:
        keys = suite.keys() if isinstance(suite, dict) else set()
        found = [f"{what} {', '.join(sorted(map(str, names)))}" for what, names in (
            ("lacks", required - keys), ("cannot take", keys - required - optional)) if names]
        raise ConfigError(f"{source}: it {' and '.join(found)}; a suite is a dict with {', '.join(sorted(required))} "
                          f"and optionally {', '.join(sorted(optional))}; or with name, title, suites, perhaps profile")
    if any(len(pair) != 2 for pair in suite.get("labels", {}).values()):
        raise ConfigError(f"{source}: labels holds (title, type) by method")
    for metric in suite["metrics"]:
        if metric not in METRICS:
            raise ConfigError(f"{source}: {unknown_name('metric', metric, METRICS)}")
    if suite.get("kind", "grid") not in SUITE_KINDS:
        raise ConfigError(f"{source}: {unknown_name('kind', suite['kind'], SUITE_KINDS)}")
    for entry in suite["methods"]:
        if not isinstance(entry, str) and not ({"name", "base", "title"} <= entry.keys() <= {
                "name", "base", "title", "type", "set"} and all(
                isinstance(value, dict if name == "set" else str) for name, value in entry.items())):
            raise ConfigError(f"{source}: a variant is a dict with name, base and title, and perhaps type and set")
    return suite


def _fits(value: Any, kind: Any) -> bool:
    if kind == "name":
        return isinstance(value, str) and re.fullmatch(r"[\w+-][\w.+-]*", value) is not None
    if isinstance(kind, list):
        return isinstance(value, (list, tuple)) and all(_fits(item, kind[0]) for item in value)
    if isinstance(kind, dict):
        ((key_kind, item_kind),) = kind.items()
        return isinstance(value, dict) and all(
            isinstance(key, key_kind) and _fits(item, item_kind) for key, item in value.items())
    return isinstance(value, kind) and not isinstance(value, bool)


def _row(suite: Mapping[str, Any], entry: str | Mapping[str, Any]) -> Row:
    variant = {"name": entry, "base": entry} if isinstance(entry, str) else entry
    base = variant["base"]
    config = configs.load("methods", base) if base in configs.known("methods") else None
    title, kind = suite.get("labels", {}).get(base, (base, ""))
    if config is not None:
        title, kind = config["method"]["title"], config["method"]["type"]
    return Row(variant["name"], variant.get("title", title), variant.get("type", kind), base, config,
               variant.get("set", {}))


def _split(kind: str, row: Row, datasets: Sequence[Mapping[str, Any]]) -> list[Row]:
    # one method becomes the several rows of its kind of suite
    def part(suffix: str, type_: str, **more: Any) -> Row:
        return Row(f"{row.name}@{suffix}", row.title, type_, row.base, row.config, row.settings, **more)

    if kind == "cross":
        if row.config is not None and not row.config["method"]["trainable"]:
            return [Row(row.name, row.title, "nothing", row.base, row.config, row.settings)]
        return [part(dataset["name"], dataset["title"], train=dataset["name"]) for dataset in datasets]
    if kind == "robustness":
        return [part(name, name, corruption=name) for name in KINDS]
    if kind == "protocols":
        return [part(name, name, protocol=name) for name in PROTOCOLS]
    if kind == "leakage":
        return [part(name, title, subset=name) for name, title in SUBSETS.items()]
    return [row]
