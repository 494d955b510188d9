"""How a running suite looks: a live display on a terminal, plain lines everywhere else, one final line when quiet."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from benchmark.records import CellKey, Outcome, Status
from benchmark.suites import Cell

PLAIN_INTERVAL_SECONDS = 15.0


class Display:
    """Listener of ``schedule.run``: ``with Display(...) as display: run(..., display.hear)``.

    Args:
        cells: What will run.
        labels: What each is called (``suites.cell_labels``).
        stream: Where it is written.
        quiet: Show nothing.
        verbose: Without a terminal, print every event instead of one in ``PLAIN_INTERVAL_SECONDS``.
    """

    def __init__(self, cells: Sequence[Cell], labels: Mapping[CellKey, str], stream: TextIO, *, quiet: bool,
                 verbose: bool) -> None:
        self.labels = {cell.key: f"[{index}/{len(cells)}] {labels[cell.key]}"
                       for index, cell in enumerate(cells, start=1)}
        self.quiet, self.verbose = quiet, verbose
        self.console = Console(file=stream, highlight=False, soft_wrap=True)
        self.live = self.console.is_terminal and not quiet and bool(cells)
        self.bars = Progress(TextColumn("{task.description}"), BarColumn(bar_width=24),
                             TextColumn("{task.fields[detail]}"), TimeRemainingColumn(), console=self.console)
        self.tasks: dict[Any, TaskID] = {}
        self.last_line: dict[Any, float] = {}
        self.stage_started: dict[Any, tuple[str, float, float]] = {}

    def __enter__(self) -> Display:
        if self.live:
            self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self.live:
            self.bars.stop()

    def hear(self, cell: Cell, event: dict[str, Any]) -> None:
        """Show one event of one cell."""
        kind = event["kind"]
        if kind == "started" and self.live:
            self.tasks[cell.key] = self.bars.add_task(self.labels[cell.key], total=None, detail="starting")
        elif kind == "progress":
            self._progress(cell, event)
        elif kind == "note" and not self.quiet:
            self._print(f"{self.labels[cell.key]}  {event['text']}")
        elif kind in ("lost", Status.DONE.value, Status.FAILED.value):
            if cell.key in self.tasks:
                self.bars.remove_task(self.tasks.pop(cell.key))
            if self.quiet:
                return
            if kind == "lost":
                self._print(f"{self.labels[cell.key]}  {event['error']}; goes on elsewhere from its last checkpoint")
            else:
                self._print(f"{self.labels[cell.key]}  {describe(event['outcome'])}  {duration(event['seconds'])}")

    def _progress(self, cell: Cell, event: dict[str, Any]) -> None:
        detail = f"{event['stage']}  {event['unit']} {_count(event['done'])}/{event['total']}"
        if "loss" in event:
            detail += f"  loss {event['loss']:.3f}"
        if self.live:
            self.bars.update(self.tasks[cell.key], completed=event["done"], total=event["total"], detail=detail)
            return
        now = time.monotonic()
        stage, since, first = self.stage_started.get(cell.key, ("", now, 0.0))
        if stage != event["stage"]:
            since, first = now, event["done"]
            self.stage_started[cell.key] = (event["stage"], since, first)
        if self.quiet or now - self.last_line.get(cell.key, since) < PLAIN_INTERVAL_SECONDS and not self.verbose:
            self.last_line.setdefault(cell.key, now)
            return
        self.last_line[cell.key] = now
        done_now = event["done"] - first
        left = (event["total"] - event["done"]) * (now - since) / done_now if done_now > 0 else None
        self._print(f"{self.labels[cell.key]}  {detail}" + ("" if left is None else f"  eta {duration(left)}"))

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False)


def describe(outcome: Outcome) -> str:
    """Status and the figures that matter, or the reason, on one line."""
    if outcome.record is None:
        return f"{outcome.status.value.upper() if outcome.status is Status.FAILED else outcome.status.value}" + (
            f"  {outcome.reason}" if outcome.reason else "")
    shown = []
    for name, title in (("iou", "IoU"), ("niou", "nIoU"), ("pd", "Pd")):
        value = outcome.record.metrics[name].value
        shown.append(f"{title} {'–' if value is None else f'{value:.4f}'}")
    value = outcome.record.metrics["fa"].value
    shown.append(f"Fa {'–' if value is None else f'{value:.2f}'}e-6")
    return f"{outcome.status.value}  " + "  ".join(shown)


def tally(outcomes: Sequence[Outcome]) -> str:
    """``'26 done, 1 failed, 12 pending'``: the statuses that occur, in their fixed order."""
    counts = Counter(outcome.status for outcome in outcomes)
    return ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status]) or "no cells"


def _count(done: float) -> str:
    return f"{done:.1f}" if isinstance(done, float) else str(done)


def duration(seconds: float) -> str:
    """``'8.2s'``, ``'14m02s'`` or ``'5h12m'``."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"
