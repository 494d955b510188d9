"""How every figure looks: fonts, sizes, and a palette that colour-blind readers can tell apart."""

from __future__ import annotations

import matplotlib

# Okabe and Ito 2008, black last; with dashes, so that curves also differ in a grey print.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
DASHES = ("-", "--", "-.", ":")


def apply_style() -> None:
    """Set matplotlib's defaults; output bytes depend on the data alone (no dates, no random element ids)."""
    matplotlib.use("Agg", force=True)
    matplotlib.rcParams.update({
        "font.family": "DejaVu Sans", "font.size": 8, "axes.titlesize": 9, "axes.spines.top": False,
        "axes.spines.right": False, "axes.grid": True, "grid.color": "#dddddd", "grid.linewidth": 0.5,
        "legend.frameon": False, "legend.fontsize": 7, "lines.linewidth": 1.4, "svg.hashsalt": "saist-bench",
        "svg.fonttype": "path", "savefig.bbox": "tight",
    })


def curve_style(index: int) -> dict[str, str]:
    """Colour and dashes of the ``index``-th curve of a figure."""
    return {"color": PALETTE[index % len(PALETTE)], "linestyle": DASHES[(index // len(PALETTE)) % len(DASHES)]}
