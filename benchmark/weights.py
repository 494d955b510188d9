"""Which pre-trained files a cell starts from, found before anything runs; torch-free.

Any part of a model config may name a ``checkpoint``: an official name, one of our own, or a path. Those that are there
are hashed into the cell's identity, and the record names every one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.datasets.fingerprints import file_hashes
from benchmark.errors import ConfigError
from models.weights import OFFICIAL, OWN, find, weights_root

# A frozen CLIP without its weights is still a fixed description of the scene; a SAM without them is another method.
OPTIONAL = ("clip",)
RANDOM = "random"


def resolve(config: dict[str, Any]) -> tuple[str, str]:
    """Look for every checkpoint that the resolved config names, and write ``weights`` into it.

    An optional checkpoint that is absent becomes None in the config, and ``random`` in ``weights``.

    Returns:
        Fingerprint of the files (empty without any), and the reason why the cell cannot run (empty where it can).

    Raises:
        ConfigError: For a checkpoint given by a path that does not exist.
    """
    parts = {name: part for name, part in config.get("model", {}).items()
             if isinstance(part, Mapping) and "checkpoint" in part}
    if not parts or config.get("weights", {}).get("kind") != "auto":
        return "", ""
    files: dict[str, Path] = {}
    named: dict[str, str] = {}
    for name, part in parts.items():
        wanted = part["checkpoint"]
        if wanted is not None:
            path = find(wanted)
            if path is not None:
                files[name] = path
            elif wanted not in OFFICIAL and wanted not in OWN:
                raise ConfigError(f"model.{name}.checkpoint: {wanted}: no such file, and no official name; known: "
                                  f"{', '.join([*OFFICIAL, *OWN])}")
            elif name in OPTIONAL:
                part["checkpoint"] = None
            else:
                return "", (f"{wanted} not found in {weights_root()}; run `python benchmark/data.py weights {wanted}` "
                            f"or start from random weights with --set model.{name}.checkpoint=None")
        named[f"{name}_weights"] = RANDOM if part["checkpoint"] is None else Path(str(wanted)).name
    kind = "pretrained" if named.get("sam_weights", RANDOM) != RANDOM else RANDOM
    config["weights"] = {"kind": kind} | named
    hashes = file_hashes(files.values())
    lines = [f"{name}|{hashes[path]}" for name, path in sorted(files.items())]
    return (hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] if lines else ""), ""
