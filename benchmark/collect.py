"""From a store of records to the results of suites, without data, weights or a network: what ``report.py`` shows.

Which data lay behind a record cannot be checked here, so that no cell is *stale*: a record in the folder of a cell is
its result. ``run.py`` makes the same reports with every identity checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark import configs
from benchmark.analysis.comparison import compare
from benchmark.analysis.derived import derive
from benchmark.datasets.catalog import known_datasets
from benchmark.datasets.leaks import read_leaks
from benchmark.errors import StoreError
from benchmark.records import CellKey, Outcome, Record, RecordStore, Status, SuiteResult
from benchmark.suites import Layout, Selection, lay_out, random_starts


def finish(suite: dict[str, Any], outcomes: list[Outcome], root: Path) -> SuiteResult:
    """The result as reports take it: what is derived from several cells, and paired comparisons, are added."""
    result = derive(SuiteResult(suite, outcomes), lambda fingerprint: read_leaks(root, fingerprint))
    return replace(result, comparisons=compare(result))


def collect(suite: dict[str, Any], store: RecordStore, selection: Selection) -> SuiteResult:
    """The suite's result from the records of the store. What is not there is pending.

    The datasets shown are those asked for, else those of the suite that have records, else the suite's own; splits
    are those of the records, seeds those of the records of its methods.
    """
    keys = [key for key in store.recorded() if key.profile == selection.profile]
    layout = lay_out(suite, _with_recorded(suite, selection, keys))
    if selection.seeds is None:
        methods = {row.method for row in layout.rows}
        layout = replace(layout, seeds=sorted({key.seed for key in keys if key.method in methods}) or layout.seeds)
    outcomes = [store.kept(place.cell).shown_as(place.shown) for place, _, _ in layout.places()]
    absent = {row.name: row.absence for row in layout.rows if row.absence}
    outcomes = [outcome if outcome.record or outcome.key.method not in absent
                else replace(outcome, status=Status.SKIPPED, reason=absent[outcome.key.method])
                for outcome in outcomes]
    records = [outcome.record for outcome in outcomes if outcome.record is not None]
    described = layout.describe() | {"notes": layout.notes() + _notes(layout, records)}
    recipes = sorted({record.config.get("recipe", "authors") for record in records if record.training})
    if recipes:
        described["recipe"] = " and ".join(recipes)
    protocols = {record.config.get("evaluation", {}).get("protocol") for record in records} - {None}
    if len(protocols) == 1 and layout.kind != "protocols":
        described["protocol"] = protocols.pop()
    return finish(described, outcomes, store.root)


def choose_profile(store: RecordStore) -> str:
    """The profile of most records, the first by name of several. Raises ``StoreError`` for an empty store."""
    counts = Counter(key.profile for key in store.recorded())
    if not counts:
        raise StoreError(f"{store.root}/cells holds no records; run a suite first, or copy cells there")
    return min(counts, key=lambda name: (-counts[name], name))


def _with_recorded(suite: dict[str, Any], selection: Selection, keys: Sequence[CellKey]) -> Selection:
    offered = configs.load("profiles", selection.profile)["profile"]["datasets"]
    recorded = dict.fromkeys(key.dataset.split("+")[0] for key in keys)
    known = [name for name in offered if name in recorded] or [name for name in known_datasets() if name in recorded]
    own = [name for name in suite.get("datasets", ()) if name in offered or name in known] or None
    datasets = selection.datasets or [name for name in own or known if name in recorded] or own
    splits = Counter(key.split for key in keys if not datasets or key.dataset.split("+")[0] in datasets)
    return replace(
        selection, datasets=datasets or None,
        split=selection.split or (splits.most_common(1)[0][0] if splits and _one_split(keys, datasets) else None))


def _one_split(keys: Sequence[CellKey], datasets: Sequence[str] | None) -> bool:
    # Splits of different datasets have different names; only where all agree one is forced upon all.
    return len({key.split for key in keys if not datasets or key.dataset.split("+")[0] in datasets}) == 1


def _notes(layout: Layout, records: Sequence[Record]) -> list[str]:
    titles = {row.name: row.title for row in layout.rows}
    return random_starts({titles[record.key.method]: record.provenance.get("weights", {}) for record in records})
