"""What ``perf.py --json`` printed on the machines of this project, as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.docs_pages.markdown import render, table
from benchmark.docs_pages.sources import PROJECT
from benchmark.timing.tables import ABSENT, text_of

FOLDER = PROJECT / "reports" / "measured" / "speed-cpu"
HEADS = {
    "models": "What every network costs", "metrics": "Metrics", "ipi": "IPI", "train": "A training step",
    "loader": "Reading data", "startup": "Starting", "report": "Rebuilding the report of every suite",
    "jobs": "Cells side by side", "saist": "SAIST beside SAM + CLIP",
}
"""Heading of each subject, in the order of the page."""


def speed_page(folder: Path = FOLDER) -> str:
    """A section for each ``<subject>.json`` in the folder."""
    found = read(folder)
    sections = [{"subject": name, "head": head, "table": _table(name, found[name]["rows"]),
                 "origin": _origin(found[name]["provenance"])} for name, head in HEADS.items() if name in found]
    return render("speed.md.j2", sections=sections)


def read(folder: Path = FOLDER) -> dict[str, Any]:
    """What each file holds, by its subject."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def cost_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Size, work and speed of every network, beside what counting the official code gave."""
    return table(
        ("method", "parameters (M)", "official", "GMACs at 256×256", "official", "latency (ms)", "training (images/s)",
         "note"),
        [(_marked(row), _figure(row["parameters_M"], 3), _figure(row["official_M"], 3), _figure(row["gmacs"], 2),
          _figure(row["official_gmacs"], 2), _figure(row["latency_ms"], 0), _rate(row["train_images_per_s"]),
          row["note"]) for row in rows], "lrrrrrrl")


def _table(subject: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if subject == "models":
        return cost_table(rows)
    if rows and "ours_seconds" in rows[0]:
        return table(("what", "ours", "reference", "times faster", "note"), [
            (row["name"], _side(row["ours"], row["ours_seconds"]), _side(row["reference"], row["reference_seconds"]),
             _ratio(row), row["note"]) for row in rows], "lllrl")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return table([column.replace("_", " ") for column in columns],
                 [[text_of(row.get(column)) for column in columns] for row in rows])


def _origin(provenance: Mapping[str, Any]) -> str:
    hardware, versions, git = provenance["hardware"], provenance["versions"], provenance["git"]
    where = ", ".join([hardware["cpu"], f"{hardware['cores']} cores", *(hardware["gpu"] or ["no GPU"])])
    return (f"`{provenance['command']}` · rounds: {provenance['rounds']} · {where} · torch {versions['torch']} · "
            f"commit {(git['commit'] or ABSENT)[:7]}{'+' if git['dirty'] else ''} · {provenance['finished']}")


def _side(label: str, seconds: Sequence[float]) -> str:
    if not seconds:
        return f"{label}: not run"
    middle = sorted(seconds)[len(seconds) // 2]
    return f"{label}, {middle * 1e3:.3g} ms" if middle < 1 else f"{label}, {middle:.3g} s"


def _ratio(row: Mapping[str, Any]) -> str:
    if row["ratio"] is None:
        return ABSENT
    return f"{row['ratio']:.3g} [{row['ratio_min']:.3g}, {row['ratio_max']:.3g}]"


def _marked(row: Mapping[str, Any]) -> str:
    return row["method"] + "†" * row["note"].startswith("reconstruction")


def _figure(value: float | None, digits: int) -> str:
    return ABSENT if value is None else f"{value:.{digits}f}"


def _rate(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.1f}" if value >= 1 else f"{value:.2g}"

