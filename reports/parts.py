"""One suite of a report: its result, the table made of it, and the figures drawn from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.records import SuiteResult
from reports.tables import Table


@dataclass(frozen=True)
class Part:
    """What every page needs of a suite."""

    result: SuiteResult
    table: Table
    figures: list[dict[str, str]]
    """``name, file, caption`` as ``draw_figures`` gives them."""
    folder: Path
    """Where the figures' files lie."""

    @property
    def name(self) -> str:
        """Of the suite."""
        return self.table.name
