"""All pages together: what ``docs/`` shall hold."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from benchmark.docs_pages import measured, methods
from benchmark.docs_pages.commands import command_pages
from benchmark.docs_pages.datasets import dataset_pages
from benchmark.docs_pages.differences import differences_page
from benchmark.docs_pages.markdown import render, table
from benchmark.docs_pages.readme import filled, readme_tables
from benchmark.docs_pages.sources import inside, method
from benchmark.docs_pages.speed import speed_page
from benchmark.docs_pages.suites import suite_pages
from reports.origin import marked_title

FOLDERS = ("commands", "methods", "suites", "datasets")
"""Hold nothing but pages that are made; what else lies in them is stale."""
GUIDES = "guides"


def all_pages(docs: Path) -> dict[str, str]:
    """Text of every page by its path from ``docs``, whose guides the index names; of README too, if it lies above."""
    runs = measured.read_runs()
    readme = docs.parent / "README.md"
    above = {f"../{readme.name}": filled(readme.read_text(encoding="utf-8"), readme_tables(runs))} if readme.is_file() \
        else {}
    commands, detectors, suites, datasets = command_pages(), methods.method_pages(runs), suite_pages(), dataset_pages()
    sections = []
    for name, group in groupby(runs, lambda run: run.folder):
        own = list(group)
        sections.append({"name": name, "results": measured.result_table(own), "origins": measured.origin_table(own),
                         "reports": _reports(measured.FOLDER / name)})
    return {
        "README.md": render(
            "index.md.j2", commands=_listed(commands, "command", ".py"), suites=_listed(suites, "suite"),
            datasets=_listed(datasets, "dataset"), methods=_methods(detectors),
            guides=[(f"{GUIDES}/{path.name}", _title(path)) for path in sorted((docs / GUIDES).glob("*.md"))]),
        "results.md": render("results.md.j2", sections=sections),
        "differences.md": differences_page(runs),
        "speed.md": speed_page(),
    } | above | {file: text for pages in (commands, detectors, suites, datasets) for file, (text, _) in pages.items()}


def stale(docs: Path, pages: Mapping[str, str]) -> list[str]:
    """Paths below ``docs`` that are missing, differ, or are of something that is no more."""
    kept = {path.relative_to(docs).as_posix() for folder in FOLDERS for path in (docs / folder).rglob("*")
            if path.is_file()}
    changed = [file for file, text in pages.items()
               if not (docs / file).is_file() or (docs / file).read_text(encoding="utf-8") != text]
    return sorted({*changed, *(kept - pages.keys())})


def _reports(folder: Path) -> list[dict[str, str]]:
    # reports that lie beside the cells, each with its curves if it has them
    found = []
    for page in sorted(folder.glob("*/*.md")):
        curves = page.parent / "figures" / "roc_target.png"
        found.append({"page": inside(page), "curves": inside(curves) if curves.is_file() else ""})
    return found


def _listed(pages: Mapping[str, tuple[str, str]], head: str, suffix: str = "") -> str:
    return table((head, "about"), [(f"[{_name(file)}{suffix}]({file})", about) for file, (_, about) in pages.items()])


def _methods(pages: Mapping[str, tuple[str, str]]) -> str:
    rows = []
    for file, (_, about) in pages.items():
        own = method(_name(file))
        rows.append((f"[{_name(file)}]({file})", marked_title(own), own["type"],
                     own["year"], methods.parameters(_name(file)), about))
    return table(("method", "title", "kind", "year", "parameters", "about"), rows, "lllrrl")


def _name(file: str) -> str:
    return Path(file).stem


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
