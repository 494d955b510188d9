"""Where a number comes from: code, versions, machine, times. Everything that a reader needs to doubt it properly."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
CODE = ("baselines", "benchmark", "configs", "models", "reports/*.py")
PACKAGES = ("torch", "torchvision", "mmengine", "mmsegmentation", "mmcv-lite", "mmcv", "numpy", "scipy",
            "opencv-python", "scikit-learn", "segment-anything", "open-clip-torch", "peft", "timm")


@functools.cache
def git_state() -> dict[str, Any]:
    """``{'commit': 40 hex digits or None, 'dirty': bool or None}`` of the project's checkout; None outside one.

    Dirty is what git keeps and somebody changed, and a new file among the code; not images and results of one's own.
    """
    commit = _git("rev-parse", "HEAD")
    changed, new = _git("status", "--porcelain", "--untracked-files=no"), _git("status", "--porcelain", "--", *CODE)
    return {"commit": commit, "dirty": None if changed is None or new is None else bool(changed or new)}


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that can change a number; imports none of them."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def hardware() -> dict[str, Any]:
    """``cpu`` (model), ``cores`` usable, ``memory_gb``, ``gpu`` (list of names, empty without one)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": _cpu_model(), "cores": cores, "memory_gb": _memory_gb(), "gpu": gpus()}


@functools.cache
def gpus() -> list[str]:
    """Names of the CUDA devices that this process may use, found without torch; empty when there is none."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return []
    try:
        listed = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True,
                                text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    names = [line.strip() for line in listed.splitlines() if line.strip()]
    entries = [entry.strip() for entry in visible.split(",")] if visible else []
    if entries and all(entry.isdigit() for entry in entries):
        return [names[int(entry)] for entry in entries if int(entry) < len(names)]
    return names[: len(entries)] if entries else names


def now() -> str:
    """UTC time in ISO 8601, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def command() -> str:
    """The command line of this process, ready to be pasted."""
    return shlex.join(["python", *sys.argv])


def _git(*arguments: str) -> str | None:
    try:
        result = subprocess.run(["git", "-C", str(PROJECT), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (OSError, ValueError):
        return None
