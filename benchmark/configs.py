"""Reading config files and composing them into the one resolved config of a cell; imports no torch.

Order, later wins: profile (on ``_base_/common.py``), method, its ``recipes[<recipe>]``, the profile's
``networks`` (for a method that trains) and ``per_dataset[<dataset>]``, the recipe's and then the method's own
``profiles[<profile>]``, the settings of a variant, dataset (its ``text`` under the method's ``texts``),
``--split``/``--protocol``, the method's ``tuned`` values (by dotted path, as ``tune.py`` exports them), ``--set``. What
a method does not use is left out, so that it cannot make a cell stale.

A recipe is how a method is trained: ``authors``, its authors' optimiser (with their schedule and budget in the
``paper`` profile), or ``common``, the profile's own for all. A resolved config names it only where it is ``common``.
"""

from __future__ import annotations

import ast
import copy
import difflib
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from benchmark import own_modules
from benchmark.errors import ConfigError, unknown_name

CONFIG_ROOT = Path(__file__).resolve().parents[1] / "configs"
TRAINING_KEYS = ("view", "train_cfg", "train_dataloader", "optim_wrapper", "param_scheduler", "selection", "recipe")
PLAN_KEYS = ("profile", "profiles", "recipes", "synthetic", "networks", "per_dataset", "tuned")
# Said about a dataset for people; a changed word must not make a cell stale.
PROSE_KEYS = ("homepage", "licence", "download", "pairs")
METHOD_FIELDS = {"name": str, "title": str, "type": str, "trainable": bool}
DATASET_FIELDS = {"name": str, "title": str, "layout": str, "real": bool, "default_split": str}
LAYERS = ("recipes", "profiles", "tuned")
RECIPES = ("authors", "common")
SELECTIONS = ("auto", "val-best", "last", "test-best")


def known(kind: str) -> list[str]:
    """Names of the config files in ``configs/<kind>``."""
    return sorted(path.stem for path in (CONFIG_ROOT / kind).glob("*.py"))


def load(kind: str, name: str) -> dict[str, Any]:
    """Plain dict of ``configs/<kind>/<name>.py``. Raises ``ConfigError`` for an unknown name or a broken file."""
    if name not in known(kind):
        raise ConfigError(unknown_name(kind.removesuffix("s"), name, known(kind)))
    return to_plain(_load_once(CONFIG_ROOT / kind / f"{name}.py"))


def load_method(name_or_path: str) -> dict[str, Any]:
    """A method's config by name, or from a file, beside which its modules may lie (see ``benchmark.own_modules``).

    Raises ``ConfigError`` for neither.
    """
    path = Path(name_or_path)
    if path.suffix != ".py":
        return load("methods", name_or_path)
    content = load_file(path)
    if not isinstance(content.get("method"), dict) or not isinstance(content.get("model"), dict):
        raise ConfigError(f"{path}: a method's config holds method = dict(...) and model = dict(...)")
    check_fields(content["method"], METHOD_FIELDS, f"{path}: method")
    check_fields({name: {} for name in LAYERS} | content, dict.fromkeys(LAYERS, dict), str(path))
    return own_modules.admit(content, path)


def load_file(path: Path) -> dict[str, Any]:
    """Plain dict of a config file, bases merged. Raises ``ConfigError`` with the file and the cause in one line."""
    try:
        # custom_imports belong to the process that runs the cell: here they would import torch
        return to_plain(Config.fromfile(path, import_custom_modules=False).to_dict())
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such config file") from error
    except (Exception, SystemExit) as error:  # a config is Python: anything may be wrong with it
        message = " ".join(str(error).split()) or "no message; a config holds plain values and imports no network"
        raise ConfigError(f"{path}: {type(error).__name__}: {message}") from error


@functools.cache
def _load_once(path: Path) -> dict[str, Any]:
    # MMEngine copies a file and its bases into temporary folders to read them, and suites share most of theirs.
    return load_file(path)


def compose(layers: Mapping[str, Any], overrides: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The resolved config of one cell: JSON types only, nothing left to look up.

    Args:
        layers: What ``merge`` gives for the cell; what its method does not use is left out here.
        overrides: ``(dotted path, value)``; a path that this config lacks is passed over (see ``check_overrides``).

    Raises:
        ConfigError: For an override of another kind than the value it replaces.
    """
    dropped = () if layers["method"]["trainable"] else TRAINING_KEYS
    config = to_plain({name: value for name, value in layers.items() if name not in dropped})
    for path, value in overrides:
        if _has(config, path):
            _check_kind(path, _get(config, path), value)
            assign(config, path, value)
    return _checked(config)


def merge(*, profile: Mapping[str, Any], method: Mapping[str, Any], dataset: Mapping[str, Any], split: str, seed: int,
          protocol: str | None, recipe: str | None = None,
          settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All layers of a cell's config in their order.

    Args:
        profile: Loaded profile config.
        method: Loaded method config.
        dataset: The ``dataset`` dict of a dataset config.
        split: Name or path of the split.
        seed: Of the cell.
        protocol: Counting protocol, or None for the profile's.
        recipe: ``'authors'`` or ``'common'``, or None for the profile's. A method without ``recipes`` has only the
            common one.
        settings: Of a variant: dotted path → value, over all other layers; ``_delete_=True`` in a dict replaces.

    Raises:
        ConfigError: For a setting whose path the method does not have.
    """
    name = profile["profile"]["name"]
    like = profile["profile"].get("like", name)
    wanted = recipe or profile["profile"]["recipe"]
    trained = method.get("recipes", {}).get(wanted, {})
    layers = (method, trained, profile.get("networks", {}) if method["method"]["trainable"] else {},
              profile.get("per_dataset", {}).get(dataset["name"], {}),
              trained.get("profiles", {}).get(like, {}), method.get("profiles", {}).get(like, {}))
    resolved = Config(to_plain(profile))
    try:
        for layer in layers:
            resolved.merge_from_dict(to_plain(layer))  # MMEngine takes _delete_ out of what it merges
    except (TypeError, ValueError, KeyError, AttributeError) as error:  # MMEngine's, for what is no dict
        raise ConfigError(f"{method['method']['name']}: its config does not fit profile {name}: {error}") from error
    for path in settings or {}:
        if not _has(content := resolved.to_dict(), path):
            near = difflib.get_close_matches(path, _paths(content), n=3, cutoff=0.5)
            raise ConfigError(f"variant of {method['method']['name']}: its config has no {path}"
                              + (f"; did you mean {' or '.join(near)}?" if near else ""))
    resolved.merge_from_dict(to_plain(settings or {}))
    config = to_plain(resolved.to_dict())
    unused = PROSE_KEYS if method["method"].get("text") else (*PROSE_KEYS, "text")
    config["dataset"] = to_plain({name: value for name, value in dataset.items() if name not in unused})
    if dataset["layout"] == "synthetic":
        config["dataset"] |= to_plain(profile.get("synthetic", {}))
    texts = config.pop("texts", {})
    if texts and method["method"].get("text"):
        config["dataset"]["text"] = config["dataset"].get("text", {}) | texts
    config |= {"split": split, "seed": seed, "profile_name": name}
    if wanted not in method.get("recipes", {}):
        config["recipe"] = "common"
    if protocol is not None:
        config["evaluation"]["protocol"] = protocol
    for path, value in method.get("tuned", {}).items():
        assign(config, path, value)
    return {name: value for name, value in config.items() if name not in PLAN_KEYS}


def without_checkpoints(model: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a method's ``model`` whose parts start from random weights: no file is asked for."""
    return {name: {**part, "checkpoint": None} if isinstance(part, Mapping) and "checkpoint" in part
            else copy.deepcopy(part) for name, part in model.items()}


def parse_override(text: str) -> tuple[str, Any]:
    """``('train_cfg.max_epochs', 9)`` for ``'train_cfg.max_epochs=9'``; values are Python literals, else strings."""
    path, separator, value = text.partition("=")
    if not separator or not path.strip():
        raise ConfigError(f"--set {text!r}: expected KEY=VALUE, for example --set train_cfg.max_epochs=9")
    try:
        found = ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # what Python says of texts like {[]: 1}
        found = value.strip()
    try:
        json.dumps(to_plain(found), allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"--set {path.strip()}: a record cannot hold the value ({error}); expected finite numbers, "
                          "texts, True, False, None, lists or dicts of them") from error
    return path.strip(), found


def check_overrides(overrides: Sequence[tuple[str, Any]], configs: Sequence[Mapping[str, Any]]) -> None:
    """Raise ``ConfigError`` for an override whose path no config has, or whose value is of another kind.

    ``configs`` are those of ``merge``: that a selected method does not train is no reason to refuse ``train_cfg``.
    """
    for path, value in overrides:
        having = [config for config in configs if _has(config, path)]
        if not having:
            paths = sorted({found for config in configs for found in _paths(config)})
            near = difflib.get_close_matches(path, paths, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "see --dry-run -v for every path"
            raise ConfigError(f"--set {path}: no selected cell has this key; {hint}")
        _check_kind(path, _get(having[0], path), value)


def assign(config: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path, which must be there; after a ``+`` it may be new to the mapping that holds it.

    Raises:
        ConfigError: For a path that is not there, with near matches.
    """
    look_up(config, path)
    *parents, last = path.removeprefix("+").split(".")
    node = config
    for key in parents:
        node = node[key]
    node[last] = to_plain(value)


def look_up(config: Mapping[str, Any], path: str, default: Any = None) -> Any:
    """The value at a dotted path; for one after a ``+`` that is not there, ``default``. Raises like ``assign``."""
    plain = path.removeprefix("+")
    if _has(config, plain):
        return _get(config, plain)
    parent = plain.rpartition(".")[0]
    if plain == path or parent and not (_has(config, parent) and isinstance(_get(config, parent), Mapping)):
        paths = _paths(config)
        near = difflib.get_close_matches(plain, paths, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "run.py --dry-run -v shows every path"
        raise ConfigError(f"{path}: the config has no such key; {hint}")
    return default


def to_plain(value: Any) -> Any:
    """A copy of the value with tuples as lists, as it will look after a round trip through JSON."""
    if isinstance(value, (dict, Mapping)):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def _check_kind(path: str, old: Any, value: Any) -> None:
    whole_section = value is None and isinstance(old, Mapping) and "." not in path
    if whole_section or old is not None and value is not None and not _same_kind(old, value):
        raise ConfigError(f"--set {path}={value!r}: expected {type(old).__name__} like {old!r}, "
                          f"got {type(value).__name__}")


def _checked(config: dict[str, Any]) -> dict[str, Any]:
    # what every cell needs before anything is opened
    for name in ("method", "model", "dataset", "evaluation"):
        if not isinstance(config.get(name), Mapping):
            raise ConfigError(f"the config's {name} must be a dict, got {config.get(name)!r}")
    check_fields(config["method"], METHOD_FIELDS, "method")
    check_fields(config["dataset"], DATASET_FIELDS, "dataset")
    training = config.get("train_cfg")
    epochs = training.get("max_epochs", 1) if isinstance(training, Mapping) else 1
    if not isinstance(epochs, int) or epochs < 1:
        raise ConfigError(f"train_cfg.max_epochs must be a whole number of at least 1, got {epochs!r}")
    if not isinstance(config["evaluation"].get("threshold"), (int, float)):
        raise ConfigError(f"evaluation.threshold must be a number, got {config['evaluation'].get('threshold')!r}")
    return config


def check_fields(values: Mapping[str, Any], types: Mapping[str, type], where: str) -> None:
    """Raise ``ConfigError`` where a field is absent or of another type."""
    for name, kind in types.items():
        if not isinstance(values.get(name), kind):
            raise ConfigError(f"{where}: {name} must be a {kind.__name__}, got {values.get(name)!r}")


def _same_kind(old: Any, new: Any) -> bool:
    numbers = (int, float)
    if isinstance(old, numbers) and not isinstance(old, bool):
        return isinstance(new, numbers) and not isinstance(new, bool) or isinstance(new, str) and new == "exact"
    if isinstance(old, (list, tuple)):
        return isinstance(new, (list, tuple))
    return isinstance(new, type(old))


def _paths(config: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in config.items():
        found.append(prefix + key)
        if isinstance(value, Mapping):
            found += _paths(value, f"{prefix}{key}.")
    return found


def _has(config: Mapping[str, Any], path: str) -> bool:
    node: Any = config
    for key in path.split("."):
        if not isinstance(node, Mapping) or key not in node:
            return False
        node = node[key]
    return True


def _get(config: Mapping[str, Any], path: str) -> Any:
    node: Any = config
    for key in path.split("."):
        node = node[key]
    return node
