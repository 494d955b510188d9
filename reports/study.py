"""The report of a study: how its scores went, which parameter mattered, and every trial. From the study alone."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import optuna
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial, TrialState
from optuna.visualization import matplotlib as drawing

from benchmark.records import write_atomically

TITLES = {"iou": "IoU", "fa": "Fa (10⁻⁶)"}
IMPORTANCE_TRIALS = 4  # fewer finished ones tell nothing about importance


def build_study_report(study: optuna.Study, folder: Path, *, title: str, facts: Mapping[str, str],
                       objectives: Sequence[str], best: int | None) -> Path:
    """Write figures (PNG and SVG) and ``README.md`` into ``folder``; returns the path of the latter.

    Args:
        study: With any number of trials.
        folder: Made where there is none; figures that cannot be drawn yet are left out.
        title: Heading.
        facts: What a reader must know, by name.
        objectives: ``'iou'`` or ``'iou', 'fa'``, as the study's values are ordered.
        best: Number of the best trial.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = _draw(study, folder, objectives)
    lines = [f"# {title}", ""]
    lines += [f"* **{name}**: {value}" for name, value in facts.items()]
    for name, caption in figures:
        lines += ["", f"![{caption}]({name}.png)", "", f"*{caption}*"]
    lines += ["", "## Trials", "", *_table(study, objectives, best), ""]
    path = folder / "README.md"
    write_atomically(path, "\n".join(lines))
    return path


def _draw(study: optuna.Study, folder: Path, objectives: Sequence[str]) -> list[tuple[str, str]]:
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    wanted: list[tuple[str, str, Callable[[], Any]]] = []
    for index, objective in enumerate(objectives):
        options: dict[str, Any] = {"target_name": TITLES[objective]}
        if len(objectives) > 1:
            options["target"] = lambda trial, index=index: trial.values[index]
        wanted.append((f"history_{objective}", f"{TITLES[objective]} of the trials in their order",
                       lambda options=options: drawing.plot_optimization_history(study, **options)))
        if len(done) >= IMPORTANCE_TRIALS and any(len(set(map(str, values))) > 1 for values in _columns(done)):
            caption = f"Share of each parameter in the variation of {TITLES[objective]}"
            wanted.append((f"importance_{objective}", caption,
                           lambda options=options: drawing.plot_param_importances(study, **options)))
    if len(objectives) > 1:
        names = [TITLES[name] for name in objectives]
        wanted.append(("pareto", "Trials that none beats in both objectives",
                       lambda: drawing.plot_pareto_front(study, target_names=names)))
    else:
        wanted.append(("reports", "What each trial reported on its way",
                       lambda: drawing.plot_intermediate_values(study)))
    written = []
    for name, caption, draw in wanted if done else []:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the backend is experimental and says so each time
            try:
                axes = draw()
            except (ValueError, RuntimeError):  # optuna cannot tell importance where all scores are equal
                continue
        _save(getattr(axes, "figure", None) or plt.gcf(), folder, name)
        written.append((name, caption))
    return written


def _columns(trials: Sequence[FrozenTrial]) -> list[list[Any]]:
    return [[trial.params.get(name) for trial in trials] for name in trials[0].params]


def _save(figure: Figure, folder: Path, name: str) -> None:
    figure.set_size_inches(7, 4)
    figure.tight_layout()
    for kind, options in (("svg", {"metadata": {"Date": None}}), ("png", {"dpi": 130, "metadata": {"Software": None}})):
        temporary = folder / f".{name}.{kind}.{os.getpid()}.tmp"
        figure.savefig(temporary, format=kind, **options)
        temporary.replace(folder / f"{name}.{kind}")
    plt.close(figure)


def _table(study: optuna.Study, objectives: Sequence[str], best: int | None) -> list[str]:
    trials = study.get_trials(deepcopy=False)
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    rows = ["| trial | state | " + " | ".join([*(TITLES[name] for name in objectives), *names]) + " |",
            "|" + "---|" * (2 + len(objectives) + len(names))]
    for trial in trials:
        values = [f"{value:.4f}" for value in trial.values or ()] or ["–"] * len(objectives)
        notes = [word for word, holds in (("best", trial.number == best),
                                          ("default", trial.user_attrs.get("default")),
                                          ("killed, begun anew", "killed" in trial.user_attrs)) if holds]
        state = trial.state.name.lower() + (f" ({', '.join(notes)})" if notes else "")
        error = trial.user_attrs.get("error", "").replace("|", "/")
        values_of = [_short(trial.params.get(name)) for name in names]
        rows.append(f"| {trial.number} | {state} {error} | " + " | ".join([*values, *values_of]) + " |")
    return rows


def _short(value: Any) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
