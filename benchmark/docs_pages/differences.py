"""The page of differences: what was measured here beside what others printed, with causes found by rule.

No figure of others stands in a column of ours. A cause is a fact of a run under which the two figures are not the same
experiment; none is claimed to explain a difference.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from decimal import Decimal

from benchmark import configs
from benchmark.docs_pages.markdown import render, table
from benchmark.docs_pages.measured import Run, metric_column
from benchmark.docs_pages.sources import method, originals, printed
from reports.differences import CAUSES, METRICS, NAMES, causes_of
from reports.metric_styles import NOT_RUN, STYLES
from reports.origin import marked_title
from reports.published import DATASETS

SUITE = "table1"
NOTHING = "not run"


@functools.cache
def counterpart(name: str) -> str:
    """The row of the paper's Table 1 that a method stands beside: its own, else that of the same paper; '' for none."""
    if name in (rows := printed()[SUITE]):
        return name
    paper = method(name)["paper"]
    return next((row for row in rows if method(row)["paper"] == paper), "")


def differences_page(runs: Sequence[Run]) -> str:
    """``differences.md``: a table for each dataset of the paper, and what was printed by whom."""
    sections = [{"title": title, "table": _section(name, runs)} for name, title in DATASETS.items()]
    others = [(_title(name), *row) for name in originals() for row in original_rows(name)]
    return render("differences.md.j2", sections=sections,
                  causes=table(("cause", "what it says"), [(NAMES[key], text) for key, text in CAUSES.items()]),
                  others=table(("method", "set", "IoU (10⁻²)", "printed by", "where"), others, "llr"))


def published_table(row: str) -> str:
    """The paper's figures of one row of Table 1, as printed."""
    heads = [metric_column(metric) for metric in METRICS]
    return table(("set", *heads), [(DATASETS[dataset], *(figures[metric] for metric in METRICS))
                                   for dataset, figures in printed()[SUITE][row].items()], "lrrr")


def original_rows(name: str) -> list[tuple[str, str, str, str]]:
    """(dataset, IoU in 10⁻², by whom, where) of each figure that authors or others print for a method."""
    return [(DATASETS[dataset], _hundredths(entry[dataset]), entry["by"], entry["source"])
            for entry in originals().get(name, ()) for dataset in DATASETS if dataset in entry]


def _section(dataset: str, runs: Sequence[Run]) -> str:
    rows = []
    for name, figures in printed()[SUITE].items():
        paper, authors = [figures[dataset][metric] for metric in METRICS], _authors(name, dataset)
        own = _once(run for run in runs if run.dataset == dataset and run.real and not run.own_lists
                    and _counterpart(run) == name)
        if not any(run.method == name for run in own):
            rows.append((f"[{_title(name)}](methods/{name}.md)", NOT_RUN, *[NOTHING] * len(METRICS), *paper, NOT_RUN,
                         authors, NOT_RUN))
        rows += [(f"[{run.marked}](methods/{run.method}.md)", run.folder, *(run.value(metric) for metric in METRICS),
                  *paper, _difference(run, paper[0]), authors, _causes(run, name)) for run in own]
    heads = [STYLES[metric].title for metric in METRICS]
    return table(("method", "records", *(f"ours {head}" for head in heads), *(f"paper {head}" for head in heads),
                  "IoU, ours less the paper's", "authors' IoU", "causes"), rows, "llrrrrrrrr")


def _once(runs: Iterable[Run]) -> list[Run]:
    # a cell may be published with two studies, and a method that learns nothing comes to the same figures in each
    return list({(run.method, *(run.value(metric) for metric in METRICS)): run
                 for run in reversed(list(runs))}.values())[::-1]


def _counterpart(run: Run) -> str:
    return counterpart(run.method) if run.method in configs.known("methods") else ""


def _causes(run: Run, row: str) -> str:
    found = causes_of(run.records, real=run.real, variant=run.method != row,
                      reconstruction=bool(run.records[0].config["method"]["reconstruction"]))
    return ", ".join(NAMES[cause] for cause in found)


def _difference(run: Run, paper: str) -> str:
    ours = [record.metrics["iou"].value for record in run.records]
    if None in ours:
        return NOT_RUN
    style = STYLES["iou"]
    return f"{sum(ours) / len(ours) * style.scale - float(paper):+.{style.decimals}f}"


def _authors(name: str, dataset: str) -> str:
    found = [_hundredths(entry[dataset]) for entry in originals().get(name, ())
             if entry["by"] == "authors" and dataset in entry]
    return ", ".join(found) or NOT_RUN


def _hundredths(fraction: str) -> str:
    return str(Decimal(fraction).scaleb(2))


def _title(name: str) -> str:
    return marked_title(method(name))
