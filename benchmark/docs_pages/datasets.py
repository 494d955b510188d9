"""Pages of datasets, from their configs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark import configs
from benchmark.docs_pages.markdown import render, table
from benchmark.docs_pages.sources import docstring

SAID = {
    "title": "name", "pairs": "images with masks", "folder": "folder under the data root", "images": "images",
    "masks": "masks", "homepage": "home", "download": "download", "licence": "licence",
    "default_split": "split by default", "size": "height × width", "counts": "images", "scr": "signal-to-clutter ratio",
    "scenes": "shares of scenes", "mean": "mean grey level", "std": "standard deviation of grey levels",
}
"""What a page says of a dataset's config, by key."""


def dataset_pages() -> dict[str, tuple[str, str]]:
    """By file: the page and the first line of the dataset's config."""
    found = {}
    for name in configs.known("datasets"):
        about = docstring(configs.CONFIG_ROOT / "datasets" / f"{name}.py")
        page = _page(name, about, configs.load("datasets", name)["dataset"])
        found[f"datasets/{name}.md"] = page, about.splitlines()[0]
    return found


def _page(name: str, about: str, dataset: Mapping[str, Any]) -> str:
    facts = table(("what", "value"), [(label, _value(key, dataset[key])) for key, label in SAID.items()
                                      if key in dataset])
    splits = table(("split", "train", "val", "test"), [
        (f"`{split}`", *(f"`{files[part]}`" if part in files else "–" for part in ("train", "val", "test")))
        for split, files in dataset.get("splits", {}).items()])
    return render("dataset.md.j2", name=name, dataset=dataset, about=about, facts=facts, splits=splits)


def _value(key: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {one}" for key, one in value.items())
    if isinstance(value, list):
        return ("×" if key == "size" else " to ").join(map(str, value))
    return str(value)
