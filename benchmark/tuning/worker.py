"""The process of one trial: it asks the study for a point, measures it, and tells the study how that went."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from benchmark import child, configs
from benchmark.tuning.space import Space, distributions
from benchmark.tuning.study import StudySpec, claimed, open_study

Send = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Job:
    """What every trial of a study has in common."""

    study: StudySpec
    config: dict[str, Any]
    """Resolved config without what the space changes."""
    space: Space
    data_root: str
    folder: str
    """Of the study; a trial's own is ``trials/<number>`` inside."""
    device: str = "auto"
    threads: int = 1


def main(job: Job, pipe: Connection) -> None:
    """Run one trial; ``pipe`` hears what ``attempt`` sends and, at its end, what it returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to answer: this trial is begun anew
    child.die_with_parent()
    ended = attempt(job, pipe.send)
    pipe.send(ended)
    if ended["state"] == "fail":
        sys.exit(1)


def attempt(job: Job, send: Send) -> dict[str, Any]:
    """Run one trial in this process: ``ended`` with state, number, params and, where there are, values or error.

    ``send`` hears ``asked`` (number, parameters) and ``report`` (step, of, IoU).
    """
    child.choose_device(job.device)
    with claimed(Path(job.study.workers)) as name, child.limited_threads(job.threads):
        study = open_study(job.study)
        trial = study.ask(distributions(job.space))
        trial.set_user_attr("worker", name)
        who = {"number": trial.number, "params": trial.params}
        send({"kind": "asked"} | who)
        folder = Path(job.folder) / "trials" / f"{trial.number:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        child.redirect_output(folder / "trial.log")
        try:
            return {"kind": "ended"} | who | _run(job, study, trial, folder, send)
        except BaseException as error:  # the one place that turns any failure of a trial into a row
            traceback.print_exc()
            trial.set_user_attr("error", child.one_line(error))
            study.tell(trial, state=TrialState.FAIL)
            return {"kind": "ended", "state": "fail", "error": child.one_line(error)} | who


def configured(config: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the config with a trial's values in it."""
    changed = configs.to_plain(config)
    for path, value in params.items():
        configs.assign(changed, path, value)
    return changed


def _run(job: Job, study: optuna.Study, trial: optuna.Trial, folder: Path, send: Send) -> dict[str, Any]:
    known = _known(study, trial)
    if known is not None:  # a space of choices only can come back to a point
        trial.set_user_attr("same as", known.number)
        study.tell(trial, known.values)
        return {"state": "complete", "values": known.values}
    from benchmark.engine.trial import measure

    single = len(job.study.objectives) == 1
    last = job.study.resource[1]

    def report(step: int, iou: float, fa: float) -> None:
        send({"kind": "report", "step": step, "of": last, "iou": iou})
        if single:
            trial.report(iou, step)
            if step < last and trial.should_prune():
                raise optuna.TrialPruned

    try:
        figures = measure(configured(job.config, trial.params), Path(job.data_root), folder,
                          child.describe_limits()["device"], f"{job.study.name}-{trial.number}", report)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
        return {"state": "pruned"}
    for name, value in figures.items():
        trial.set_user_attr(name, value)
    values = [figures[name] for name in job.study.objectives]
    study.tell(trial, values)
    return {"state": "complete", "values": values}


def _known(study: optuna.Study, trial: optuna.Trial) -> optuna.trial.FrozenTrial | None:
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return next((other for other in done if other.params == trial.params), None)
