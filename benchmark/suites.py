"""From a suite to its cells: names are checked, configs resolved, identities computed. Nothing is run, no torch.

A cell's identity is a hash of its resolved config, of the data it reads and of the weights it starts from. Change
any of them and the cell is stale; change anything else and it is not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmark import configs, grid, weights
from benchmark.datasets.catalog import load_dataset_config, missing_reason, open_dataset
from benchmark.datasets.corruption import STRENGTHS
from benchmark.datasets.sample import SampleSource
from benchmark.errors import ConfigError, unknown_name
from benchmark.grid import Column, Place, Row
from benchmark.records import CellKey, Outcome, Status

# Keys that only say what is tested and how it is counted; a training need not be repeated when they change.
COUNTING_KEYS = ("evaluation", "test")
SYNTHETIC = "synth-sirst"


@dataclass(frozen=True)
class Cell:
    """One method on one dataset with one seed, ready to be run."""

    key: CellKey
    config: dict[str, Any]
    data_root: str
    """Where the data lies; not part of the identity, the fingerprint of the data is."""
    data_fingerprint: str
    weights_fingerprint: str = ""
    home: CellKey | None = None
    """The cell whose training this one shares; None and the own key mean the same."""
    keep: tuple[str, ...] = ()
    """Test images whose score maps a figure wants, besides the gallery's; not part of the identity."""

    @property
    def is_home(self) -> bool:
        """Whether training, if any, is this cell's own."""
        return self.home in (None, self.key)

    @property
    def test_fingerprint(self) -> str:
        """Fingerprint of the data that is tested."""
        return self.config.get("test", {}).get("fingerprint", self.data_fingerprint)

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
    """Each once, whatever number of places it fills."""
    skipped: list[Outcome]
    places: list[Place]

    def ordered(self, outcomes: dict[CellKey, Outcome]) -> list[Outcome]:
        """Outcomes at all places of the suite's grid, in its order, the skipped ones included."""
        found = {outcome.key: outcome for outcome in self.skipped} | outcomes
        return [found[place.cell].shown_as(place.shown) for place in self.places if place.cell in found]


def cell_labels(plans: Sequence[Plan]) -> dict[CellKey, str]:
    """What a command calls each cell: its key, and behind a variant's hash the first row that shows it."""
    shown: dict[CellKey, CellKey] = {}
    for place in (place for plan in plans for place in plan.places):
        shown.setdefault(place.cell, place.shown)
    return {cell: str(cell) if cell.method == row.method or "+" not in cell.method else
            str(replace(cell, method=f"{cell.method} ({row.method})")) for cell, row in shown.items()}


def identity(content: Any) -> str:
    """16 hex digits over JSON content, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()[:16]


def load_suite(name_or_path: str) -> dict[str, Any]:
    """The ``suite`` dict of ``configs/suites/<name>.py`` or of a config file given by path.

    A file's own methods may be config files too, by paths that count from its folder.

    Raises:
        ConfigError: For an unknown name, a broken file, or a suite with unknown or missing keys.
    """
    path = Path(name_or_path)
    if path.suffix != ".py":
        return grid.check_suite(configs.load("suites", name_or_path).get("suite"), name_or_path)
    suite = grid.check_suite(configs.load_file(path).get("suite"), name_or_path)
    beside = [str(path.parent / entry) if isinstance(entry, str) and entry.endswith(".py") else entry
              for entry in suite.get("methods", ())]
    return suite | ({"methods": beside} if beside else {})


def members(suite: dict[str, Any]) -> list[dict[str, Any]]:
    """The suites that a suite of suites names, or the suite alone."""
    found = [load_suite(name) for name in suite["suites"]] if "suites" in suite else [suite]
    for member in found:
        if "suites" in member:
            raise ConfigError(f"suite {suite['name']}: {member['name']} is itself a suite of suites; name its members")
    return found


def expand(suite: dict[str, Any], selection: Selection) -> Plan:
    """Every cell of the suite under the selection, with what cannot run set apart as skipped.

    Raises:
        ConfigError: For unknown methods, datasets, splits, protocols or overrides; nothing is planned then.
        DataError: When the split lists of a present dataset are inconsistent, or no dataset is present at all.
    """
    return expand_all([suite], selection)[0]


def expand_all(suites: Sequence[dict[str, Any]], selection: Selection) -> list[Plan]:
    """The plans of several suites; names of methods and overrides must fit one of them, not each.

    Suites that have none of the wanted methods are left out.

    Raises:
        ConfigError, DataError: As ``expand``.
    """
    chosen = [(suite, selection if len(suites) == 1 else replace(selection, methods=_own_methods(suite, selection)))
              for suite in suites]
    if selection.methods is not None and not any(own.methods for _, own in chosen):
        raise ConfigError(unknown_name("method", selection.methods[0], configs.known("methods")))
    builders = [_Builder(lay_out(suite, own), own) for suite, own in chosen if own.methods is None or own.methods]
    plans = [builder.plan() for builder in builders]
    absent = [reason for builder in builders for reason in builder.absent]
    if absent and not any(plan.cells for plan in plans):
        raise ConfigError(f"no dataset to run on: {absent[0]}")
    configs.check_overrides(selection.overrides, [layers for builder in builders for layers in builder.layers.values()])
    return plans


def _own_methods(suite: dict[str, Any], selection: Selection) -> list[str] | None:
    if selection.methods is None:
        return None
    own = {name for entry in suite["methods"]
           for name in ([entry] if isinstance(entry, str) else [entry["name"], entry["base"]])}
    return [name for name in selection.methods if name in own]


@dataclass(frozen=True)
class Layout:
    """A suite under a selection: its grid, before anybody looks at data."""

    suite: dict[str, Any]
    profile: dict[str, Any]
    rows: list[Row]
    columns: list[Column]
    seeds: list[int]
    protocol: str
    recipe: str
    datasets: dict[str, tuple[dict[str, Any], str]]
    """Config and split by name."""

    @property
    def kind(self) -> str:
        """One of ``grid.SUITE_KINDS``."""
        return self.suite.get("kind", "grid")

    def places(self) -> list[tuple[Place, Row, Column]]:
        """Every place of the grid with its row and column: columns outermost, seeds innermost."""
        splits = {name: split for name, (_, split) in self.datasets.items()}
        planned = self.profile["profile"]["name"]
        return [(grid.place(row, column, splits, planned, seed, self.protocol), row, column)
                for column in self.columns for row in self.rows for seed in self.seeds]

    def describe(self) -> dict[str, Any]:
        """The suite as reports read it (``SuiteResult.suite``)."""
        planned = self.profile["profile"]
        return {
            "name": self.suite["name"], "title": self.suite["title"], "published": self.suite.get("published"),
            "kind": self.kind, "metrics": self.suite["metrics"],
            "methods": [row.describe() for row in self.rows],
            "datasets": [column.describe() for column in self.columns],
            "seeds": self.seeds, "profile": planned["name"], "profile_title": planned["title"],
            "protocol": self.protocol, "recipe": self.recipe,
            "row_head": grid.ROW_HEADS.get(self.kind, "Type"),
            "ranked": self.kind in ("grid", "average", "cross", "scr"),
            "figures": self.suite.get("figures"), "images": self.suite.get("images", {}), "notes": self.notes(),
        }

    def notes(self) -> list[str]:
        """What the profile and the suite have to say on every table."""
        return list(self.profile["profile"].get("notes", ())) + list(self.suite.get("notes", ()))


def lay_out(suite: dict[str, Any], selection: Selection) -> Layout:
    """The suite's grid under the selection. Raises ``ConfigError`` for unknown names."""
    profile = configs.load("profiles", selection.profile)
    planned = profile["profile"]
    datasets = [load_dataset_config(name) for name in selection.datasets or _datasets(suite, planned["datasets"])]
    if suite.get("kind") == "scr":  # only there the ratio is set
        datasets = [one for one in datasets if one["layout"] == "synthetic"] or [load_dataset_config(SYNTHETIC)]
        selection = replace(selection, split=None)
    described = [(dataset, choose_split(dataset, selection.split, planned["split"])) for dataset in datasets]
    return Layout(
        suite=suite, profile=profile, rows=grid.rows_of(suite, selection.methods, datasets),
        columns=grid.columns_of(suite.get("kind", "grid"), described),
        seeds=list(selection.seeds if selection.seeds is not None else suite.get("seeds") or planned["seeds"]),
        protocol=selection.protocol or profile["evaluation"]["protocol"], recipe=selection.recipe or planned["recipe"],
        datasets={dataset["name"]: (dataset, split) for dataset, split in described},
    )


class _Builder:
    """Cells of places, each built once."""

    def __init__(self, layout: Layout, selection: Selection) -> None:
        self.layout, self.selection, self.root = layout, selection, selection.data_root
        self.cells: dict[CellKey, Cell] = {}
        self.skipped: list[Outcome] = []
        self.absent: list[str] = []
        self.layers: dict[str, dict[str, Any]] = {}
        self.opened: dict[str, tuple[SampleSource, str]] = {}

    def plan(self) -> Plan:
        """The suite's plan."""
        places = self.layout.places()
        for place, row, column in places:
            self.add(place, row, column)
        cells = list(self.cells.values())
        suite = self.layout.describe() | {
            "notes": self.layout.notes() + _notes(cells, {row.method: row.title for row in self.layout.rows})}
        return Plan(suite, cells, self.skipped, [place for place, _, _ in places])

    def add(self, place: Place, row: Row, column: Column) -> None:
        """Plan the cell of a place, or note why it cannot run."""
        if place.cell in self.cells or any(outcome.key == place.cell for outcome in self.skipped):
            return
        trained, split = self.layout.datasets.get(row.train or "", (column.dataset, column.split))
        absent = [reason for dataset in (trained, column.dataset) if (reason := missing_reason(dataset, self.root))]
        self.absent += absent
        reason = row.absence or next(iter(absent), "")
        if reason:
            self.skipped.append(Outcome(place.cell, Status.SKIPPED, reason))
            return
        layers = self._merged(row, trained, split, place.cell.seed)
        config = configs.compose(layers, self.selection.overrides)
        condition = self._condition(place, row, column)
        if condition:
            config["test"] = condition
        keep = tuple(self.layout.suite.get("images", {}).get(column.dataset["name"], ()))
        cell, reason = _cell(place, config, self.root, self._open(config["dataset"], config["split"], place.cell.seed),
                             keep)
        if cell is None:
            self.skipped.append(Outcome(place.cell, Status.SKIPPED, reason))
        else:
            self.cells[place.cell] = cell

    def _merged(self, row: Row, dataset: dict[str, Any], split: str, seed: int) -> dict[str, Any]:
        # a robustness suite asks for the same layers dozens of times
        protocol = row.protocol or self.selection.protocol
        name = json.dumps([row.base, row.settings, dataset["name"], split, seed, protocol])
        if name not in self.layers:
            self.layers[name] = configs.merge(
                profile=self.layout.profile, method=row.config, dataset=dataset, split=split, seed=seed,
                protocol=protocol, recipe=self.selection.recipe, settings=row.settings)
        return self.layers[name]

    def _condition(self, place: Place, row: Row, column: Column) -> dict[str, Any]:
        # What is tested, where it is not the test part of the set that was trained on.
        condition: dict[str, Any] = {}
        if row.train not in (None, column.dataset["name"]) or column.scr is not None:
            layers = self._merged(row, column.dataset, column.split, place.cell.seed)
            dataset = configs.compose(layers, self.selection.overrides)["dataset"]
            if column.scr is not None:
                dataset["scr"] = [column.scr, column.scr]
            _, fingerprint = self._open(dataset, column.split, place.cell.seed)
            condition |= {"dataset": dataset, "split": column.split, "fingerprint": fingerprint}
        if row.corruption and column.severity:
            # with its strength, so that another one is another cell
            condition["corruption"] = {"kind": row.corruption, "severity": column.severity,
                                       "strength": STRENGTHS[row.corruption][column.severity - 1]}
        return condition

    def _open(self, dataset: dict[str, Any], split: str, seed: int) -> tuple[SampleSource, str]:
        # a robustness suite asks for the same source and fingerprint dozens of times
        name = json.dumps([dataset, split, seed], sort_keys=True)
        if name not in self.opened:
            source = open_dataset(dataset, self.root, split, seed)
            self.opened[name] = (source, source.fingerprint())
        return self.opened[name]


def _cell(place: Place, config: dict[str, Any], root: Path, opened: tuple[SampleSource, str],
          keep: tuple[str, ...]) -> tuple[Cell | None, str]:
    # the cell, or None and the reason why it cannot run
    key, (source, data_fingerprint) = place.cell, opened
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
    if reason:
        return None, reason
    return Cell(key, config, str(root), data_fingerprint, fingerprint, place.home, keep), ""


def _notes(cells: list[Cell], titles: dict[str, str]) -> list[str]:
    # What a reader of the results would otherwise find out from a record: said at the start and in the report.
    starts = {titles[cell.key.method]: cell.config.get("weights", {}) for cell in cells}
    notes: dict[str, list[str]] = {}
    for cell in {(cell.key.method, cell.key.dataset.split("+")[0]): cell for cell in cells
                 if cell.config["method"].get("text") and "test" not in cell.config}.values():
        source = open_dataset(cell.config["dataset"], Path(cell.data_root), cell.config["split"], cell.config["seed"])
        for note in _text_notes(source):
            notes.setdefault(f"on {cell.key.dataset.split('+')[0]}: {note}", []).append(titles[cell.key.method])
    return random_starts(starts) + [f"{', '.join(dict.fromkeys(methods))} {note}" for note, methods in notes.items()]


def _text_notes(source: SampleSource) -> list[str]:
    counts, mode = source.text_origins(), source.caption_source()["mode"]
    without = counts["template"] + counts["none"]
    if mode == "template":
        return ["captions are not used, every image has the template's text."]
    notes = ["every image has the caption of another image of its part."] if mode == "shuffled" else []
    return notes + ([f"{without} of {sum(counts.values())} images have no caption ({counts['template']} take the "
                     "dataset's template)."] if without else [])


def random_starts(weights: dict[str, dict[str, Any]]) -> list[str]:
    """One line for each set of starting weights with a random part, naming the methods; ``weights`` by title."""
    lines: dict[str, list[str]] = {}
    for title, own in weights.items():
        parts = {name: value for name, value in own.items() if name.endswith("_weights")}
        if "random" in parts.values():
            lines.setdefault(", ".join(f"{name}: {value}" for name, value in parts.items()), []).append(title)
    return [f"{', '.join(titles)} {'starts' if len(titles) == 1 else 'start'} from {what}."
            for what, titles in lines.items()]


def choose_split(dataset: dict[str, Any], asked: str | None, preferred: str) -> str:
    """The split asked for; else the profile's where the dataset offers it, else the dataset's own."""
    if asked is not None:
        return asked  # checked when the dataset is opened, which knows its lists
    offered = {"paper", *dataset.get("splits", {})} if dataset["layout"] == "folder" else {dataset["default_split"]}
    return preferred if preferred in offered else dataset["default_split"]


def _datasets(suite: dict[str, Any], offered: Sequence[str]) -> list[str]:
    # A suite's own datasets as far as the profile has them, or nobody needs to fetch them; else the profile's.
    wanted = [name for name in suite.get("datasets", ())
              if name in offered or load_dataset_config(name)["layout"] == "synthetic"]
    return wanted or list(offered)
