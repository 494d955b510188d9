"""Bringing a dataset to disk: downloading what has a public address, and never leaving half of it behind."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from benchmark.errors import DataError

CHUNK = 1 << 16
ATTEMPTS = 5
Progress = Callable[[int, "int | None"], None]


def download(url: str, path: Path, sha256: str | None = None, progress: Progress = lambda done, total: None) -> None:
    """Fetch ``url`` into ``path``, resuming from ``path`` + ``.part`` where an earlier call stopped.

    Args:
        url: http or https.
        path: Appears whole or not at all.
        sha256: Expected hash of the content, or None.
        progress: Hears bytes so far and in all (None while unknown).

    Raises:
        DataError: If the address does not answer, the connection breaks again and again, or the hash differs; a file
            with a wrong hash is removed, a cut-off one stays for the next call.
    """
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _fetch(url, part, progress)
            break
        except (ValueError, http.client.InvalidURL) as error:
            raise DataError(f"{url}: not the address of a file ({error})") from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                raise DataError(f"{url}: the server answered {error.code} {error.reason}; fetch it by hand") from error
            if attempt == ATTEMPTS:
                reason = getattr(error, "reason", None) or error
                raise DataError(f"{url}: {reason}; run the same command again to go on from what is there") from error
    found = hashlib.sha256(part.read_bytes()).hexdigest()
    if sha256 is not None and found != sha256:
        part.unlink()
        raise DataError(f"{url}: sha256 is {found}, expected {sha256}; the download was removed")
    part.replace(path)


def unpack(archive: Path, target: Path, holds: str) -> None:
    """Unpack a zip so that ``target`` appears whole: the folder inside that has a ``holds`` subfolder becomes it.

    Raises:
        DataError: For a damaged archive, one without that folder, or paths that would leave the target.
    """
    temporary = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as content:
            needed = sum(member.file_size for member in content.infolist())
            free = shutil.disk_usage(archive.parent).free
            if needed > free:  # what a member claims is also the most that is read of it
                raise DataError(f"{archive}: holds {needed / 1e9:.1f} GB, the disk has {free / 1e9:.1f} GB left")
            for name in content.namelist():
                path = PurePosixPath(name)
                if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name:
                    raise DataError(f"{archive}: holds the path {name!r}, which leaves the folder; not unpacked")
            content.extractall(temporary)
        inside = [path.parent for path in sorted(temporary.rglob(holds)) if path.is_dir()]
        if not inside:
            raise DataError(f"{archive}: holds no folder {holds}/; is it the right file?")
        if target.exists():
            raise DataError(f"{target} exists already; move it away first")
        inside[0].replace(target)
    except DataError:
        raise
    except Exception as error:  # zipfile raises a dozen types for what is damaged, encrypted or named absurdly
        reason = "" if isinstance(error, zipfile.BadZipFile) else f" ({type(error).__name__})"
        raise DataError(f"{archive}: not a whole zip file that can be unpacked{reason}; remove it and try "
                        "again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fetch(url: str, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing left to send
            return
        raise
    with response:
        resumed = response.status == 206
        length = response.headers.get("Content-Length")
        done = have if resumed else 0
        total = done + int(length) if length else None
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                done += len(chunk)
                progress(done, total)
    if total is not None and done < total:
        raise OSError(f"connection closed after {done} of {total} bytes")
