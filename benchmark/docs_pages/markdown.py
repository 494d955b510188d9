"""Docstrings and help texts as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).with_name("templates")), undefined=StrictUndefined,
                        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)


def render(template: str, **values: object) -> str:
    """The page that a template makes of the values: no blank line twice, one line end at its end."""
    text = TEMPLATES.get_template(template).render(**values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def prose(text: str) -> str:
    """A docstring as Markdown.

    Double backticks become single ones, what looks like HTML outside of them is escaped, and a line that begins with
    ``name:`` or ``[A]`` begins a line there too.
    """
    text = re.sub(r"(?<=[^\n])\n(?=[\w.]+(?:, [\w.]+)*: |\[\w\] )", "\\\\\n", text)
    parts = re.split(r"(`+[^`]+`+)", text)
    return "".join(re.sub(r"`+", "`", part) if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def cell(text: object) -> str:
    """The text of a table's cell: on one line, its bars escaped."""
    return prose(" ".join(str(text).split())).replace("|", r"\|")


def table(head: Sequence[str], rows: Iterable[Sequence[object]], align: str = "") -> str:
    """A table; ``align`` has a letter a column, ``r`` for numbers. Empty without rows."""
    lines = ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    if not lines:
        return ""
    rule = "|" + "|".join("--:" if side == "r" else "---" for side in align.ljust(len(head), "l")) + "|"
    return "\n".join(["| " + " | ".join(head) + " |", rule, *lines])


TEMPLATES.filters.update(prose=prose, cell=cell)
