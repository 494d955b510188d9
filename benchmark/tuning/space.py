"""Search spaces: which config values a search may change, and within what; read from ``configs/tune``, checked here.

A space maps dotted config paths to ranges: ``dict(low=…, high=…)`` of two whole numbers or of fractions, with
``log=True`` for a logarithmic scale or ``step=…``, or ``dict(of=(…))`` for a choice. A path with a ``+`` before it may
be absent from the config (an optimiser's ``weight_decay``, say) and then names its ``default``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark import configs
from benchmark.errors import ConfigError, unknown_name

NETWORK = "network"
"""The space of a trainable method that has none of its own."""
RANGE_KEYS, CHOICE_KEYS = {"low", "high", "log", "step", "default"}, {"of", "default"}

Space = dict[str, dict[str, Any]]


def load_space(method: Mapping[str, Any], path: str | None = None) -> Space:
    """Space of a method config: from ``path``, else its own, else its base's name, else the networks' common one.

    Raises:
        ConfigError: Where there is none or a range is malformed.
    """
    name = method["method"]["name"]
    if path is not None:
        content, where = configs.load_file(Path(path)), path
    else:
        names, known = (name, name.removesuffix("_tuned")), configs.known("tune")
        found = next((choice for choice in names if choice in known), None)
        if found is None and not method["method"]["trainable"]:
            raise ConfigError(f"no search space for {name}; write configs/tune/{name}.py or give one with --space")
        where = f"configs/tune/{found or NETWORK}.py"
        content = configs.load("tune", found or NETWORK)
    space = content.get("space")
    if not isinstance(space, dict) or not space:
        raise ConfigError(f"{where}: expected space = {{'dotted.path': dict(low=..., high=...), ...}}")
    for key, entry in space.items():
        _check(where, key, entry)
    return space


def defaults(space: Space, config: Mapping[str, Any]) -> dict[str, Any]:
    """The value that the config has at each path of the space.

    Raises:
        ConfigError: For a path that the config lacks (near matches are named) or a value outside its range.
    """
    found = {}
    for path, entry in space.items():
        value = configs.look_up(config, path, entry.get("default"))
        if not contains(entry, value):
            raise ConfigError(f"search space: {path} is {value!r} in the config, outside of {describe(entry)}; widen "
                              "the space or fix the value with --set")
        found[path] = value
    return found


def contains(entry: Mapping[str, Any], value: Any) -> bool:
    """Whether a value can come out of this range."""
    if "of" in entry:
        return value in entry["of"]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not entry["low"] <= value <= entry["high"]:
        return False
    return "step" not in entry or (value - entry["low"]) % entry["step"] == 0


def describe(entry: Mapping[str, Any]) -> str:
    """``'0.001 to 0.1, logarithmic'`` or ``'one of 4, 8'``."""
    if "of" in entry:
        return f"one of {', '.join(str(value) for value in entry['of'])}"
    more = ", logarithmic" if entry.get("log") else f" in steps of {entry['step']}" if "step" in entry else ""
    return f"{entry['low']} to {entry['high']}{more}"


def distributions(space: Space) -> dict[str, Any]:
    """Optuna's distribution of each path."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found = {}
    for path, entry in space.items():
        if "of" in entry:
            found[path] = CategoricalDistribution(list(entry["of"]))
        else:
            whole = isinstance(entry["low"], int) and isinstance(entry["high"], int)
            options = {name: entry[name] for name in ("log", "step") if name in entry}
            found[path] = (IntDistribution if whole else FloatDistribution)(entry["low"], entry["high"], **options)
    return found


def _check(where: str, path: str, entry: Any) -> None:
    keys = CHOICE_KEYS if isinstance(entry, dict) and "of" in entry else RANGE_KEYS
    if not isinstance(entry, dict) or not ({"low", "high"} <= entry.keys() or entry.get("of")):
        raise ConfigError(f"{where}: {path}: expected dict(low=..., high=...) or dict(of=(...)), got {entry!r}")
    for key in entry.keys() - keys:
        raise ConfigError(f"{where}: {path}: {unknown_name('key', key, keys)}")
    try:
        if "of" not in entry and not entry["low"] < entry["high"]:
            raise ConfigError(f"{where}: {path}: low < high must hold, but got {entry['low']} and {entry['high']}")
        distributions({path: entry})
    except (TypeError, ValueError, OverflowError) as error:  # Optuna's rules for step and log
        raise ConfigError(f"{where}: {path}: no range to draw from: {error}") from error
    if path.startswith("+") and "default" not in entry:
        raise ConfigError(f"{where}: {path}: a path that may be absent needs a default")
