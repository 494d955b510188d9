"""Hashes of file contents, remembered by path, size and times, so that a second look costs a stat instead of a read.

Times are only compared for being the same, never for which is later.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from benchmark.errors import DataError
from benchmark.json_text import parse
from benchmark.records import set_aside, write_atomically


def file_hashes(paths: Iterable[Path]) -> dict[Path, str]:
    """sha256 of each file's content. Raises ``DataError`` naming a file that cannot be read."""
    cache = _read_cache()
    found, fresh = {}, {}
    for path in paths:
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
                raise DataError(f"{path}: not a file")
            # The time of change too: copying and unpacking set the other one to whatever the original had.
            key = f"{path.absolute()}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}"
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
    except (ValueError, TypeError, KeyError):
        set_aside(_cache_file())
    except (OSError, RuntimeError):
        pass
    return {}


@functools.lru_cache(maxsize=1)
def _parsed(path: Path, changed: int) -> dict[str, str]:
    # A suite asks for every cell that names weights; the file holds a line for each image of every dataset.
    content = parse(path.read_text(encoding="utf-8"))
    if _checksum(content["hashes"]) != content["checksum"]:
        raise ValueError("checksum")
    return content["hashes"]


def _write_cache(cache: dict[str, str]) -> None:
    # A cache that cannot be written costs time, never a result.
    with contextlib.suppress(OSError, RuntimeError):
        write_atomically(_cache_file(), json.dumps({"checksum": _checksum(cache), "hashes": cache}))


def _checksum(cache: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(cache, sort_keys=True).encode()).hexdigest()
