"""Figures of suites that test one training under many conditions: severities, clutter ratios, other datasets."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from benchmark.records import Outcome, Record
from reports.panels import LEGEND_ROW, PAGE_WIDTH, Scene, draw_cells
from reports.style import curve_style, plain

MAX_COLUMNS = 5


def severity_figure(scene: Scene) -> Figure:
    """IoU against severity: one panel a corruption, one row a dataset, one curve a method with its intervals."""
    corruptions = list(dict.fromkeys(name.split("@")[1] for name in scene.methods))
    methods = list(dict.fromkeys(name.split("@")[0] for name in scene.methods))
    datasets = list(dict.fromkeys(dataset["name"].split("/")[0] for dataset in scene.datasets))
    figure, axes = _frame(len(datasets), len(corruptions), 1.5, len(methods))
    for row, dataset in enumerate(datasets):
        for column, corruption in enumerate(corruptions):
            axis = axes[row][column]
            for method in methods:
                points = [(int(name.split("/")[1]), record, "iou")
                          for name, record in _records(scene, f"{method}@{corruption}")
                          if name.split("/")[0] == dataset and record.metrics["iou"].value is not None]
                _curve(axis, points,
                       scene.methods.get(f"{method}@{corruption}", method), methods.index(method))
            axis.set_ylim(0, 1.02)
            axis.set_xticks(range(6), ["clean", 1, 2, 3, 4, 5])
            axis.set_xlabel("Severity")
            axis.set_title(corruption if len(datasets) == 1 else f"{corruption}, {dataset}")
        axes[row][0].set_ylabel("IoU")
    _legend(figure, axes[0][0])
    return figure


def scr_figure(scene: Scene) -> Figure:
    """Pd against the set signal-to-clutter ratio, one curve a method with its intervals."""
    figure, axes = _frame(1, 1, 2.0, len(scene.methods))
    for index, (name, title) in enumerate(scene.methods.items()):
        points = [(float(column.rpartition("scr-")[2]), record, "pd") for column, record in _records(scene, name)
                  if record.metrics["pd"].value is not None]
        _curve(axes[0][0], points, title, index)
    axes[0][0].set_xscale("log")
    ticks = sorted({float(dataset["name"].rpartition("scr-")[2]) for dataset in scene.datasets})
    axes[0][0].set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[0][0].minorticks_off()
    axes[0][0].set_ylim(0, 1.02)
    axes[0][0].set_xlabel("Signal-to-clutter ratio of every target")
    axes[0][0].set_ylabel("Pd")
    _legend(figure, axes[0][0])
    return figure


def cross_figure(scene: Scene) -> Figure:
    """IoU as a matrix a method: trained on the row's dataset, tested on the column's."""
    methods = list(dict.fromkeys(name.split("@")[0] for name in scene.methods))
    trained = list(dict.fromkeys(name.partition("@")[2] or "nothing" for name in scene.methods))
    tested = [dataset["name"] for dataset in scene.datasets]
    titles = {dataset["name"]: plain(dataset["title"]) for dataset in scene.datasets}
    width, height = min(3.1 * len(methods) + 0.2, PAGE_WIDTH), 1.1 + 0.42 * len(trained)
    figure, axes = plt.subplots(1, len(methods), figsize=(width, height), squeeze=False)
    panel = (width - 0.2) / len(methods)
    figure.subplots_adjust(left=0.95 / width, right=1 - 0.1 / width, bottom=0.62 / height, top=1 - 0.42 / height,
                           wspace=0.95 / max(panel - 0.95, 1))
    for axis, method in zip(axes[0], methods, strict=True):
        values = [[_cross_value(scene, method, one, other) for other in tested] for one in trained]
        draw_cells(axis, values, "{:.1f}", scale=100)
        axis.set_xticks(range(len(tested)), [titles[name] for name in tested], rotation=20, ha="right")
        axis.set_yticks(range(len(trained)), [titles.get(name, name) for name in trained])
        own = next(title for name, title in scene.methods.items() if name.split("@")[0] == method)
        axis.set_title(own)
    return figure


def _cross_value(scene: Scene, method: str, trained: str, tested: str) -> float | None:
    name = method if trained == "nothing" else f"{method}@{trained}"
    values = [record.metrics["iou"].value for column, record in _records(scene, name) if column == tested]
    values = [value for value in values if value is not None]
    return sum(values) / len(values) if values else None


def _records(scene: Scene, method: str) -> list[tuple[str, Record]]:
    return [(record.key.dataset, record) for record in scene.records if record.key.method == method]


def _frame(rows: int, columns: int, height: float, entries: int) -> tuple[Figure, list]:
    legend = LEGEND_ROW * -(-entries // 6) + 0.12
    total = rows * (height + 0.75) + legend
    width = min(PAGE_WIDTH, 2.05 * columns) if columns > 1 else 5.0
    figure, axes = plt.subplots(rows, columns, figsize=(width, total), squeeze=False, sharey=True)
    figure.subplots_adjust(left=0.45 / width, right=1 - 0.1 / width, bottom=(0.45 + legend) / total,
                           top=1 - 0.35 / total, wspace=0.12, hspace=0.75 / height)
    return figure, axes


def _curve(axis, points: list[tuple[float, Record, str]], title: str, index: int) -> None:
    # Seeds share a place; the mean is drawn, an interval only where one seed alone was run.
    places = sorted({place for place, _, _ in points})
    if not places:
        return
    at = {place: [record.metrics[metric] for one, record, metric in points if one == place] for place in places}
    means = [sum(metric.value for metric in at[place]) / len(at[place]) for place in places]
    axis.plot(places, means, marker="o", markersize=2.5, label=title, **curve_style(index))
    single = [place for place in places if len(at[place]) == 1 and at[place][0].low is not None]
    if single:
        axis.fill_between(single, [at[place][0].low for place in single], [at[place][0].high for place in single],
                          color=curve_style(index)["color"], alpha=0.12, linewidth=0)


def _legend(figure: Figure, axis) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=6, bbox_to_anchor=(0.5, 0.01))


def _any(outcome: Outcome) -> bool:
    return bool(outcome.record.metrics)


FIGURES = {
    "severity": (severity_figure, "IoU against severity of the corruption of the test images, with 95 % bootstrap "
                 "intervals; the networks were trained on clean images.", _any),
    "scr": (scr_figure, "Pd against signal-to-clutter ratio: synthetic test sets in which every target has the same "
            "ratio, with 95 % bootstrap intervals; trained on the range of the synthetic set.", _any),
    "cross": (cross_figure, "IoU (10⁻²) of a training on the row's dataset, tested on the column's.", _any),
}
