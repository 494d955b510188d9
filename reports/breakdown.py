"""Figures of what lies behind the averages: speed against accuracy, Pd by target size, errors by kind."""

from __future__ import annotations

from statistics import fmean

from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from benchmark.records import DETAILS_FILE, Outcome
from reports.panels import Scene, draw_cells, legend_below, legend_rows, name_margin, panels
from reports.style import PALETTE

SIZES = ((1, 9), (10, 24), (25, 49), (50, None))
"""Bins of target area in pixels, both ends included."""
SIZE_AXIS = "Area of the target in pixels (number of targets)"
MOST_BARS = 6
ERRORS = {"found": "#8c8c8c", "mis-segmented": PALETTE[5], "split": PALETTE[2], "merged": PALETTE[4],
          "missed": PALETTE[1], "false": PALETTE[0]}


def speed_figure(scene: Scene) -> Figure:
    """IoU against milliseconds an image, one mark a method (mean over its seeds), on a logarithmic axis."""
    figure, axes = panels(scene, 1.75, legend_rows=legend_rows(scene))
    for axis, dataset in zip(axes[0], scene.datasets, strict=True):
        for name, records in scene.of(dataset["name"]).items():
            usable = [record for record in records if _has_speed_record(record)]
            if usable:
                style = {"color": scene.style(name)["color"]}
                marker = "osD^"[list(scene.methods).index(name) // 7 % 4]
                axis.plot(fmean(record.cost["latency_ms"] for record in usable),
                          100 * fmean(record.metrics["iou"].value for record in usable), marker, markersize=5,
                          label=scene.methods[name], **style)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(LogFormatter())
        axis.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
        axis.set_xlabel("Time (ms an image)")
        axis.set_ylabel("IoU (%)")
        low, high = axis.get_xlim()
        axis.set_xlim(low / 1.6, high * 1.6)
        values = [100 * record.metrics["iou"].value for records in scene.of(dataset["name"]).values()
                  for record in records if _has_speed_record(record)]
        axis.set_ylim(max(min(values, default=0) - 5, 0), min(max(values, default=100) + 5, 100))
        legend_below(axis)
    return figure


def size_figure(scene: Scene) -> Figure:
    """Share of targets found, by area; the number of targets stands with each bin.

    Bars where they can be told apart, else a row of cells a method.
    """
    return _size_bars(scene) if len(scene.methods) <= MOST_BARS else _size_cells(scene)


def _size_bars(scene: Scene) -> Figure:
    figure, axes = panels(scene, 1.6, legend_rows=legend_rows(scene))
    for axis, dataset in zip(axes[0], scene.datasets, strict=True):
        shares, labels = _shares_by_size(scene, dataset["name"])
        width = 0.8 / max(len(shares), 1)
        for place, (name, values) in enumerate(shares.items()):
            found = {index: value for index, value in enumerate(values) if value is not None}
            axis.bar([index - 0.4 + width * (place + 0.5) for index in found], list(found.values()), 0.92 * width,
                     label=scene.methods[name], color=scene.style(name)["color"])
        axis.set_xticks(range(len(SIZES)), labels)
        axis.tick_params(axis="x", labelsize=6)
        axis.set_ylim(0, 1.02)
        axis.set_ylabel("Pd")
        axis.set_xlabel(SIZE_AXIS)
        legend_below(axis)
    return figure


def _size_cells(scene: Scene) -> Figure:
    names = list(scene.methods)
    figure, axes = panels(scene, 0.45 + 0.15 * len(names), left=name_margin(scene), sharey=True)
    for axis, dataset in zip(axes[0], scene.datasets, strict=True):
        shares, labels = _shares_by_size(scene, dataset["name"])
        rows = [shares.get(name, [None] * len(SIZES)) for name in names]
        draw_cells(axis, rows, "{:.2f}")
        axis.set_xticks(range(len(SIZES)), labels)
        axis.tick_params(axis="x", labelsize=6)
        axis.set_xlabel(SIZE_AXIS)
    axes[0][0].set_yticks(range(len(names)), [scene.methods[name] for name in names])
    return figure


def _shares_by_size(scene: Scene, dataset: str) -> tuple[dict[str, list[float | None]], list[str]]:
    # Pd of every method in every bin, None where a bin is empty; and the bins' labels
    counts = [0] * len(SIZES)
    shares = {}
    for name in scene.of(dataset):
        details = scene.details(name, dataset)
        targets = [target for rows in details for row in rows for target in row["targets"]]
        bins = [[found for area, found, _ in targets if low <= area and (high is None or area <= high)]
                for low, high in SIZES]
        counts = [max(most, len(own) // max(len(details), 1)) for most, own in zip(counts, bins, strict=True)]
        shares[name] = [sum(own) / len(own) if own else None for own in bins]
    return shares, [f"{low}–{high} ({count})" if high else f"≥ {low} ({count})"
                    for (low, high), count in zip(SIZES, counts, strict=True)]


def error_figure(scene: Scene) -> Figure:
    """What became of the targets, and false detections, in hundredths of the number of targets."""
    names = list(scene.methods)
    figure, axes = panels(scene, 0.45 + 0.15 * len(names), legend_rows=2, left=name_margin(scene), sharey=True)
    for axis, dataset in zip(axes[0], scene.datasets, strict=True):
        for name in scene.of(dataset["name"]):
            rows = [row for seed in scene.details(name, dataset["name"]) for row in seed]
            kinds = [outcome for row in rows for _, _, outcome in row["targets"]]
            shares = {kind: 100 * kinds.count(kind) / max(len(kinds), 1) for kind in ERRORS if kind != "false"}
            shares["false"] = 100 * sum(row["false"] for row in rows) / max(len(kinds), 1)
            start = 0.0
            for kind, share in shares.items():
                axis.barh(names.index(name), share, 0.62, left=start, color=ERRORS[kind],
                          label=kind if name == next(iter(scene.of(dataset["name"]))) else None)
                start += share
        axis.axvline(100, color="black", linewidth=0.6)
        if axis.get_xlim()[1] > 400:
            axis.set_xlim(0, 400)
        axis.set_xlabel("in 100 targets")
        axis.grid(False, axis="y")
        legend_below(axis)
    axes[0][0].set_yticks(range(len(names)), [scene.methods[name] for name in names])
    axes[0][0].set_ylim(len(names) - 0.4, -0.6)
    return figure


def _has_speed_record(record: object) -> bool:
    iou = record.metrics.get("iou")
    return bool(record.cost.get("latency_ms")) and iou is not None and iou.value is not None


def _has_speed(outcome: Outcome) -> bool:
    return _has_speed_record(outcome.record)


def _has_details(outcome: Outcome) -> bool:
    return outcome.folder is not None and (outcome.folder / DETAILS_FILE).is_file()


FIGURES = {
    "speed": (speed_figure, "Speed against accuracy: IoU and milliseconds an image, on the machine that the provenance "
              "names, on a logarithmic axis.", _has_speed),
    "sizes": (size_figure, "Pd by size of the target, in pixels of the original image; a dash where no target "
              "was counted, or nothing was run.", _has_details),
    "errors": (error_figure, "Errors by kind, in 100 targets: up to the line what became of the targets (found with an "
               "IoU of at least 0.5; mis-segmented; split into several detections; merged with a neighbour; missed), "
               "beyond it false detections, cut off at 400.", _has_details),
}
