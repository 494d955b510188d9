"""Fixtures shared by all tests. Nothing here imports torch unless a test asks for it."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = Path(__file__).resolve().parents[1]


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
