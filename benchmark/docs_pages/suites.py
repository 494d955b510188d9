"""Pages of suites, from their configs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark import configs
from benchmark.docs_pages.markdown import render, table
from benchmark.docs_pages.sources import docstring, method
from benchmark.grid import SUITE_KINDS
from benchmark.suites import load_suite
from reports.metric_styles import metric_head

KINDS = {
    "grid": "methods × datasets", "figure": "methods × datasets, behind pictures", "average": "means over all datasets",
    "cross": "trained on one dataset, tested on all", "robustness": "a row a corruption, a column a severity",
    "scr": "a column a signal-to-clutter ratio", "protocols": "a row a counting protocol",
    "leakage": "with and without near-duplicates of training images",
}


def suite_pages() -> dict[str, tuple[str, str]]:
    """By file: the page and the suite's title."""
    return {f"suites/{name}.md": (_page(name, suite := load_suite(name)), suite["title"])
            for name in configs.known("suites")}


def _page(name: str, suite: Mapping[str, Any]) -> str:
    return render("suite.md.j2", name=name, suite=suite, about=docstring(configs.CONFIG_ROOT / "suites" / f"{name}.py"),
                  kind=KINDS[suite.get("kind", SUITE_KINDS[0])], rows=_rows(suite.get("methods", ())),
                  metrics=", ".join(metric_head(metric) for metric in suite.get("metrics", ())))


def _rows(entries: Sequence[str | Mapping[str, Any]]) -> str:
    rows = []
    for entry in entries:
        own = {"name": entry, "base": entry} if isinstance(entry, str) else entry
        title = own.get("title") or method(own["base"])["title"]
        changed = ", ".join(f"`{path}={value!r}`" for path, value in own.get("set", {}).items())
        rows.append((f"`{own['name']}`", title, f"[{own['base']}](../methods/{own['base']}.md)", changed or "–"))
    return table(("row", "title", "method", "changed values"), rows)
