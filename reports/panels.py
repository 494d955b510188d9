"""What the panels of all figures share: who is drawn how, margins that keep text apart, legends, and files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.records import DETAILS_FILE, Outcome, Record, read_lines
from reports.style import curve_style, plain

PANEL_WIDTHS = {1: 5.0, 2: 5.0}  # inches by number of datasets; more share the width of the page
PAGE_WIDTH = 10.3
LEGEND_ROW = 0.113
HANDLE, CHARACTER, LEGEND_GAP = 0.26, 0.048, 0.2  # inches of a legend's line, of a letter, and between two legends
KINDS = {"svg": {"metadata": {"Date": None}}, "pdf": {"metadata": {"CreationDate": None, "ModDate": None}},
         "png": {"dpi": 160, "metadata": {"Software": None}}}


@dataclass(frozen=True)
class Scene:
    """What all panels of a figure share: methods in the order of the suite with their titles, and datasets."""

    methods: dict[str, str]
    datasets: list[dict[str, Any]]
    outcomes: list[Outcome]
    """All with a record."""
    suite: dict[str, Any]

    @property
    def records(self) -> list[Record]:
        """Of the outcomes."""
        return [outcome.record for outcome in self.outcomes]

    def of(self, dataset: str) -> dict[str, list[Record]]:
        """Records of one dataset by method, in the order of the suite, seeds together."""
        found = {name: [record for record in self.records
                        if (record.key.method, record.key.dataset) == (name, dataset)] for name in self.methods}
        return {name: records for name, records in found.items() if records}

    def style(self, method: str) -> dict[str, str]:
        """Colour and dash of a method, the same everywhere."""
        return curve_style(list(self.methods).index(method))

    def details(self, method: str, dataset: str) -> list[list[dict[str, Any]]]:
        """What became of the targets of each image, for each seed that kept it (see ``benchmark.metrics.errors``)."""
        found = [read_lines(Path(outcome.folder) / DETAILS_FILE) for outcome in self.outcomes
                 if (outcome.key.method, outcome.key.dataset) == (method, dataset) and outcome.folder is not None]
        return [rows for rows in ([row for row in own if _is_detail(row)] for own in found) if rows]


def _is_detail(row: dict[str, Any]) -> bool:
    targets = row.get("targets")
    return isinstance(row.get("false"), int) and isinstance(targets, list) and all(
        isinstance(target, list) and list(map(type, target)) == [int, bool, str] for target in targets)


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write SVG and PDF for print and PNG for the eye, each in one rename; the same figure gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, options in KINDS.items():
        temporary = folder / f".{name}.{kind}.{os.getpid()}.tmp"
        figure.savefig(temporary, format=kind, **options)
        temporary.replace(folder / f"{name}.{kind}")
    plt.close(figure)


def name_margin(scene: Scene) -> float:
    """Inches that the longest title needs left of an axis."""
    return 0.3 + 0.058 * max(map(len, scene.methods.values()))


def panels(scene: Scene, height: float, rows: int = 1, *, legend_rows: int = 0, left: float = 0.5,
           **options: Any) -> tuple[Figure, Any]:
    """A figure of one column a dataset. Margins are in inches: text never meets text, however many methods."""
    count = len(scene.datasets)
    width = min(PANEL_WIDTHS.get(count, PAGE_WIDTH / count) * count, PAGE_WIDTH)
    bottom, top = 0.43 + LEGEND_ROW * legend_rows + 0.08 * bool(legend_rows), 0.36
    total = height + bottom + top
    figure, axes = plt.subplots(rows, count, figsize=(width, total), squeeze=False, **options)
    panel = (width - left) / count
    figure.subplots_adjust(left=left / width, right=1 - 0.12 / width, bottom=bottom / total, top=1 - top / total,
                           wspace=0.5 / max(panel - 0.5, 1), hspace=0.12)
    for axis, dataset in zip(axes[0], scene.datasets, strict=True):
        axis.set_title(plain(dataset["title"]))
    return figure, axes


def draw_cells(axis: Axes, rows: Sequence[Sequence[float | None]], form: str, scale: float = 1.0) -> None:
    """A matrix of shares, each cell in its shade with its number, times ``scale``; a dash where there is none."""
    shade = colormaps["cividis"].with_extremes(bad="#e8e8e8")
    axis.imshow(np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=float), vmin=0,
                vmax=1, cmap=shade, aspect="auto")
    for place, row in enumerate(rows):
        for column, value in enumerate(row):
            axis.text(column, place, "–" if value is None else form.format(scale * value), ha="center", va="center",
                      fontsize=6.5, color="black" if value is None or value >= 0.6 else "white")
    axis.grid(False)


def legend_rows(scene: Scene) -> int:
    """Rows of the legend under the fullest panel, each method with a number behind its title."""
    count = len(scene.datasets)
    room = min(PANEL_WIDTHS.get(count, PAGE_WIDTH / count), PAGE_WIDTH / count)
    found = [[f"{scene.methods[name]} 0.0000" for name in scene.of(dataset["name"])] for dataset in scene.datasets]
    return max(-(-len(labels) // _legend_columns(labels, room)) for labels in found)


def legend_below(axis: Axes) -> None:
    """The legend under the axis label."""
    height = axis.get_position().height * axis.figure.get_figheight()
    room = axis.figure.get_figwidth() / axis.get_gridspec().ncols
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.43 / height),
                ncol=_legend_columns(axis.get_legend_handles_labels()[1], room))


def _legend_columns(labels: Sequence[str], room: float) -> int:
    # As many as fit under a panel that has so many inches of the page, at most three.
    for count in (3, 2):
        columns = [column for column in np.array_split(np.array(labels), count) if len(column)]
        if sum(HANDLE + CHARACTER * max(map(len, column)) for column in columns) <= room - LEGEND_GAP:
            return count
    return 1
