"""Who may import whom (DESIGN: the house stays clean only while a test reads its import graph)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

OURS = ("benchmark", "models", "baselines", "reports", "configs")
METRIC_LIBRARIES = {"numpy", "scipy", "sklearn", "cv2"}


def imports_of(path: Path) -> set[str]:
    """Dotted names that a file imports anywhere, function bodies included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files(project: Path, folder: str) -> list[Path]:
    found = sorted((project / folder).rglob("*.py"))
    assert found, f"{folder} holds no Python file: the rule would hold for nothing"
    return found


def test_reports_import_only_records_and_errors_of_the_benchmark(project):
    for path in files(project, "reports"):
        for name in imports_of(path):
            if name.split(".")[0] in OURS and not name.startswith("reports"):
                assert name.startswith(("benchmark.records", "benchmark.errors", "benchmark.cli")), f"{path}: {name}"


def test_metrics_import_only_numerical_libraries_the_adapter_apart(project):
    for path in files(project, "benchmark/metrics"):
        if path.name == "irstd_metric.py":
            continue
        for name in imports_of(path):
            top = name.split(".")[0]
            allowed = top in METRIC_LIBRARIES or top in sys.stdlib_module_names
            assert allowed or name.startswith("benchmark.metrics"), f"{path}: {name}"


@pytest.mark.parametrize("folder", ["models", "baselines"])
def test_models_and_baselines_never_import_the_harness(project, folder):
    for path in files(project, folder):
        for name in imports_of(path):
            assert name.split(".")[0] not in ("benchmark", "reports"), f"{path}: {name}"


def test_configs_import_nothing(project):
    for path in files(project, "configs"):
        assert not imports_of(path), path


@pytest.mark.parametrize("module", [
    "benchmark.run", "benchmark.schedule", "benchmark.suites", "benchmark.progress", "benchmark.records",
    "reports.build", "reports.study", "benchmark.report", "benchmark.data", "benchmark.evaluate", "benchmark.tune",
    "benchmark.tracking", "benchmark.tuning.pool", "benchmark.tuning.plan", "benchmark.tuning.progress",
    "benchmark.tuning.export", "benchmark.captioning.endpoint", "benchmark.captioning.review",
    "benchmark.schedule_ray", "benchmark.tuning.pool_ray",
])
def test_the_parent_process_never_imports_torch(project, module):
    code = f"import sys, {module}; print([name for name in ('torch', 'mmcv', 'mmseg', 'ray') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=project, check=True)
    assert result.stdout.strip() == "[]"
