"""Figures made from records alone: ROC curves, IoU with intervals, training curves; SVG for print, PNG for the eye.

A method has one colour and dash in every panel of every figure. Seeds of one method share them and one legend entry.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.records import Record, SuiteResult
from reports.style import apply_style, curve_style, plain

RATE_FLOOR = 1e-7  # where a log axis shows curves that reach a rate of 0
PANEL_WIDTHS = {1: 5.0, 2: 5.0}  # inches by number of datasets; more share the width of the page
PAGE_WIDTH = 10.3
LEGEND_ROW = 0.113


@dataclass(frozen=True)
class _Scene:
    """What all panels of a figure share: methods in the order of the suite with their titles, and datasets."""

    methods: dict[str, str]
    datasets: list[dict[str, Any]]
    records: list[Record]

    def of(self, dataset: str) -> dict[str, list[Record]]:
        """Records of one dataset by method, in the order of the suite, seeds together."""
        found = {name: [record for record in self.records
                        if (record.key.method, record.key.dataset) == (name, dataset)] for name in self.methods}
        return {name: records for name, records in found.items() if records}

    def style(self, method: str) -> dict[str, str]:
        """Colour and dash of a method, the same everywhere."""
        return curve_style(list(self.methods).index(method))


def draw_figures(result: SuiteResult, folder: Path, notes: Sequence[str] = ()) -> list[dict[str, str]]:
    """Write what the records allow and say what was written; figures of an earlier report that no longer fit go.

    Args:
        result: Suite and outcomes.
        folder: Where ``<name>.svg`` and ``<name>.png`` go.
        notes: Lines that must stand on every figure, such as the demonstration notice.

    Returns:
        ``{'name', 'file' (SVG, inside ``folder``), 'caption'}`` of each figure, in the order of the report.
    """
    records = result.records()
    methods = {method["name"]: plain(method["title"]) for method in result.suite["methods"]}
    used = {record.key.method for record in records}
    apply_style()
    written = []
    for name, draw, caption, wanted in (
        ("iou", _iou_figure, "IoU with 95 % bootstrap intervals over test images, one mark for each seed.",
         [record for record in records if "iou" in record.metrics]),
        ("roc_target", _roc_figure(_draw_target_roc), "Target ROC: Pd against Fa on a logarithmic axis, with the area "
         "under the curve (over the linear axis). The curves are not monotone, since a component that grows can leave "
         "its target; they are neither sorted nor clipped.", [record for record in records if record.roc]),
        ("roc_pixel", _roc_figure(_draw_pixel_roc), "Pixel ROC: true positive rate against false positive rate on a "
         "logarithmic axis, with the area under the curve (over the linear axis).",
         [record for record in records if record.roc]),
        ("training", _training_figure, "Training loss by epoch, and validation IoU where a validation list exists.",
         [record for record in records if (record.training or {}).get("curve")]),
    ):
        shown = [dataset for dataset in result.suite["datasets"]
                 if any(record.key.dataset == dataset["name"] for record in wanted)]
        if not shown:
            for kind in ("svg", "png"):
                (folder / f"{name}.{kind}").unlink(missing_ok=True)
            continue
        kept = {method: title for method, title in methods.items() if method in used}
        figure = draw(_Scene(kept, shown, wanted))
        if notes:
            figure.text(0.5, 1.0, plain(" ".join(notes)), ha="center", va="top", fontsize=6.5, color="#a05a00")
        _save(figure, folder, name)
        written.append({"name": name, "file": f"{name}.svg", "caption": caption})
    return written


def _save(figure: Figure, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, options in (("svg", {"metadata": {"Date": None}}), ("png", {"dpi": 160, "metadata": {"Software": None}})):
        temporary = folder / f".{name}.{kind}.{os.getpid()}.tmp"
        figure.savefig(temporary, format=kind, **options)
        temporary.replace(folder / f"{name}.{kind}")
    plt.close(figure)


def _panels(scene: _Scene, height: float, rows: int = 1, *, legend_rows: int = 0, left: float = 0.5,
            **options: Any) -> tuple[Figure, Any]:
    # Margins in inches, so that text never meets text however many methods there are.
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


def _iou_figure(scene: _Scene) -> Figure:
    names = list(scene.methods)
    figure, axes = _panels(scene, 0.3 + 0.12 * len(names), left=0.85, sharey=True)
    for axis, dataset in zip(axes[0], scene.datasets, strict=True):
        for name, records in scene.of(dataset["name"]).items():
            for place, record in enumerate(records):
                metric = record.metrics["iou"]
                if metric.value is None:
                    continue
                value, low, high = (100 * (metric.value if end is None else end)
                                    for end in (None, metric.low, metric.high))
                offset = 0.5 * ((place + 0.5) / len(records) - 0.5)
                axis.errorbar(value, names.index(name) + offset, xerr=[[max(value - low, 0)], [max(high - value, 0)]],
                              fmt="o", markersize=3.2, capsize=1.8, elinewidth=1, color=curve_style(0)["color"])
        axis.set_xlim(0, 100)
        axis.set_xlabel("IoU (%)")
    axes[0][0].set_yticks(range(len(names)), [scene.methods[name] for name in names])
    axes[0][0].set_ylim(len(names) - 0.4, -0.6)  # the first row of the table on top
    return figure


def _roc_figure(draw: Callable[[Axes, _Scene, str], None]) -> Callable[[_Scene], Figure]:
    def figure_of(scene: _Scene) -> Figure:
        figure, axes = _panels(scene, 1.5, legend_rows=_legend_rows(scene))
        for axis, dataset in zip(axes[0], scene.datasets, strict=True):
            draw(axis, scene, dataset["name"])
            axis.set_ylim(0, 1.02)
            _legend_below(axis)
        return figure

    return figure_of


def _draw_target_roc(axis: Axes, scene: _Scene, dataset: str) -> None:
    for name, records in scene.of(dataset).items():
        label = _label(scene.methods[name], records, "target_auc")
        for record in records:
            points = [(max(fa, RATE_FLOOR), pd) for fa, pd in zip(record.roc["fa"], record.roc["pd"], strict=True)
                      if fa is not None and pd is not None]
            if points:
                axis.plot(*zip(*points, strict=True), label=label, **scene.style(name))
                label = None
    _rate_axis(axis, "Fa (fraction of pixels)", "Pd")


def _draw_pixel_roc(axis: Axes, scene: _Scene, dataset: str) -> None:
    for name, records in scene.of(dataset).items():
        label = _label(scene.methods[name], records, "pixel_auc")
        for record in records:
            points = [(max(fpr, RATE_FLOOR), tpr) for fpr, tpr in zip(record.roc["fpr"], record.roc["tpr"], strict=True)
                      if fpr is not None and tpr is not None]
            if points:
                path = [(1.0, 1.0), *points]  # thresholds ascend: from everything to nothing
                axis.plot(*zip(*path, strict=True), label=label, **scene.style(name))
                label = None
    _rate_axis(axis, "False positive rate", "True positive rate")


def _rate_axis(axis: Axes, horizontal: str, vertical: str) -> None:
    axis.set_xscale("log")
    axis.set_xlim(RATE_FLOOR, 1)
    axis.set_xlabel(horizontal)
    axis.set_ylabel(vertical)


def _training_figure(scene: _Scene) -> Figure:
    validated = any(row.get("val_iou") is not None for record in scene.records for row in record.training["curve"])
    figure, axes = _panels(scene, 1.85 if validated else 1.5, rows=1 + validated, legend_rows=_legend_rows(scene),
                           sharex="col")
    for column, dataset in enumerate(scene.datasets):
        for name, records in scene.of(dataset["name"]).items():
            for place, record in enumerate(records):
                style = scene.style(name) | {"label": None if place else scene.methods[name]}
                for axis, quantity in zip(axes[:, column], ("loss", "val_iou"), strict=False):
                    curve = [row for row in record.training["curve"] if row.get(quantity) is not None]
                    axis.plot([row["epoch"] for row in curve], [row[quantity] for row in curve], **style)
        axes[0][column].set_ylabel("Loss")
        axes[0][column].set_ylim(bottom=0)
        if validated:
            axes[1][column].set_ylabel("Validation IoU")
            axes[1][column].set_ylim(0, 1.02)
        axes[-1][column].xaxis.set_major_locator(MaxNLocator(nbins=8, steps=(1, 2, 5, 10), integer=True, min_n_ticks=1))
        axes[-1][column].set_xlabel("Epoch")
        _legend_below(axes[-1][column])
    return figure


def _legend_rows(scene: _Scene) -> int:
    return max(-(-len(scene.of(dataset["name"])) // 3) for dataset in scene.datasets)


def _legend_below(axis: Axes) -> None:
    height = axis.get_position().height * axis.figure.get_figheight()
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.43 / height), ncol=3)


def _label(title: str, records: list[Record], area: str) -> str:
    metrics = [record.metrics.get(area) for record in records]
    found = [metric.value for metric in metrics if metric is not None and metric.value is not None]
    seeds = f" (n={len(found)})" if len(found) > 1 else ""
    return f"{title} {fmean(found):.4f}{seeds}" if found else title
