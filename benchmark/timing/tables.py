"""Rows of plain values as a table on a terminal: what ``perf.py`` prints where there is nothing to divide by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

ABSENT = "–"
WIDE = 160


def print_rows(rows: Sequence[Mapping[str, Any]], console: Console | None = None) -> None:
    """One line a row under the keys of all rows as they first occur; numbers to four digits, large ones whole."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        numeric = any(isinstance(row.get(column), (int, float)) for row in rows)
        table.add_column(column.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(text_of(row.get(column)) for column in columns))
    if console is None:
        console = Console()
        if not console.is_terminal:  # in a file or a pipe nothing says how wide lines may be
            console.width = WIDE
    console.print(table)


def text_of(value: Any) -> str:
    """The value as a cell shows it: a dash for None, numbers to four digits, large ones whole."""
    if value is None:
        return ABSENT
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
