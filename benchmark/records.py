"""What finished cells leave behind, and the store that keeps it: plain JSON, atomic files, no torch.

A record holds everything that a table, figure or page needs, unrounded. It is written last and in one rename,
so "the file exists and its checksum fits" is what *done* means. Nothing here knows how a cell is run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from benchmark.errors import StoreError
from benchmark.json_text import parse

T = TypeVar("T")
SCHEMA = 1
RECORD_FILE = "record.json"
PER_IMAGE_FILE = "per_image.jsonl"
FAILURE_FILE = "failure.json"
DETAILS_FILE = "details.jsonl"
"""What became of each target (see ``benchmark.metrics.errors``)."""
COUNTS_CHECKSUM = "per_image_sha256"
"""In ``record.json``, beside the record: sha256 of the per-image counts that belong to it."""
MAPS_FOLDER = "maps"
"""Score maps of a few test images, 8-bit PNG, in the cell's folder."""
IMAGES_FOLDER = "images"
"""Those test images and their masks, in the store's root, by data fingerprint."""
LONGEST_SLOT = 240  # bytes; file systems allow 255 in a name
AUDITS_FOLDER = "audits"
"""Near-duplicates of training images among test images, in the store's root, by data fingerprint."""


class Status(str, Enum):
    """Everything a cell can be; nothing else is ever printed or stored as a status."""

    DONE = "done"
    FAILED = "failed"
    STALE = "stale"
    PENDING = "pending"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class CellKey:
    """The place of a cell in the grid; two configs of one key are versions of the same cell."""

    method: str
    dataset: str
    split: str
    profile: str
    seed: int

    @property
    def slot(self) -> str:
        """Folder name of the cell, the same for every version of its config; a split may be a path, a slot never is."""
        parts = (self.method, self.dataset, self.split, self.profile, f"s{self.seed}")
        slot = "__".join(re.sub(r"[^\w.+-]+", "-", part).strip("-.") for part in parts)
        if len(slot.encode()) <= LONGEST_SLOT:
            return slot
        return f"{slot[:LONGEST_SLOT // 8]}-{hashlib.sha256(slot.encode()).hexdigest()[:16]}"

    @classmethod
    def from_dict(cls, data: Any) -> CellKey:
        """The key with these fields. Raises ``ValueError`` for others, or of other types."""
        return _from_fields(cls, data)

    def __str__(self) -> str:
        return f"{self.method} / {self.dataset} / seed {self.seed}"


@dataclass(frozen=True)
class Metric:
    """One measured number, unrounded, with its 95 % interval."""

    value: float | None
    """None where the metric is undefined; ``reason`` then says why."""
    low: float | None = None
    high: float | None = None
    reason: str = ""

    @classmethod
    def from_dict(cls, data: Any) -> Metric:
        """The metric with these fields. Raises ``ValueError`` for others, or of other types."""
        return _from_fields(cls, data)


@dataclass(frozen=True)
class Record:
    """Everything a finished cell leaves. All fields hold JSON types only; NaN is not allowed anywhere.

    ``metrics`` has the keys of ``benchmark.metrics.summary.summarise`` (fractions in [0, 1]; false alarms per
    million pixels) and ``pixel_auc``, ``target_auc``, ``target_pauc``. ``roc`` holds equally long lists
    ``thresholds, tpr, fpr, pd, fa``. ``cost``: parameters, trainable parameters, MACs, milliseconds an image,
    seconds, peak memory in MiB. ``training``: epochs, chosen epoch, selection rule, curve. ``provenance``: git,
    versions, hardware, data and weights fingerprints, times, command.
    """

    id: str
    key: CellKey
    config: dict[str, Any]
    metrics: dict[str, Metric]
    roc: dict[str, list[float]] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON types, with the schema number and a checksum over everything else."""
        body = {"schema": SCHEMA} | asdict(self)
        return body | {"checksum": _checksum(body)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """The record that ``to_dict`` described. Raises ``StoreError`` for another schema or a wrong checksum."""
        if not isinstance(data, Mapping):
            raise StoreError(f"record is a {type(data).__name__}, not an object")
        body = {name: value for name, value in data.items() if name not in ("checksum", COUNTS_CHECKSUM)}
        if body.pop("schema", None) != SCHEMA:
            raise StoreError(f"record has schema {data.get('schema')!r}, this version reads {SCHEMA}")
        try:
            if data.get("checksum") != _checksum({"schema": SCHEMA} | body):
                raise StoreError("record does not fit its checksum; it was edited or damaged")
            metrics, key = body.get("metrics"), CellKey.from_dict(body.get("key"))
            if not isinstance(metrics, Mapping):
                raise ValueError("it has no metrics")
            record = _from_fields(cls, body | {"key": key, "metrics": {
                name: Metric.from_dict(metric) for name, metric in metrics.items()}})
            if not all(isinstance(values, list) for values in record.roc.values()) or len(
                    {len(values) for values in record.roc.values()}) > 1:
                raise ValueError("its roc holds no lists of one length")
            return record
        except (ValueError, RecursionError) as error:
            raise StoreError(f"record is none of this version: {error}") from error


@dataclass(frozen=True)
class Failure:
    """Why the last attempt at a cell ended without a record."""

    id: str
    error: str
    """One line for the table's footnote and the closing summary."""
    traceback: str = ""
    attempts: int = 1

    @classmethod
    def from_dict(cls, data: Any) -> Failure:
        """The failure with these fields. Raises ``ValueError`` for others, or of other types."""
        return _from_fields(cls, data)


@dataclass(frozen=True)
class Outcome:
    """How one cell of a suite stands."""

    key: CellKey
    status: Status
    reason: str = ""
    """Why it failed, was skipped or is stale; empty for done and pending."""
    record: Record | None = None
    folder: Path | None = None
    """Where the cell lies, with its per-image counts and maps; None where nobody looked."""

    def shown_as(self, key: CellKey) -> Outcome:
        """The same outcome at the place ``key`` of a suite's grid."""
        record = None if self.record is None else replace(self.record, key=key)
        return replace(self, key=key, record=record)


@dataclass(frozen=True)
class SuiteResult:
    """A suite and the state of its cells: all that reports are made from.

    ``suite`` is the resolved suite config: ``name, title, caption, published`` (key in ``published.yaml`` or None),
    ``metrics`` (ordered metric names), ``methods`` and ``datasets`` (ordered lists of dicts with ``name, title``
    and, for methods, ``type, reconstruction``; for datasets, ``real``), ``seeds``, ``profile``, ``protocol``,
    ``notes`` (lines that must stand on every table, such as the demonstration notice). Reports also read, where they
    are there, ``kind``, ``recipe``, ``row_head`` (head of the types' column), ``ranked`` (whether values of a column
    compete), ``figures`` (names, in order) and ``images`` (ids by dataset that the qualitative figures show).
    """

    suite: dict[str, Any]
    outcomes: list[Outcome]
    comparisons: list[dict[str, Any]] = field(default_factory=list)
    """Paired comparisons with the best of each column, as ``benchmark.analysis.comparison.compare`` gives them."""
    behind: list[Outcome] = field(default_factory=list)
    """Outcomes of the cells from which ``outcomes`` were derived; empty where nothing was."""

    def records(self) -> list[Record]:
        """Records of the cells that are done, in the order of the suite."""
        return [outcome.record for outcome in self.outcomes if outcome.record is not None]

    def cell_records(self) -> list[Record]:
        """Records of the cells themselves, each once, whatever is derived from them and how often they are shown."""
        found = [outcome.record for outcome in self.behind or self.outcomes if outcome.record is not None]
        return list({(record.id, record.key.seed, record.provenance.get("finished")): record
                     for record in reversed(found)}.values())[::-1]


def map_files(folder: Path) -> dict[str, Path]:
    """Score maps that a cell keeps in its folder: image id → 8-bit PNG, in order of id."""
    return {path.stem: path for path in sorted((folder / MAPS_FOLDER).glob("*.png")) if not path.suffixes[:-1]}


class RecordStore:
    """Cells on disk: ``<root>/cells/<slot>/record.json`` and its neighbours.

    Raises:
        StoreError: If the folder cannot be created or written; the message says what to do.
    """

    def __init__(self, root: Path, *, writable: bool = True) -> None:
        self.root = Path(root)
        if writable:
            self._require_writable()

    def folder(self, key: CellKey) -> Path:
        """Where everything of this cell lies; not created here."""
        return self.root / "cells" / key.slot

    def get(self, key: CellKey) -> Record | None:
        """The cell's record whatever its id, or None.

        A damaged one is set aside as ``record.json.damaged``, and so is a whole one whose per-image counts are damaged.
        """
        path, counts = self.folder(key) / RECORD_FILE, self.folder(key) / PER_IMAGE_FILE
        try:
            content = parse(path.read_text(encoding="utf-8"))
            record = Record.from_dict(content)
            if COUNTS_CHECKSUM in content and _sha256(counts) != content[COUNTS_CHECKSUM]:
                set_aside(counts)
                raise StoreError("per-image counts do not fit the record")
            return record
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, StoreError):
            set_aside(path)
            return None

    def put(self, record: Record, per_image: Iterable[Mapping[str, Any]] = ()) -> None:
        """Keep a finished cell: per-image counts first, the record last, each in one rename."""
        folder = self.folder(record.key)
        lines = "".join(json.dumps(row, allow_nan=False) + "\n" for row in per_image)
        write_atomically(folder / PER_IMAGE_FILE, lines)
        content = record.to_dict() | {COUNTS_CHECKSUM: hashlib.sha256(lines.encode()).hexdigest()}
        write_atomically(folder / RECORD_FILE, json.dumps(content, indent=1, allow_nan=False) + "\n")
        (folder / FAILURE_FILE).unlink(missing_ok=True)

    def discard_work(self, key: CellKey) -> None:
        """Forget checkpoints, score maps and failures of a cell; its record stays until a new one replaces it."""
        for path in (*self.folder(key).glob("train-*"), *self.folder(key).glob("scores-*")):
            shutil.rmtree(path, ignore_errors=True)
        (self.folder(key) / FAILURE_FILE).unlink(missing_ok=True)

    def per_image(self, key: CellKey) -> list[dict[str, Any]]:
        """The per-image counts of a cell, in test order; empty when there are none."""
        return read_lines(self.folder(key) / PER_IMAGE_FILE)

    def get_failure(self, key: CellKey) -> Failure | None:
        """Why the last attempt failed, or None when there was none since the last success."""
        try:
            return Failure.from_dict(parse((self.folder(key) / FAILURE_FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None

    def put_failure(self, key: CellKey, failure: Failure) -> None:
        """Keep the reason of a failed attempt beside whatever the cell had before."""
        write_atomically(self.folder(key) / FAILURE_FILE, json.dumps(asdict(failure), indent=1) + "\n")

    def outcome(self, key: CellKey, cell_id: str) -> Outcome:
        """Status of a cell whose resolved config, data and weights have the identity ``cell_id``."""
        record, folder = self.get(key), self.folder(key)
        if record is not None and record.id == cell_id:
            return Outcome(key, Status.DONE, record=record, folder=folder)
        failure = self.get_failure(key)
        if failure is not None and failure.id == cell_id:
            return Outcome(key, Status.FAILED, failure.error, folder=folder)
        if record is not None:
            return Outcome(key, Status.STALE, "config, data or weights changed since this cell was run", folder=folder)
        return Outcome(key, Status.PENDING, folder=folder)

    def kept(self, key: CellKey) -> Outcome:
        """What lies in a cell's folder, whatever its identity: for reports made where data and weights are not."""
        record, folder = self.get(key), self.folder(key)
        if record is not None:
            return Outcome(key, Status.DONE, record=record, folder=folder)
        failure = self.get_failure(key)
        if failure is not None:
            return Outcome(key, Status.FAILED, failure.error, folder=folder)
        return Outcome(key, Status.PENDING, folder=folder)

    def next_order(self, method: str) -> int:
        """A number above that of every record of the method: which came last must not depend on clocks."""
        found = [0]
        for path in (self.root / "cells").glob(f"{method}__*/{RECORD_FILE}"):
            with contextlib.suppress(ValueError, StoreError, OSError):
                found.append(Record.from_dict(json.loads(path.read_text(encoding="utf-8"))).provenance.get("order", 0))
        return 1 + max(found)

    def recorded(self) -> list[CellKey]:
        """Keys of all records, in order of their folders' names."""
        found = []
        for path in sorted((self.root / "cells").glob(f"*/{RECORD_FILE}")):
            with contextlib.suppress(ValueError, KeyError, TypeError, OSError):
                found.append(CellKey.from_dict(parse(path.read_text(encoding="utf-8"))["key"]))
        return found

    def _require_writable(self) -> None:
        try:
            (self.root / "cells").mkdir(parents=True, exist_ok=True)
            probe = temporary_neighbour(self.root / "write-test")
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise StoreError(
                f"cannot write to work folder {self.root}: {error.strerror}; choose another with --work-dir"
            ) from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines; empty when there is none, a line cut off by a kill left out."""
    found = []
    for line in path.read_bytes().split(b"\n") if path.is_file() else []:
        with contextlib.suppress(ValueError):
            found.append(parse(line))
    return [row for row in found if isinstance(row, dict)]


def write_atomically(path: Path, text: str) -> None:
    """Write a whole file or nothing: temporary neighbour, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_neighbour(path)
    try:
        with temporary.open("w", encoding="utf-8", errors="replace") as file:  # bytes of a name that are no text
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_neighbour(path: Path) -> Path:
    """A name beside ``path`` that is this process's own, also among machines that share the folder."""
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")


def _from_fields(cls: type[T], data: Any) -> T:
    # The object with these fields, of the types that its class names.
    hints = get_type_hints(cls)
    if not isinstance(data, Mapping) or not data.keys() <= hints.keys():
        raise ValueError(f"{cls.__name__.lower()} holds no object with fields of {', '.join(hints)}")
    for name, value in data.items():
        hint = hints[name]
        kinds = (get_origin(hint),) if get_origin(hint) is dict else get_args(hint) or (hint,)  # of X | None both
        if isinstance(value, bool) or not isinstance(value, kinds + (int,) * (float in kinds)):
            raise ValueError(f"{cls.__name__.lower()} has a {type(value).__name__} as {name}")
    try:
        return cls(**data)
    except TypeError as error:  # one without a default is absent
        raise ValueError(str(error)) from error


def _checksum(body: Mapping[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def set_aside(path: Path) -> None:
    """Rename a damaged file to ``<name>.damaged``, so that it is made anew and can still be looked at."""
    with contextlib.suppress(OSError):  # on a read-only store it is ignored all the same
        path.replace(path.with_name(path.name + ".damaged"))
