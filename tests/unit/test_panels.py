"""Legends under panels: inside the page whatever the methods are called, and in three columns where these fit."""

from __future__ import annotations

import pytest

from reports.panels import PAGE_WIDTH, legend_below
from reports.style import apply_style

LONG = ["IPI", "Top-Hat", "MSLSTIPT", "ACM", "SAM (zero-shot)", "SAM", "SAM-HQ", "SAIST-Mobile"]


@pytest.mark.parametrize(("titles", "columns"), [
    (["ACM", "IPI"], 3), (LONG, 2), ([f"method {number} of a very long name indeed" for number in range(5)], 1)])
@pytest.mark.parametrize("panels", [1, 3])
def test_the_legend_of_the_last_panel_ends_on_the_page(titles, columns, panels):
    apply_style()
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, panels, figsize=(PAGE_WIDTH / 3 * panels, 3.0), squeeze=False)
    axis = axes[0][-1]
    figure.subplots_adjust(right=1 - 0.12 / figure.get_figwidth(), wspace=0.2)
    for title in titles:
        axis.plot([0, 1], [0, 1], label=f"{title} 0.9999")
    legend_below(axis)
    figure.canvas.draw()
    box = axis.get_legend().get_window_extent()
    assert box.x1 <= figure.bbox.x1 and axis.get_legend()._ncols == columns
    plt.close(figure)
