"""Draws a contact sheet of synthetic scenes: each with its targets ringed, one of them enlarged, and its caption.

For the README and for the eye of whoever changes the generator; it judges nothing.
"""

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: Python put this folder first on sys.path, we need the repository root
    sys.path[0] = str(Path(__file__).resolve().parents[3])

import argparse
import io
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.cli import EXIT_DONE, run_main
from benchmark.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmark.datasets.sample import Sample
    from benchmark.datasets.synthetic.source import SyntheticSource

PANEL_INCHES, DPI = 2.0, 100
ZOOM, ZOOM_HALF = 0.32, 12  # side of the inset as a fraction of the panel; half of its field in pixels
COLOURS = 160  # of the palette in the file: noise does not compress, and the eye sees no more


def main(argv: Sequence[str] | None = None) -> int:
    """Write the sheet and print where it is."""
    args = _parser().parse_args(argv)
    if args.rows < 1 or args.columns < 1:
        raise ConfigError(f"--rows and --columns must be at least 1, got {args.rows} and {args.columns}")
    if not args.out.parent.is_dir():
        raise ConfigError(f"--out: no folder {args.out.parent}; make it first or name another")
    if args.out.suffix.lower() != ".png":
        raise ConfigError(f"--out must end in .png, got {args.out}")
    from benchmark.datasets.synthetic.source import SyntheticSource

    config = {"counts": {"train": 12 * args.rows * args.columns}}
    source = SyntheticSource.from_config(config, seed=args.seed)
    _save(_draw(_choose(source, args.rows, args.columns), args.rows, args.columns), args.out)
    print(f"wrote {args.out} ({args.out.stat().st_size / 1024:.0f} KiB)")
    return EXIT_DONE


def _choose(source: "SyntheticSource", rows: int, columns: int) -> list["Sample"]:
    """One family a column, row by row; within a family the kind of scene shown least so far comes next."""
    by_family: dict[str, list[Sample]] = {}
    for sample in map(source.read, source.ids("train")):
        by_family.setdefault(sample.meta["scene"], []).append(sample)
    families = sorted(by_family)
    grid = []
    for column in range(columns):
        waiting, shown = by_family[families[column % len(families)]], Counter()
        for _ in range(rows):
            sample = min(waiting, key=lambda s: shown[_kind(s)])  # the first of equals
            del waiting[next(k for k, other in enumerate(waiting) if other is sample)]
            shown[_kind(sample)] += 1
            grid.append(sample)
    return [grid[column * rows + row] for row in range(rows) for column in range(columns)]


def _kind(sample: "Sample") -> tuple:
    """What sets scenes of one family apart at first sight: view, type of cloud, coast, treetops, and so on."""
    params = sample.meta["params"]
    plain = [value is None or isinstance(value, (str, bool)) for value in params.values()]
    return tuple(value for value, keep in zip(params.values(), plain, strict=True) if keep)


def _draw(samples: list["Sample"], rows: int, columns: int) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(columns * PANEL_INCHES, rows * PANEL_INCHES * 1.27), dpi=DPI)
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, sample in zip(axes, samples, strict=True):
        _panel(axis, sample)
    figure.subplots_adjust(left=0.004, right=0.996, top=0.995, bottom=0.06, wspace=0.02, hspace=0.3)
    return figure


def _panel(axis: "Axes", sample: "Sample") -> None:
    height, width = sample.image.shape
    axis.imshow(sample.image, cmap="gray", vmin=0, vmax=255)
    axis.set_axis_off()
    targets = sample.meta["targets"]
    for target in targets:
        x, y = target["center_xy"]
        radius = 5 + 2.5 * max(target["sigma"])
        axis.plot(x, y, "o", markersize=radius, markerfacecolor="none", markeredgecolor="#ffb000", markeredgewidth=0.7)
    # The inset takes the corner farthest from all targets, so that it hides none.
    corners = [(0, 0), (1 - ZOOM, 0), (0, 1 - ZOOM), (1 - ZOOM, 1 - ZOOM)]
    left, top = max(
        corners,
        key=lambda c: min(
            abs(t["center_xy"][0] / width - c[0] - ZOOM / 2) + abs(t["center_xy"][1] / height - c[1] - ZOOM / 2)
            for t in targets
        ),
    )
    inset = axis.inset_axes((left, 1 - top - ZOOM, ZOOM, ZOOM))
    x, y = targets[0]["center_xy"]
    inset.imshow(sample.image, cmap="gray", interpolation="nearest")
    inset.contour(sample.mask, levels=[0.5], colors="#ffb000", linewidths=0.7)
    inset.set(xlim=(x - ZOOM_HALF, x + ZOOM_HALF), ylim=(y + ZOOM_HALF, y - ZOOM_HALF), xticks=[], yticks=[])
    field = sample.image[max(int(y) - 12, 0) : int(y) + 13, max(int(x) - 12, 0) : int(x) + 13]
    inset.images[0].set_clim(field.min(), field.max())
    for spine in inset.spines.values():
        spine.set(edgecolor="#ffb000", linewidth=0.6)
    ratios = ", ".join(f"{target['scr']:.1f}" for target in targets)
    caption = textwrap.fill(sample.text.removeprefix("a photo of "), 56)
    axis.text(0.5, -0.02, f"SCR {ratios}", transform=axis.transAxes, ha="center", va="top", fontsize=5.5, weight="bold")
    axis.text(0.5, -0.085, caption, transform=axis.transAxes, ha="center", va="top", fontsize=4.8, linespacing=1.1)


def _save(figure: "Figure", path: Path) -> None:
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white")
    sheet = Image.open(buffer).convert("RGB")
    sheet.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.datasets.synthetic.contact_sheet",
        description="Draw a contact sheet of the built-in synthetic set.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""examples:
  python -m benchmark.datasets.synthetic.contact_sheet --out docs/synth-sirst.png
  python -m benchmark.datasets.synthetic.contact_sheet --out sheet.png --seed 7
  python -m benchmark.datasets.synthetic.contact_sheet --out large.png --rows 6 --columns 10""",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="PNG file to write")
    what = parser.add_argument_group("what is shown")
    what.add_argument("--seed", type=int, default=2025, help="seed of the set (default: %(default)s)")
    what.add_argument("--rows", type=int, default=4, help="scenes of each family in a column (default: %(default)s)")
    what.add_argument("--columns", type=int, default=5, help="columns, one family each (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(run_main(main))
