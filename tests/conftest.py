"""Fixtures shared by all tests. Nothing here imports torch unless a test asks for it."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[1]

if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    # Tests side by side, and all processes that they start, keep to a core each: threads that share one are far slower.
    _cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_cores[int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")) % len(_cores)]})


@pytest.fixture(scope="session")
def project() -> Path:
    """The repository root."""
    return PROJECT


@pytest.fixture(scope="session")
def real_data_root() -> Path:
    """Folder of the real datasets; skips the test, with the reason, where there is none."""
    root = Path(os.environ.get("IRSTD_DATA_ROOT", PROJECT / "data"))
    root = root if root.is_absolute() else PROJECT / root
    if not (root / "NUAA-SIRST").is_dir():
        pytest.skip(f"no real datasets under {root}; set IRSTD_DATA_ROOT")
    return root


@pytest.fixture(scope="session")
def stack() -> None:
    """torch, mmengine and mmseg, importable on this machine."""
    from benchmark.engine import compat

    compat.apply()


@pytest.fixture(scope="session")
def draw_weights() -> Callable[[Any], Any]:
    """Fills a network with weights that no version of torch and no initialisation changes; returns the generator."""
    return _draw_weights


def _draw_weights(net: Any) -> Any:
    import torch

    generator = torch.Generator().manual_seed(0)
    for name, value in sorted(net.state_dict().items()):
        if value.ndim > 1:
            value.copy_(torch.randn(value.shape, generator=generator) / value[0].numel() ** 0.5)
        elif name.endswith((".weight", "running_var")):
            value.fill_(1)
        elif value.is_floating_point():
            value.copy_(torch.randn(value.shape, generator=generator) / 10)
    return generator


@pytest.fixture(scope="session")
def read_wandb() -> Callable[[Path], dict]:
    """Reads the folder of a W&B run: ``run``, ``config``, ``history`` (a dict a step), ``summary``, ``artifacts``."""
    return _read_wandb


def _read_wandb(folder: Path) -> dict:
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.glob("run-*.wandb")
    found = {"config": {}, "history": [], "summary": {}, "artifacts": [], "exit": None}
    for content in _leveldb_log(path.read_bytes()):
        record = Record.FromString(content)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found["run"] = record.run
            found["config"] |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        elif kind == "config":
            found["config"] |= {item.key: json.loads(item.value_json) for item in record.config.update}
        elif kind == "history":
            found["history"].append({"/".join(item.nested_key) or item.key: json.loads(item.value_json)
                                     for item in record.history.item})
        elif kind == "summary":
            found["summary"] |= {"/".join(item.nested_key) or item.key: json.loads(item.value_json)
                                 for item in record.summary.update}
        elif kind == "request" and record.request.WhichOneof("request_type") == "log_artifact":
            found["artifacts"].append(record.request.log_artifact.artifact)
        elif kind == "artifact":
            found["artifacts"].append(record.artifact)
        elif kind == "exit":
            found["exit"] = record.exit.exit_code
    return found


def _leveldb_log(content: bytes):
    # W&B's run files are LevelDB logs behind a head of seven bytes: blocks of 32 KiB, parts with checksum, length and
    # kind. The package itself has no reader in Python any more.
    position, parts = 7, []
    while position + 7 <= len(content):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        parts.append(content[position + 7:position + 7 + length])
        position += 7 + length
        if kind in (1, 4):  # whole, or the last of several
            yield b"".join(parts)
            parts = []


@pytest.fixture(scope="session")
def report_store() -> ModuleType:
    """``tests/report_store.py``: fills a work folder with made-up records of every suite."""
    spec = importlib.util.spec_from_file_location("report_store", Path(__file__).with_name("report_store.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True, scope="session")
def _private_cache(tmp_path_factory: pytest.TempPathFactory):
    """Keep fingerprints of test files out of the user's cache."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before
