"""Where each number comes from, as plain facts that every format prints alike; nothing here touches a metric."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from benchmark.records import Record, SuiteResult

UNKNOWN = "–"
AUTHORS = "authors'"


def origins(result: SuiteResult) -> list[dict[str, Any]]:
    """One dict of JSON types for each finished cell, in the order of the suite.

    Texts that a record lacks are ``UNKNOWN``. ``config`` is a hash of the resolved config alone, ``id`` one of config,
    data and starting weights together.
    """
    methods = {method["name"]: row_title(method, result.suite) for method in result.suite["methods"]}
    datasets = {dataset["name"]: dataset for dataset in result.suite.get("parts", result.suite["datasets"])}
    return [_origin(record, methods[record.key.method], datasets[record.key.dataset], result.suite["protocol"])
            for record in result.cell_records()]


def place_origins(result: SuiteResult) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The same for each place of the table that has a value, by (row, column), seeds together."""
    datasets = {dataset["name"]: dataset for dataset in result.suite["datasets"]}
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in result.records():
        origin = _origin(record, record.key.method, datasets[record.key.dataset], result.suite["protocol"])
        found.setdefault((record.key.method, record.key.dataset), []).append(origin)
    return found


def full_title(dataset: dict[str, Any]) -> str:
    """Title of a column outside its table: with its dataset."""
    own, title = dataset.get("dataset", ""), dataset["title"]
    return title if own in title else f"{own}, {title}"


def row_title(method: dict[str, Any], suite: dict[str, Any]) -> str:
    """Title of a row outside its table: with its type where that tells rows of one method apart."""
    head = suite.get("row_head", "Type")
    return method["title"] if head in ("Type", "Test images") else f"{method['title']} ({method['type']})"


def marked_title(method: dict[str, Any]) -> str:
    """A row's title where it stands alone, as in a legend: a reconstruction wears its dagger there too."""
    return method["title"] + "†" * bool(method.get("reconstruction"))


def commit_of(record: Record) -> str:
    """Ten digits of the commit, with a plus sign where the tree had uncommitted changes."""
    git = record.provenance.get("git", {})
    return (git.get("commit") or UNKNOWN)[:10] + ("+" if git.get("dirty") else "")


def newest_date(result: SuiteResult) -> str:
    """Day on which the newest record was finished, empty without one: a report has no other date."""
    return max((record.provenance.get("finished", "")[:10] for record in result.records()), default="")


def recipe_of(record: Record) -> str:
    """Whose recipe trained the cell: the method's authors' or the common one; unknown of what is not trained."""
    return record.config.get("recipe", AUTHORS) if record.training else UNKNOWN


def precision_of(record: Record) -> str:
    """What the network ran in where that is not float32, as in ``'bfloat16'``; empty otherwise."""
    return record.config.get("model", {}).get("autocast") or ""


def has_random_part(record: Record) -> bool:
    """Whether a part of the method that may be pre-trained started from random weights."""
    weights = record.provenance.get("weights", {})
    return any(value == "random" for name, value in weights.items() if name.endswith("_weights"))


def _weights(weights: dict[str, Any]) -> str:
    named = [f"{name.removesuffix('_weights')} {value}" for name, value in weights.items() if name.endswith("_weights")]
    shown = " ".join(filter(None, [weights.get("kind"), weights.get("name")]))
    return (f"{shown}: {', '.join(named)}" if named else shown) or UNKNOWN


def _origin(record: Record, method: str, dataset: dict[str, Any], protocol: str) -> dict[str, Any]:
    origin = record.provenance
    data, weights = origin.get("data", {}), origin.get("weights", {})
    return {
        "method": method, "dataset": full_title(dataset), "data": "real" if data.get("real", dataset["real"])
        else "synthetic", "split": record.config.get("split", record.key.split), "seed": record.key.seed,
        "id": record.id, "config": _hash(record.config), "fingerprint": data.get("fingerprint") or UNKNOWN,
        "protocol": record.config.get("evaluation", {}).get("protocol", protocol),
        "weights": _weights(weights), "recipe": recipe_of(record),
        "epochs": _epochs(record.training),
        "device": ", ".join(filter(None, [origin.get("device") or UNKNOWN, precision_of(record)])),
        "commit": commit_of(record), "machine": _machine(record), "software": _software(record),
        "started": origin.get("started") or UNKNOWN, "finished": origin.get("finished") or UNKNOWN,
        "command": origin.get("command") or UNKNOWN,
    }


def _hash(config: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:12]


def _epochs(training: dict[str, Any] | None) -> str:
    if not training:
        return UNKNOWN
    chosen, selection = training.get("epoch"), training.get("selection")
    of = f"{chosen} of {training.get('epochs')}" if chosen is not None else str(training.get("epochs", UNKNOWN))
    return f"{of}, {selection}" if selection else of


def _machine(record: Record) -> str:
    hardware = record.provenance.get("hardware", {})
    gpu = hardware.get("gpu") or []
    threads = record.provenance.get("threads")
    return ", ".join(filter(None, [
        hardware.get("cpu"), f"{hardware['cores']} cores" if hardware.get("cores") else "",
        f"{hardware['memory_gb']} GB" if hardware.get("memory_gb") else "",
        gpu if isinstance(gpu, str) else ", ".join(gpu) or "no GPU",
        f"{threads} {'thread' if threads == 1 else 'threads'} a cell" if threads else ""]))


def _software(record: Record) -> str:
    return ", ".join(f"{name} {version}" for name, version in record.provenance.get("versions", {}).items()) or UNKNOWN
