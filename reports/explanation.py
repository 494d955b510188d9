"""The picture of what lies behind one prediction of SAIST: image, scene J, degraded I, background A, depth, text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from reports.style import apply_style, plain

# Title and colours of each panel, in order; logits share a scale that is symmetric about 0, the decision.
PANELS = {
    "score": ("Score: target probability", "magma", "unit"),
    "scene": ("J: scene (Eq. 14), logits", "RdBu_r", "logits"),
    "degraded": ("I: degraded image, logits", "RdBu_r", "logits"),
    "background": ("A: background, logits", "RdBu_r", "own"),
    "depth": ("d: depth = F(I)", "viridis", "unit"),
    "similarity": ("Text–image similarity (cosine)", "cividis", "range"),
}
COLUMNS = 4


def draw_explanation(image: np.ndarray, maps: Mapping[str, np.ndarray], path: Path, *, title: str,
                     text: str | None = None) -> None:
    """Write one PNG (or PDF or SVG, by the suffix) with the image and every map that there is.

    Args:
        image: (H, W) grey levels.
        maps: (H, W) each, by the names of ``PANELS``.
        path: File to write.
        title: Printed small at the top: what made this.
        text: Caption that the method read.
    """
    apply_style()
    from matplotlib import pyplot

    names = [name for name in PANELS if name in maps]
    count = 1 + len(names)
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    height, width = image.shape
    figure, axes = pyplot.subplots(rows, columns, figsize=(2.6 * columns, rows * (2.05 * height / width + 0.3) + 0.4),
                                   squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    axes.flat[0].imshow(image, cmap="gray")
    axes.flat[0].set_title("Image")
    for axis, name in zip(axes.flat[1:], names, strict=False):
        label, colours, kind = PANELS[name]
        drawn = axis.imshow(maps[name], cmap=colours, **_limits(maps, name, kind))
        axis.set_title(label)
        figure.colorbar(drawn, ax=axis, fraction=0.046 * height / width, pad=0.02).ax.tick_params(labelsize=5.5)
    lines = [title, *textwrap.wrap(f"“{text}”" if text else "no caption", 170)]
    figure.suptitle(plain("\n".join(lines)), fontsize=6.5)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=200)
    pyplot.close(figure)


def _limits(maps: Mapping[str, np.ndarray], name: str, kind: str) -> dict[str, float]:
    if kind == "unit":
        return {"vmin": 0.0, "vmax": 1.0}
    if kind == "range":
        return {}
    shared = [other for other in PANELS if other in maps and PANELS[other][2] == kind]
    top = max(float(np.abs(maps[other]).max()) for other in shared) or 1.0
    return {"vmin": -top, "vmax": top}
