"""Pd by target size: the shares that the kept targets give, as bars of a few methods and as cells of many."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from matplotlib import pyplot as plt

from reports.breakdown import MOST_BARS, SIZES, size_figure
from reports.figures import draw_figures
from reports.panels import Scene, draw_cells
from reports.style import apply_style


def scene(tmp_path, count: int) -> Scene:
    """Methods of which number k found k of the targets of 5 pixels, all of 30, and saw no other."""
    outcomes = []
    for number in range(count):
        folder = tmp_path / f"m{number}"
        folder.mkdir()
        small = [[5, place < number, "found"] for place in range(count)]
        row = {"image_id": "a", "false": 0, "targets": [*small, [30, True, "found"]]}
        (folder / "details.jsonl").write_text(json.dumps(row) + "\n")
        key = SimpleNamespace(method=f"m{number}", dataset="d")
        outcomes.append(SimpleNamespace(key=key, folder=folder, record=SimpleNamespace(key=key)))
    return Scene({f"m{number}": f"Method {number}" for number in range(count)}, [{"name": "d", "title": "D"}],
                 outcomes, {})


def test_a_few_methods_are_bars(tmp_path):
    apply_style()
    figure = size_figure(scene(tmp_path, MOST_BARS))
    axis = figure.axes[0]
    heights = [bar.get_height() for bar in axis.patches]
    expected = [height for number in range(MOST_BARS) for height in (number / MOST_BARS, 1.0)]
    assert heights == pytest.approx(expected) and not axis.images
    assert [label.get_text() for label in axis.get_xticklabels()] == [
        f"1–9 ({MOST_BARS})", "10–24 (0)", "25–49 (1)", "≥ 50 (0)"]
    plt.close(figure)


def test_many_methods_are_rows_of_cells_with_a_dash_where_there_was_no_target(tmp_path):
    apply_style()
    many = MOST_BARS + 1
    figure = size_figure(scene(tmp_path, many))
    axis = figure.axes[0]
    texts = [text.get_text() for text in axis.texts]
    assert texts == [text for number in range(many) for text in (f"{number / many:.2f}", "–", "1.00", "–")]
    assert axis.images[0].get_array().shape == (many, len(SIZES)) and not axis.patches
    assert [label.get_text() for label in axis.get_yticklabels()] == [f"Method {number}" for number in range(many)]
    plt.close(figure)


def test_a_method_beside_whose_record_nothing_was_kept_is_named_in_the_caption(tmp_path):
    shown = scene(tmp_path, 2)
    shown.outcomes[1].folder = tmp_path / "nothing"
    methods = [{"name": "m0", "title": "Seen"}, {"name": "m1", "title": "Bare", "reconstruction": True}]
    suite = {"figures": ["sizes"], "methods": methods, "datasets": shown.datasets}
    (drawn,) = draw_figures(SimpleNamespace(suite=suite, outcomes=shown.outcomes), tmp_path / "figures")
    assert drawn["file"] and drawn["caption"].endswith("nothing was kept beside their records: Bare†.")


def test_numbers_in_cells_stand_out_from_their_shade():
    figure, axis = plt.subplots()
    draw_cells(axis, [[0.05, 0.95, None]], "{:.1f}", scale=100)
    assert [(text.get_text(), text.get_color()) for text in axis.texts] == [
        ("5.0", "white"), ("95.0", "black"), ("–", "black")]
    plt.close(figure)
