"""Which image belongs to which part: list files as the field publishes them, and the paper's split by hash."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from benchmark.datasets.images import SUFFIXES
from benchmark.datasets.sample import PARTS
from benchmark.errors import ConfigError, DataError, unknown_name

PAPER = "paper"
PAPER_BOUNDS = (0.5, 0.8)  # 50 % train, 30 % validation, 20 % test (SAIST, section 4.1)
SHOWN = 5


def read_split_list(path: Path) -> list[str]:
    """Ids of a list file in its order: one a line, image suffixes removed; blank lines, CRLF and a BOM are survived.

    Raises:
        DataError: If the file is missing, not text, or names a path instead of an id.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such split list") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a text file that can be read as a split list") from error
    ids = []
    for line in text.splitlines():
        name = line.strip()
        if not name:
            continue
        if re.search(r"[/\\\x00]", name) or name in (".", ".."):
            raise DataError(f"{path}: {name!r} is a path, expected the id of an image")
        stem, _, suffix = name.rpartition(".")
        ids.append(stem if stem and f".{suffix.lower()}" in SUFFIXES else name)
    return ids


def paper_split(dataset: str, ids: Iterable[str], seed: int) -> dict[str, list[str]]:
    """``{'train', 'val', 'test'}`` by a hash of dataset, id and seed, 50/30/20 in expectation.

    An id's part depends on these three only: neither on the order of files nor on which other images there are.
    """
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for sample_id in sorted(ids, key=natural_order):
        place = _place(dataset, sample_id, seed)
        parts[PARTS[sum(place >= bound for bound in PAPER_BOUNDS)]].append(sample_id)
    return parts


def chosen_by_hash(dataset: str, ids: Sequence[str], count: int | None) -> list[str]:
    """``count`` of the ids, the same ones whatever else is asked, in their own order; None means all."""
    first = set(sorted(ids, key=lambda name: _place(dataset, name, 0))[:count])
    return [name for name in ids if name in first]


def listed_split(files: Mapping[str, Path], known: Collection[str]) -> dict[str, list[str]]:
    """Parts read from list files, ids brought to the form they have on disk and checked.

    Raises:
        DataError: Naming ids that are missing on disk, twice in a list, or in two lists.
    """
    lookup = _Lookup(known)
    parts = {part: [lookup.find(name) for name in read_split_list(path)] for part, path in files.items()}
    for part, path in files.items():
        missing = [name for name in parts[part] if name not in lookup.known]
        if missing:
            raise DataError(f"{path}: {_named(missing)} not among the {len(known)} images on disk")
        twice = [name for name, count in Counter(parts[part]).items() if count > 1]
        if twice:
            raise DataError(f"{path}: {_named(twice)} listed twice")
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        both = sorted(set(parts.get(first, ())) & set(parts.get(second, ())), key=natural_order)
        if both:
            raise DataError(f"{files[first]} and {files[second]}: {_named(both)} in both lists")
    return {part: parts.get(part, []) for part in PARTS}


def split_files(split: str, offered: Mapping[str, Mapping[str, str]], folder: Path) -> dict[str, Path]:
    """List file of each part, for the name of an offered split or for a path.

    A path is a folder with ``train*.txt``, ``test*.txt`` and perhaps ``val*.txt``, or a file that lists the test part.

    Raises:
        ConfigError: If the name is unknown and no such path exists.
    """
    if split in offered:
        return {part: folder / name for part, name in offered[split].items()}
    path = Path(split)
    with contextlib.suppress(OSError):  # too long for the name of a file, for one
        if path.is_file():
            return {"test": path}
        if path.is_dir():
            found = {part: sorted(path.glob(f"{part}*.txt")) for part in PARTS}
            if not found["test"] or any(len(files) > 1 for files in found.values()):
                raise ConfigError(f"--split {split}: expected one train*.txt, at most one val*.txt and one test*.txt "
                                  "there")
            return {part: files[0] for part, files in found.items() if files}
    if "/" in split:
        raise ConfigError(f"--split {split}: no such file or folder of lists")
    raise ConfigError(unknown_name("split", split, [*offered, PAPER]) + ", or the path of a folder of lists")


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """Sorting key under which ``XDU2`` comes before ``XDU10``."""
    pieces = re.findall(r"\d+|\D+", name)
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in pieces]


def _place(dataset: str, sample_id: str, seed: int) -> float:
    # In [0, 1), evenly, by this image alone.
    digest = hashlib.sha256(f"{dataset}/{sample_id}/{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


class _Lookup:
    """Finds an id on disk, exactly or, where that is unambiguous, with its leading zeros changed."""

    def __init__(self, known: Collection[str]) -> None:
        self.known = set(known)
        self.by_number: dict[str, list[str]] = {}
        for name in known:
            if name.isdecimal():
                self.by_number.setdefault(name.lstrip("0"), []).append(name)

    def find(self, name: str) -> str:
        if name in self.known or not name.isdecimal():
            return name
        same = self.by_number.get(name.lstrip("0"), [])
        return same[0] if len(same) == 1 else name


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"
