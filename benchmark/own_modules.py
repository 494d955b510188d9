"""Modules of a method that lives outside the repository: a network beside its config, importable by every process.

Nothing of git says which version of such a file ran, so its hash stands in the config: a changed file makes the
method's cells stale, as a changed value does.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from benchmark.errors import ConfigError

FOLDERS: list[str] = []
"""Those of all methods that were admitted; processes that inherit no ``sys.path`` need them."""


def admit(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The method config, with ``custom_imports.sha256`` for each module that lies beside it or beside its bases.

    Their folders join ``sys.path``, at its end, which processes that are started later inherit.

    Args:
        content: What the file at ``path`` holds, bases merged.
        path: Of the config.

    Raises:
        ConfigError: For a module that is neither there nor installed, and for ``custom_imports`` of another form.
    """
    custom = content.get("custom_imports", {"imports": []})
    if not isinstance(custom, Mapping) or not isinstance(imports := custom.get("imports"), list):
        raise ConfigError(f"{path}: custom_imports is dict(imports=[...]) with names of modules")
    hashes = {}
    for folder in _folders(path.resolve()):
        for name in imports:
            file = folder.joinpath(*name.split(".")).with_suffix(".py")
            if file.is_file() and name not in hashes:
                hashes[name] = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
                if str(folder) not in sys.path:
                    sys.path.append(str(folder))
                    FOLDERS.append(str(folder))
    for name in imports:
        if name not in hashes and importlib.util.find_spec(name.split(".")[0]) is None:
            raise ConfigError(f"{path}: custom_imports names {name}, but there is no {name.replace('.', '/')}.py "
                              "beside the config, and no such package is installed")
    if not hashes:
        return dict(content)
    return {**content, "custom_imports": {**custom, "sha256": hashes}}


def _folders(path: Path) -> list[Path]:
    # A tuned config lies in the work folder and names the method's own as its base.
    found = [path.parent]
    for base in Config._get_base_files(str(path)):
        found += _folders((path.parent / base).resolve())
    return list(dict.fromkeys(found))
