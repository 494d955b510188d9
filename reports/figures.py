"""Figures made from records alone: ROC curves, IoU with intervals, training curves; SVG for print, PNG for the eye."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from benchmark.records import Record, SuiteResult
from reports.style import apply_style, curve_style

FA_FLOOR = 1e-7  # where a log axis shows curves that reach Fa = 0


def draw_figures(result: SuiteResult, folder: Path) -> list[dict[str, str]]:
    """Write what the records allow and say what was written.

    Returns:
        ``{'name', 'file' (SVG, inside ``folder``), 'caption'}`` of each figure, in the order of the report.
    """
    records = result.records()
    if not records:
        return []
    apply_style()
    folder.mkdir(parents=True, exist_ok=True)
    titles = {method["name"]: method["title"] for method in result.suite["methods"]}
    datasets = [dataset for dataset in result.suite["datasets"]
                if any(record.key.dataset == dataset["name"] for record in records)]
    written = []
    for name, draw, caption, wanted in (
        ("iou", _draw_iou, "IoU with 95 % bootstrap intervals over test images.", records),
        ("roc_target", _draw_target_roc, "Target ROC: Pd against Fa on a logarithmic axis, with the area under the "
         "curve. The curves are not monotone, since a component that grows can leave its target; they are neither "
         "sorted nor clipped.", [record for record in records if record.roc]),
        ("roc_pixel", _draw_pixel_roc, "Pixel ROC: true against false positive rate, with the area under the curve.",
         [record for record in records if record.roc]),
        ("training", _draw_training, "Training loss by epoch; where a validation list exists, dashed, validation IoU.",
         [record for record in records if record.training.get("curve")]),
    ):
        shown = [dataset for dataset in datasets if any(record.key.dataset == dataset["name"] for record in wanted)]
        if not shown:
            continue
        figure, axes = plt.subplots(1, len(shown), figsize=(3.1 * max(len(shown), 2), 2.5), squeeze=False)
        for axis, dataset in zip(axes[0], shown, strict=True):
            draw(axis, [record for record in wanted if record.key.dataset == dataset["name"]], titles)
            axis.set_title(dataset["title"])
        figure.tight_layout()
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        figure.savefig(folder / f"{name}.png", dpi=160, metadata={"Software": None})
        plt.close(figure)
        written.append({"name": name, "file": f"{name}.svg", "caption": caption})
    return written


def _draw_iou(axis: Axes, records: list[Record], titles: dict[str, str]) -> None:
    records = records[::-1]  # the first row of the table on top
    for place, record in enumerate(records):
        metric = record.metrics["iou"]
        if metric.value is None:
            continue
        value, low, high = (100 * (metric.value if end is None else end) for end in (None, metric.low, metric.high))
        axis.errorbar(value, place, xerr=[[max(value - low, 0)], [max(high - value, 0)]], fmt="o", markersize=4,
                      capsize=2.5, **{"color": curve_style(0)["color"]})
    axis.set_yticks(range(len(records)), [titles[record.key.method] for record in records])
    axis.set_ylim(-0.6, len(records) - 0.4)
    axis.set_xlim(left=0)
    axis.set_xlabel("IoU (%)")


def _draw_target_roc(axis: Axes, records: list[Record], titles: dict[str, str]) -> None:
    for index, record in enumerate(records):
        points = [(max(fa, FA_FLOOR), pd) for fa, pd in zip(record.roc["fa"], record.roc["pd"], strict=True)
                  if fa is not None and pd is not None]
        if points:
            axis.plot(*zip(*points, strict=True), label=_label(record, titles, "target_auc"), **curve_style(index))
    axis.set_xscale("log")
    axis.set_xlim(FA_FLOOR, 1)
    axis.set_ylim(0, 1.02)
    axis.set_xlabel("Fa (fraction of pixels)")
    axis.set_ylabel("Pd")
    axis.legend(loc="lower right")


def _draw_pixel_roc(axis: Axes, records: list[Record], titles: dict[str, str]) -> None:
    for index, record in enumerate(records):
        points = [(fpr, tpr) for fpr, tpr in zip(record.roc["fpr"], record.roc["tpr"], strict=True)
                  if fpr is not None and tpr is not None]
        if points:
            path = [(1.0, 1.0), *points, (0.0, 0.0)]  # thresholds ascend: from everything to nothing
            axis.plot(*zip(*path, strict=True), label=_label(record, titles, "pixel_auc"), **curve_style(index))
    axis.set_xlim(-0.02, 1.02)
    axis.set_ylim(0, 1.02)
    axis.set_xlabel("False positive rate")
    axis.set_ylabel("True positive rate")
    axis.legend(loc="lower right")


def _draw_training(axis: Axes, records: list[Record], titles: dict[str, str]) -> None:
    for index, record in enumerate(records):
        curve = [row for row in record.training["curve"] if "loss" in row]
        axis.plot([row["epoch"] for row in curve], [row["loss"] for row in curve], **curve_style(index),
                  label=titles[record.key.method])
        validated = [row for row in record.training["curve"] if row.get("val_iou") is not None]
        if validated:
            axis.plot([row["epoch"] for row in validated], [row["val_iou"] for row in validated], "--",
                      color=curve_style(index)["color"])
    axis.set_xlabel("Epoch")
    axis.set_ylabel("Loss")
    axis.set_ylim(0, 1.02)
    axis.legend(loc="lower left")


def _label(record: Record, titles: dict[str, str], area: str) -> str:
    metric = record.metrics.get(area)
    seed = f" (seed {record.key.seed})" if record.key.seed else ""
    return f"{titles[record.key.method]}{seed}" + (
        "" if metric is None or metric.value is None else f", {metric.value:.4f}")
