"""Figures made from records alone: curves, intervals, cost against quality, errors; SVG, PDF and PNG.

A method has one colour and dash in every panel of every figure. Seeds of one method share them and one legend entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.errors import ConfigError, unknown_name
from benchmark.records import Outcome, Record, SuiteResult
from reports import breakdown, conditions, qualitative
from reports.origin import marked_title
from reports.panels import KINDS, Scene, legend_below, legend_rows, name_margin, panels, save
from reports.style import apply_style, curve_style, plain

RATE_FLOOR = 1e-7  # where a log axis shows curves that reach a rate of 0
START = {"marker": "o", "markersize": 2.5, "markevery": [-1]}
"""A curve's point of the highest threshold wears a dot: there is nothing to its left."""
STARTS = "A dot is the highest threshold that marks anything."
KEPT_APART = ("sizes", "errors")
"""Figures of what lies beside a record: these a method lacks for no reason of its own, unlike a training curve."""
DEFAULT = ("iou", "speed", "roc_target", "roc_pixel", "sizes", "errors", "training")


def draw_figures(result: SuiteResult, folder: Path, notes: Sequence[str] = (),
                 root: Path | None = None) -> list[dict[str, str]]:
    """Write what the records allow and say what was written; figures of an earlier report that no longer fit go.

    Args:
        result: Suite and outcomes.
        folder: Where ``<name>.svg``, ``.pdf`` and ``.png`` go.
        notes: Lines that must stand on every figure, such as the demonstration notice.
        root: The store, whose folder of images the qualitative figures show.

    Returns:
        ``{'name', 'file' (inside ``folder``), 'caption'}`` of each figure, in the order of the report; a figure that
        the records do not allow has an empty file and its reason as caption, where the suite names its figures.
    """
    named = result.suite.get("figures")
    apply_style()
    written = []
    for name in DEFAULT if named is None else named:
        figure, caption, file = _draw(name, result, root)
        if figure is None:
            # not before: a report that another run makes of the same folder reads these
            for kind in KINDS:
                (folder / f"{name}.{kind}").unlink(missing_ok=True)
            written += [{"name": name, "file": "", "caption": caption}] if named is not None else []
            continue
        if notes:
            figure.text(0.5, 1.0, plain(" ".join(notes)), ha="center", va="top", fontsize=6.5, color="#a05a00")
        save(figure, folder, name)
        written.append({"name": name, "file": f"{name}.{file}", "caption": caption})
    return written


def _draw(name: str, result: SuiteResult, root: Path | None) -> tuple[Figure | None, str, str]:
    # figure or None, caption or reason, and the kind of file that pages show
    outcomes = [outcome for outcome in result.outcomes if outcome.record is not None]
    if name in qualitative.FIGURES:
        figure, caption = qualitative.draw(name, result, root)
        return figure, caption, "png"
    if name not in FIGURES:
        raise ConfigError(unknown_name("figure", name, [*FIGURES, *qualitative.FIGURES]))
    draw, caption, wanted = FIGURES[name]
    finished = {outcome.key.method for outcome in outcomes}
    outcomes = [outcome for outcome in outcomes if wanted(outcome)]
    if not outcomes:
        return None, f"Not drawn: no finished cell has what it needs ({caption.split(':')[0].split('.')[0]}).", "svg"
    used = {outcome.key.method for outcome in outcomes}
    methods = {method["name"]: plain(marked_title(method)) for method in result.suite["methods"]
               if method["name"] in used}
    lacking = [marked_title(method) for method in result.suite["methods"] if method["name"] in finished - used]
    if lacking and name in KEPT_APART:
        caption += f" Not shown, since nothing was kept beside their records: {', '.join(lacking)}."
    if name == "speed" and len({_processor(outcome.record) for outcome in outcomes}) > 1:
        caption += " The cells ran on different processors: their times are not comparable."
    shown = [dataset for dataset in result.suite["datasets"]
             if any(outcome.key.dataset == dataset["name"] for outcome in outcomes)]
    return draw(Scene(methods, shown, outcomes, result.suite)), caption, "svg"


def _processor(record: Record) -> str:
    hardware = record.provenance.get("hardware", {})
    return str(hardware.get("gpu") or hardware.get("cpu"))


def _iou_figure(scene: Scene) -> Figure:
    names = list(scene.methods)
    figure, axes = panels(scene, 0.3 + 0.12 * len(names), left=name_margin(scene), sharey=True)
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


def _roc_figure(draw: Callable[[Axes, Scene, str], None]) -> Callable[[Scene], Figure]:
    def figure_of(scene: Scene) -> Figure:
        figure, axes = panels(scene, 1.5, legend_rows=legend_rows(scene))
        for axis, dataset in zip(axes[0], scene.datasets, strict=True):
            draw(axis, scene, dataset["name"])
            axis.set_ylim(0, 1.02)
            legend_below(axis)
        return figure

    return figure_of


def _draw_target_roc(axis: Axes, scene: Scene, dataset: str) -> None:
    for name, records in scene.of(dataset).items():
        label = _label(scene.methods[name], records, "target_auc")
        for record in records:
            points = _on_log_axis(record.roc["fa"], record.roc["pd"])
            if points:
                axis.plot(*zip(*points, strict=True), label=label, **scene.style(name), **START)
                label = None
    _rate_axis(axis, "Fa (fraction of pixels)", "Pd")


def _draw_pixel_roc(axis: Axes, scene: Scene, dataset: str) -> None:
    for name, records in scene.of(dataset).items():
        label = _label(scene.methods[name], records, "pixel_auc")
        for record in records:
            points = _on_log_axis(record.roc["fpr"], record.roc["tpr"])
            if points:
                path = [(1.0, 1.0), *points]
                axis.plot(*zip(*path, strict=True), label=label, **scene.style(name), **START)
                label = None
    _rate_axis(axis, "False positive rate", "True positive rate")


def _on_log_axis(rates: Sequence[float | None], hits: Sequence[float | None]) -> list[tuple[float, float]]:
    """Points in order of ascending thresholds, without those that mark nothing.

    A line to where nothing is marked would cross decades in which no threshold was measured: scores that saturate leave
    a network with no point of a low rate.
    """
    return [(max(rate, RATE_FLOOR), hit) for rate, hit in zip(rates, hits, strict=True)
            if rate is not None and hit is not None and (rate > 0 or hit > 0)]


def _rate_axis(axis: Axes, horizontal: str, vertical: str) -> None:
    axis.set_xscale("log")
    axis.set_xlim(RATE_FLOOR, 1)
    axis.set_xlabel(horizontal)
    axis.set_ylabel(vertical)


def _training_figure(scene: Scene) -> Figure:
    validated = any(row.get("val_iou") is not None for record in scene.records for row in record.training["curve"])
    figure, axes = panels(scene, 1.85 if validated else 1.5, rows=1 + validated, legend_rows=legend_rows(scene),
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
        legend_below(axes[-1][column])
    return figure


def _label(title: str, records: list[Record], area: str) -> str:
    metrics = [record.metrics.get(area) for record in records]
    found = [metric.value for metric in metrics if metric is not None and metric.value is not None]
    seeds = f" (n={len(found)})" if len(found) > 1 else ""
    return f"{title} {fmean(found):.4f}{seeds}" if found else title


def _has_roc(outcome: Outcome) -> bool:
    return bool(outcome.record.roc)


FIGURES: dict[str, tuple[Callable[[Scene], Figure], str, Callable[[Outcome], bool]]] = {
    "iou": (_iou_figure, "IoU with 95 % bootstrap intervals over test images, one mark for each seed.",
            lambda outcome: "iou" in outcome.record.metrics),
    "roc_target": (_roc_figure(_draw_target_roc), "Target ROC: Pd against Fa on a logarithmic axis, with the area "
                   "under the curve (over the linear axis). The curves are not monotone, since a component that grows "
                   "can leave its target; they are neither sorted nor clipped. "
                   f"{STARTS}", _has_roc),
    "roc_pixel": (_roc_figure(_draw_pixel_roc), "Pixel ROC: true positive rate against false positive rate on a "
                  f"logarithmic axis, with the area under the curve (over the linear axis). {STARTS}", _has_roc),
    "training": (_training_figure, "Training loss by epoch, and validation IoU where a validation list exists.",
                 lambda outcome: bool((outcome.record.training or {}).get("curve"))),
} | breakdown.FIGURES | conditions.FIGURES
