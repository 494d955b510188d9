"""A trial as a method config that ``run.py --methods path`` takes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark import configs
from benchmark.configs import load_method
from benchmark.records import write_atomically

PROJECT = configs.CONFIG_ROOT.parent


def export(path: Path, method: str, values: Mapping[str, Any], origin: str) -> None:
    """Write a config that is ``method`` (a name or a path) with ``values`` at dotted paths; ``origin`` says whence."""
    base = Path(method) if method.endswith(".py") else configs.CONFIG_ROOT / "methods" / f"{method}.py"
    own = load_method(method)["method"]
    name = re.sub(r"(_tuned)?$", "_tuned", own["name"], count=1)
    title = own["title"].removesuffix(" (tuned)") + " (tuned)"
    text = (f'"""{title}: {origin}.\n\nThe values of ``tuned`` come after every other layer but ``--set``.\n"""\n'
            f"_base_ = {_reference(base, path)!r}\n\nmethod = dict(name={name!r}, title={title!r})\n"
            "tuned = {\n" + "".join(f"    {key!r}: {value!r},\n" for key, value in values.items()) + "}\n")
    write_atomically(path, text)


def _reference(base: Path, path: Path) -> str:
    # Relative inside the project, which can then be moved; absolute elsewhere.
    base, folder = base.resolve(), path.resolve().parent
    return os.path.relpath(base, folder) if folder.is_relative_to(PROJECT) else str(base)
