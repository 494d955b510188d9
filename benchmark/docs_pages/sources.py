"""What source files say about themselves, each read once: docstrings, classes, configs and what was published."""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import Any

from mmengine.config import Config

from benchmark import configs
from reports.published import load_originals, load_printed

PROJECT = Path(__file__).resolve().parents[2]
CODE = ("baselines", "models")
"""Folders in which the parts of methods are looked for."""


@functools.cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def docstring(path: Path) -> str:
    """The docstring of a file, empty without one."""
    return ast.get_docstring(parsed(path)) or ""


@functools.cache
def classes() -> dict[str, tuple[Path, str]]:
    """File and docstring of every class of the methods' code, by name."""
    found = {}
    for folder in CODE:
        for path in sorted((PROJECT / folder).rglob("*.py")):
            for node in parsed(path).body:
                if isinstance(node, ast.ClassDef):
                    found[node.name] = path, ast.get_docstring(node) or ""
    return found


# A page asks for the same configs many times, and each takes milliseconds; none of what is kept here is changed.
config = functools.cache(configs.load)
printed = functools.cache(load_printed)
originals = functools.cache(load_originals)


def method(name: str) -> dict[str, Any]:
    """The ``method`` dict of a method's config."""
    return config("methods", name)["method"]


def bases(path: Path) -> list[Path]:
    """The config files on which a config stands, nearest first."""
    found: list[Path] = []
    for base in Config._get_base_files(str(path)):
        near = (path.parent / base).resolve()
        found += [near, *bases(near)]
    return found


def inside(path: Path) -> str:
    """The path from the repository's root."""
    return path.relative_to(PROJECT).as_posix()
