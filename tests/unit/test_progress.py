"""What a running suite prints where there is no terminal."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from benchmark.progress import Display
from benchmark.records import CellKey

CELL = SimpleNamespace(key=CellKey("acm+8ac72e23", "synth-sirst", "generated", "demo", 0))
LABELS = {CELL.key: "acm+8ac72e23 (tuned) / synth-sirst / seed 0"}


def printed(*events: dict, quiet: bool = False, verbose: bool = True) -> list[str]:
    stream = io.StringIO()
    with Display([CELL], LABELS, stream, quiet=quiet, verbose=verbose) as display:
        for event in events:
            display.hear(CELL, event)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(("event", "line"), [
    ({"stage": "train", "done": 3.0188, "total": 20, "unit": "epoch", "loss": 0.41234},
     "train  epoch 3.0/20  loss 0.412"),
    ({"stage": "test", "done": 7, "total": 214, "unit": "image"}, "test  image 7/214"),
])
def test_a_line_names_the_cell_and_how_far_it_is(event, line):
    assert printed({"kind": "progress"} | event) == [f"[1/1] {LABELS[CELL.key]}  {line}"]


def test_lines_are_rare_without_a_terminal_and_none_when_quiet():
    event = {"kind": "progress", "stage": "test", "unit": "image", "total": 9}
    events = [event | {"done": done} for done in range(9)]
    assert len(printed(*events)) == 9
    assert printed(*events, verbose=False) == printed(*events, {"kind": "note", "text": "slow"}, quiet=True) == []
    assert printed({"kind": "note", "text": "slow"}) == [f"[1/1] {LABELS[CELL.key]}  slow"]
