"""Statistics of captions as people read them: a table in the terminal and a page of HTML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.captioning.statistics import NEAR
from benchmark.datasets.caption_schema import SCENE_CLASSES

FOLDER = Path(__file__).parent


def statistics_page(sets: Sequence[dict[str, Any]], title: str = "MIRSTD: captions in figures") -> str:
    """A self-contained HTML page; every text in it is escaped."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string((FOLDER / "statistics.html.j2").read_text(encoding="utf-8"))
    return template.render(title=title, sets=sets, near=NEAR)


def print_statistics(sets: Sequence[dict[str, Any]]) -> None:
    """Two tables on stdout: figures of each set, and how its captions fall on scene classes."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    table = Table("set", "captions", "words", "vocabulary", "near-duplicates", "forbidden")
    balance = Table("class", *(escape(found["name"]) for found in sets))
    for found in sets:
        length, near = found["length"], found["near_duplicates"]
        leaking = f"[red]in {len(found['leaks'])} captions[/red]" if found["leaks"] else "none"
        mean = f" (mean {length['mean']:.1f})" if length["mean"] else ""
        table.add_row(escape(found["name"]), str(found["captions"]), f"{length['min']}–{length['max']}{mean}",
                      str(found["words"]["vocabulary"]), f"{near['captions']} in {near['pairs']} pairs", leaking)
    for name in SCENE_CLASSES:
        counts = [found["classes"][name] for found in sets]
        if any(counts):
            balance.add_row(name, *(f"{count} ({count / max(found['captions'], 1):.1%})" if count else "–"
                                    for count, found in zip(counts, sets, strict=True)))
    console.print(table, balance)
    for found in sets:
        for image, words in found["leaks"].items():
            console.print(f"{escape(found['name'])} {escape(image)}: {escape(', '.join(words))}", style="red")
