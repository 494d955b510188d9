"""The report as one page that opens from disk: tables that sort and filter, ROC curves that zoom, and a gallery.

Everything is inside the file, and its content policy lets it ask for nothing else. All texts travel as JSON and are set
as text, so that nothing in them can act as markup.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from benchmark.records import Outcome
from reports.differences import causes_used, differences, summary
from reports.metric_styles import COMPARED_RULE, NOT_RUN, STYLES, compared_text, metric_head
from reports.origin import marked_title, place_origins
from reports.parts import Part
from reports.pdf import PROVENANCE, counted, missing, once, provenance_rows
from reports.qualitative import Picture, pictures
from reports.style import PALETTE
from reports.tables import Row

TEMPLATES = Path(__file__).with_name("templates")
SCRIPTS = ("tables.js", "roc.js", "gallery.js")
GALLERY_IMAGES = 24
HOVER = {"split": "Split", "seed": "Seed", "weights": "Weights", "recipe": "Recipe", "epochs": "Epoch",
         "device": "Device", "machine": "Machine", "commit": "Commit", "fingerprint": "Data", "finished": "Finished",
         "id": "Cell"}
"""Facts of ``reports.origin`` that a value shows on hover."""


def to_html(parts: list[Part], name: str, title: str, root: Path | None = None) -> str:
    """The page. The same records give the same text.

    Args:
        parts: Suites to show, in order.
        name, title: Of the report.
        root: The store, whose images the gallery shows; None for no gallery.
    """
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True,
                                     undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    scripts = "\n".join((TEMPLATES / file).read_text(encoding="utf-8") for file in SCRIPTS)
    return environment.get_template("report.html.j2").render(
        title=title, style=(TEMPLATES / "report.css").read_text(encoding="utf-8"), script=scripts,
        data=embedded(content(parts, name, title, root)))


def embedded(value: Any) -> str:
    """JSON that stays inside a script element, whatever texts it holds."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def content(parts: list[Part], name: str, title: str, root: Path | None) -> dict[str, Any]:
    """Everything that the page shows, as JSON types."""
    found = [entry for part in parts for entry in differences(part.table, part.result)]
    outcomes = [outcome for part in parts for outcome in part.result.outcomes]
    provenance, environment = provenance_rows(once(parts))
    return {
        "name": name, "title": title, "counted": counted(outcomes),
        "notes": list(dict.fromkeys(note for part in parts for note in part.table.notes
                                    if len(parts) == 1 or "demonstration" in note.lower())),
        "palette": list(PALETTE), "parts": [_part(part) for part in parts],
        "differences": {"summary": summary(found), "rows": found, "causes": causes_used(found)},
        "missing": [line for part in parts for line in missing(part, prefixed=len(parts) > 1)],
        "origins": {"head": list(PROVENANCE), "rows": provenance, "lines": environment},
        "gallery": _gallery(parts, root),
    }


def _part(part: Part) -> dict[str, Any]:
    table, origins = part.table, place_origins(part.result)
    return {
        "name": part.name, "title": table.title, "caption": table.caption, "footnotes": table.footnotes,
        "notes": table.notes, "daggers": [f"{mark} {text}" for mark, text in table.daggers().items()],
        "row_head": table.row_head, "counted": counted(part.result.outcomes),
        "datasets": [{"name": dataset["name"], "title": dataset["title"]} for dataset in table.datasets],
        "metrics": [{"name": metric, "head": metric_head(metric), "unit": STYLES[metric].unit}
                    for metric in table.metrics],
        "rows": [_row(row, part, origins) for row in table.rows],
        "published": {"columns": [metric_head(metric) for _, metric in table.published_columns()],
                      "groups": table.published_groups(), "caption": table.published_caption,
                      "rows": [[row.title, row.type, *(row.values.get(key, NOT_RUN)
                                                       for key in table.published_columns())]
                               for row in table.published]},
        "compared": {"caption": COMPARED_RULE, "rows": [
            [row.title + row.marks, dataset["title"], *(compared_text(own.get(metric), metric)
                                                        for metric in table.metrics)]
            for row, dataset, own in table.compared()]},
        "figures": [{"name": figure["name"], "caption": figure["caption"], "source": _figure(part, figure)}
                    for figure in part.figures],
        "roc": _roc(part),
    }


def _row(row: Row, part: Part, origins: dict[tuple[str, str], list[dict[str, Any]]]) -> dict[str, Any]:
    values = {}
    for dataset in part.table.datasets:
        for metric in part.table.metrics:
            value = row.values[dataset["name"], metric]
            shown = {"text": value.text, "sort": value.value, "interval": value.interval, "rank": value.rank,
                     "tied": value.tied, "note": value.note}
            if value.comparison:
                shown["compared"] = compared_text(value.comparison, metric)
            values[f"{dataset['name']}|{metric}"] = shown
    facts = {dataset["name"]: [[[title, str(origin[fact])] for fact, title in HOVER.items()]
                               for origin in origins.get((row.method, dataset["name"]), [])]
             for dataset in part.table.datasets}
    return {"name": row.method, "title": row.title, "marks": row.marks, "type": row.type, "notes": list(row.notes),
            "values": values, "facts": facts}


def _roc(part: Part) -> dict[str, list[dict[str, Any]]]:
    named = part.result.suite.get("figures")
    if named is not None and not {"roc_target", "roc_pixel"} & set(named):
        return {}
    used = {record.key.method for record in part.result.records() if record.roc}
    titles = {method["name"]: marked_title(method) for method in part.result.suite["methods"] if method["name"] in used}
    curves: dict[str, list[dict[str, Any]]] = {}
    for outcome in part.result.outcomes:
        if outcome.record is not None and outcome.record.roc:
            curves.setdefault(outcome.key.dataset, []).append(_curve(outcome, titles, part))
    return curves


def _curve(outcome: Outcome, titles: dict[str, str], part: Part) -> dict[str, Any]:
    record = outcome.record
    areas = {name: record.metrics[name].value for name in ("target_auc", "pixel_auc") if name in record.metrics}
    seed = f", seed {outcome.key.seed}" if len(part.result.suite["seeds"]) > 1 else ""
    rounded = {name: [None if value is None else float(f"{value:.5g}") for value in values]
               for name, values in record.roc.items()}
    return {"method": outcome.key.method, "title": titles[outcome.key.method] + seed,
            "colour": list(titles).index(outcome.key.method), "areas": areas} | rounded


def _figure(part: Part, figure: dict[str, str]) -> str:
    if not figure["file"]:
        return ""
    path = (part.folder / figure["file"]).with_suffix(".png")
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _gallery(parts: list[Part], root: Path | None) -> dict[str, Any]:
    # Rows of several suites that are one cell show one map; their first title stands for all.
    shown: dict[tuple[str, str], dict[str, Any]] = {}
    titles: dict[str, str] = {}
    for part in parts:
        if part.result.suite.get("kind", "grid") not in ("grid", "figure"):
            continue
        names = {method["name"]: marked_title(method) for method in part.result.suite["methods"]}
        for picture in pictures(part.result, root, GALLERY_IMAGES):
            entry = shown.setdefault((picture.dataset, picture.id), _entry(picture))
            for method, values in picture.maps.items():
                source = _png(values)
                if source not in entry["maps"].values():
                    titles.setdefault(names[method], names[method])
                    entry["maps"].setdefault(names[method], source)
    return {"methods": list(titles), "images": list(shown.values())}


def _entry(picture: Picture) -> dict[str, Any]:
    height, width = picture.image.shape
    return {"dataset": picture.dataset, "id": picture.id, "width": width, "height": height, "level": picture.level,
            "image": _png(picture.image), "mask": _png(picture.mask.astype(np.uint8) * 255), "maps": {}}


def _png(values: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
