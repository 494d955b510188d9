"""What this project measured: the records under ``reports/measured``, grouped over seeds, ready to print."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark import configs
from benchmark.docs_pages.markdown import table
from benchmark.docs_pages.sources import PROJECT
from benchmark.errors import StoreError
from benchmark.grid import rows_of
from benchmark.records import RECORD_FILE, CellKey, Outcome, Record, Status
from reports.metric_styles import STYLES, metric_head
from reports.origin import commit_of, precision_of, recipe_of
from reports.tables import value_of

FOLDER = PROJECT / "reports" / "measured"
METRICS = ("iou", "niou", "pd", "fa")


@functools.cache
def variants() -> dict[str, str]:
    """What the suites call their variants of methods, by the method's part of a cell's key."""
    suites = [configs.load("suites", name)["suite"] for name in configs.known("suites")]
    named = [(suite, [entry["name"] for entry in suite.get("methods", ()) if not isinstance(entry, str)])
             for suite in suites]
    return {row.method: row.title for suite, names in named if names for row in rows_of(suite, names, ())
            if row.settings}


@dataclass(frozen=True)
class Run:
    """One method on one dataset in one setting, all seeds together."""

    folder: str
    """Below ``reports/measured``."""
    method: str
    dataset: str
    records: tuple[Record, ...]

    @property
    def title(self) -> str:
        """The method's name, with what is changed in a variant of it."""
        title, changed = self.records[0].config["method"]["title"], variants().get(self.method, "")
        return title if changed in ("", title) else f"{title}, {changed}"

    @property
    def base(self) -> str:
        """The method that this is, or is a variant of."""
        return self.method.partition("+")[0]

    @property
    def marked(self) -> str:
        """The name with a dagger where the method was rebuilt from its paper alone."""
        return self.title + "†" * bool(self.records[0].config["method"]["reconstruction"])

    @property
    def dataset_title(self) -> str:
        """The dataset's name, with the condition under which it was tested."""
        title, condition = self.records[0].config["dataset"]["title"], self.dataset.partition("+")[2]
        return f"{title}, {condition}" if condition else title

    @property
    def real(self) -> bool:
        """Whether the images are real."""
        return bool(self.records[0].config["dataset"]["real"])

    @property
    def own_lists(self) -> bool:
        """Whether the split is one of a user's own lists, which nobody else's figure can stand beside."""
        record = self.records[0]
        return record.key.split not in {"paper", *record.config["dataset"].get("splits", {})}

    def value(self, metric: str) -> str:
        """The metric as reports print it: with its interval, or with the standard deviation over seeds."""
        value = value_of(metric, [Outcome(record.key, Status.DONE, record=record) for record in self.records], [])
        return f"{value.text} {value.interval}".strip()


def read_runs(folder: Path = FOLDER) -> list[Run]:
    """All runs, in order of folder, dataset and method. Raises ``StoreError`` for a record that cannot be read."""
    found: dict[tuple[str, CellKey], list[Record]] = {}
    for path in sorted(folder.rglob(f"cells/*/{RECORD_FILE}")):
        try:
            record = Record.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, StoreError) as error:
            raise StoreError(f"{path}: {error}") from error
        name = path.parents[2].relative_to(folder).as_posix()
        found.setdefault((name, replace(record.key, seed=0)), []).append(record)
    runs = [Run(name, key.method, key.dataset, tuple(sorted(records, key=lambda record: record.key.seed)))
            for (name, key), records in found.items()]
    return sorted(runs, key=lambda run: (run.folder, run.dataset, run.method))


def result_table(runs: Iterable[Run]) -> str:
    """Figures of the runs with what each was trained on, as Markdown."""
    heads = [metric_column(metric) for metric in METRICS]
    return table(("method", "records", "set, split", "profile", *heads, "training"),
                 [(run.marked, run.folder, f"{run.dataset_title}, {run.records[0].key.split}",
                   run.records[0].key.profile, *(run.value(metric) for metric in METRICS), training(run.records))
                  for run in runs], "llllrrrrl")


def origin_table(runs: Iterable[Run]) -> str:
    """Where the figures of the runs come from: a line for each record."""
    return table(("method", "set", "seed", "finished (UTC)", "commit", "machine", "cell", "command"),
                 [(run.title, run.dataset_title, record.key.seed, record.provenance.get("finished", "–"),
                   commit_of(record), _machine(record), f"`{record.id}`", f"`{record.provenance.get('command', '–')}`")
                  for run in runs for record in run.records])


def training(records: Sequence[Record]) -> str:
    """How long the records were trained, on what size, by whose recipe; ``'none'`` for methods that do not train."""
    trained = [record for record in records if record.training]
    if not trained:
        return "none"
    epochs = _listed(record.training.get("epochs") for record in trained)
    sizes = _listed("×".join(map(str, record.config["view"]["size"])) for record in trained)
    seconds = [record.cost.get("train_seconds") for record in trained]
    minutes = f", {sum(seconds) / len(seconds) / 60:.0f} min" if all(seconds) else ""
    precision = "".join(f", {name}" for name in sorted({precision_of(record) for record in trained}) if name)
    return (f"{epochs} epochs at {sizes}{minutes}{precision}, {_listed(recipe_of(record) for record in trained)} "
            f"recipe, {_listed(record.training.get('selection') for record in trained)} epoch")


def _listed(values: Iterable[object]) -> str:
    return " and ".join(str(value) for value in Counter(values))


def metric_column(metric: str) -> str:
    """Head of a metric's column: its name, its direction and its unit."""
    return f"{metric_head(metric)} ({STYLES[metric].unit})"


def _machine(record: Record) -> str:
    hardware, threads = record.provenance.get("hardware", {}), record.provenance.get("threads")
    gpu = hardware.get("gpu") or "no GPU"
    counted = [f"{count} {what}{'s' * (count != 1)}" for count, what in ((hardware.get("cores"), "core"),
                                                                         (threads, "thread")) if count]
    return ", ".join([*counted, gpu if isinstance(gpu, str) else ", ".join(gpu)])
