"""How every figure looks: fonts, sizes, and a palette that colour-blind readers can tell apart."""

from __future__ import annotations

import matplotlib

# Okabe and Ito 2008 without their yellow, which is too light for a line on white; with dashes, so that curves also
# differ in a grey print and the sixteen methods of table 1 never share colour and dash.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":")


def apply_style() -> None:
    """Set matplotlib's defaults; output bytes depend on the data alone (no dates, no random element ids)."""
    matplotlib.use("Agg", force=True)
    matplotlib.rcParams.update({
        "font.family": "DejaVu Sans", "font.size": 7.5, "axes.titlesize": 8.5, "axes.spines.top": False,
        "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True, "grid.color": "#e3e3e3",
        "grid.linewidth": 0.5, "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
        "legend.frameon": False, "legend.fontsize": 5.8, "legend.handlelength": 2.0, "legend.columnspacing": 0.8,
        "legend.handletextpad": 0.4, "legend.labelspacing": 0.3, "legend.borderaxespad": 0.0,
        "lines.linewidth": 1.2, "svg.hashsalt": "saist-bench", "svg.fonttype": "path",
        "savefig.bbox": None,
    })


def curve_style(index: int) -> dict[str, str]:
    """Colour and dashes of the ``index``-th curve of a figure."""
    return {"color": PALETTE[index % len(PALETTE)], "linestyle": DASHES[(index // len(PALETTE)) % len(DASHES)]}


def plain(text: str) -> str:
    """The text as matplotlib prints it as it is: a dollar opens no formula."""
    return text.replace("$", r"\$")
