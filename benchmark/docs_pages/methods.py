"""Pages of methods, from their configs and the docstrings of their configs and networks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark import configs
from benchmark.docs_pages import measured, sources
from benchmark.docs_pages.differences import counterpart, original_rows, published_table
from benchmark.docs_pages.markdown import render, table
from benchmark.docs_pages.measured import Run
from benchmark.docs_pages.sources import bases, classes, config, docstring, inside
from benchmark.errors import ConfigError
from benchmark.tuning import space as spaces

SHARED = ("BaselineSegmentor",)
"""Parts that are the same for every network; a page names them but is not about them."""


def method_pages(runs: Sequence[Run]) -> dict[str, tuple[str, str]]:
    """By file: the page and the first line of the method's config."""
    found = {}
    for name in configs.known("methods"):
        content = config("methods", name)
        own = [run for run in runs if run.method == name]
        about = docstring(_path(name)).splitlines()[0]
        found[f"methods/{name}.md"] = _page(name, content, own), about
    return found


def parameters(name: str) -> str:
    """The number of parameters that a config's docstring states; a dash where it states none."""
    stated = re.search(r"^Parameters: ([\d,]*\d)", docstring(_path(name)), re.MULTILINE)
    return stated[1] if stated else "–"


def operations(name: str) -> str:
    """The multiply-accumulates that it states, with the input's size; a dash where it states none."""
    stated = re.search(r"Multiply-accumulates at (\S+):\s+([\d.]+ \w)", docstring(_path(name)))
    return f"{stated[2]} at {stated[1]}" if stated else "–"


def _page(name: str, content: Mapping[str, Any], runs: Sequence[Run]) -> str:
    method, path = content["method"], _path(name)
    parts = list(_parts(content["model"]))
    home = next((part for part in parts if part[0] not in SHARED), None)
    file = classes()[home[0]][0] if home else None
    paper = counterpart(name)
    return render(
        "method.md.j2", name=name, method=method, parameters=parameters(name), operations=operations(name),
        config=(inside(path), docstring(path)), network=(inside(file), docstring(file)) if file else ("", ""),
        bases=[(inside(base), docstring(base)) for base in bases(path)],
        parts=table(("part", "class", "what it is", "settings"), [
            (f"`{where}`", f"[{kind}](../../{inside(classes()[kind][0])})", classes()[kind][1].splitlines()[0],
             _settings(values)) for kind, where, values in parts if kind in classes()]),
        trainings=_trainings(content) if method["trainable"] else "", space=_space(content),
        results=measured.result_table(runs), origins=measured.origin_table(runs),
        paper=paper, paper_title=sources.method(paper)["title"] if paper else "",
        published=published_table(paper) if paper else "",
        originals=table(("set", "IoU (10⁻²)", "printed by", "where"), original_rows(name), "lr"),
    )


def _path(name: str) -> Path:
    return configs.CONFIG_ROOT / "methods" / f"{name}.py"


def _parts(model: Mapping[str, Any], where: str = "model") -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    # every part of a model that names a class: (class, dotted path, its values)
    if "type" in model:
        yield model["type"], where, model
    for key, value in model.items():
        if isinstance(value, Mapping):
            yield from _parts(value, f"{where}.{key}")


def _settings(values: Mapping[str, Any]) -> str:
    plain = {key: value for key, value in values.items() if key != "type" and not isinstance(value, Mapping)}
    return ", ".join(f"`{key}={value!r}`" for key, value in plain.items())


def _trainings(content: Mapping[str, Any]) -> str:
    rows = []
    for name in configs.known("profiles"):
        profile = config("profiles", name)
        resolved = {}
        for dataset in profile["profile"]["datasets"]:
            described = config("datasets", dataset)["dataset"]
            resolved[described["title"]] = configs.merge(
                profile=profile, method=content, dataset=described, split=profile["profile"]["split"], seed=0,
                protocol=None)
        first = next(iter(resolved.values()))
        recipe = first.get("recipe", profile["profile"]["recipe"])
        rows.append((name, recipe, _epochs(resolved), first["train_dataloader"]["batch_size"], _view(first["view"]),
                     _optimizer(first["optim_wrapper"]), _schedule(first["param_scheduler"])))
    return table(("profile", "recipe", "epochs", "batch", "training input", "optimiser", "schedule"), rows)


def _epochs(resolved: Mapping[str, Mapping[str, Any]]) -> str:
    epochs = {title: one["train_cfg"]["max_epochs"] for title, one in resolved.items()}
    if len(set(epochs.values())) == 1:
        return str(next(iter(epochs.values())))
    return ", ".join(f"{count} on {title}" for title, count in epochs.items())


def _view(view: Mapping[str, Any]) -> str:
    size = "×".join(map(str, view["size"]))
    return {"crop": f"{size} crops", "resize": f"whole image at {size}"}[view["train"]]


def _optimizer(wrapper: Mapping[str, Any]) -> str:
    optimizer = wrapper["optimizer"]
    told = f"{optimizer['type']}, " + ", ".join(f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
                                                for key, value in optimizer.items() if key != "type")
    if "clip_grad" in wrapper:
        told += f", gradient norm at most {wrapper['clip_grad']['max_norm']:g}"
    parts = wrapper.get("paramwise_cfg", {}).get("custom_keys", {})
    return told + "".join(f", `{part}` at {more['lr_mult']:g} of the rate" for part, more in parts.items()
                          if "lr_mult" in more)


def _schedule(schedulers: Sequence[Mapping[str, Any]]) -> str:
    timing = ("type", "by_epoch", "convert_to_iter_based")
    told = [" ".join([one["type"], *(f"{key}={value}" for key, value in one.items() if key not in timing)])
            for one in schedulers]
    return ", then ".join(told) or "constant"


def _space(content: Mapping[str, Any]) -> str:
    try:
        found = spaces.load_space(content)
    except ConfigError:  # a method that does not train and has no space of its own
        return ""
    return table(("value", "range"), [(f"`{path}`", spaces.describe(entry)) for path, entry in found.items()])
