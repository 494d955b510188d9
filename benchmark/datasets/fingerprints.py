"""Hashes of file contents, remembered by path, size and time, so that a second look costs a stat instead of a read."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from benchmark.errors import DataError


def file_hashes(paths: Iterable[Path]) -> dict[Path, str]:
    """sha256 of each file's content. Raises ``DataError`` naming a file that cannot be read."""
    cache = _read_cache()
    found, fresh = {}, {}
    for path in paths:
        try:
            status = path.stat()
            key = f"{path.absolute()}|{status.st_size}|{status.st_mtime_ns}"
            known = cache.get(key)
            if not isinstance(known, str):
                known = fresh[key] = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error
        found[path] = known
    if fresh:
        _write_cache(cache | fresh)
    return found


def _cache_file() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "saist-bench" / "fingerprints.json"


def _read_cache() -> dict[str, str]:
    try:
        path = _cache_file()
        return _parsed(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, RuntimeError):
        return {}


@functools.lru_cache(maxsize=1)
def _parsed(path: Path, changed: int) -> dict[str, str]:
    # A suite asks for every cell that names weights; the file holds a line for each image of every dataset.
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}


def _write_cache(cache: dict[str, str]) -> None:
    # A cache that cannot be written costs time, never a result.
    with contextlib.suppress(OSError, RuntimeError):
        path = _cache_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(cache), encoding="utf-8")
        temporary.replace(path)
