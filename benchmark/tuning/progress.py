"""How a running search looks: a line a trial, on a terminal also what the running ones are at."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.status import Status

from benchmark.progress import PLAIN_INTERVAL_SECONDS, duration
from benchmark.tuning import space as spaces
from benchmark.tuning.study import StudySpec, best_trial, default_trial, is_killed, spent, tally

STATES = ("complete", "pruned", "fail", "killed", "running", "waiting")


class Progress:
    """Listener of ``pool.run``: ``with Progress(...) as progress: run(..., listen=progress.hear)``."""

    def __init__(self, study: optuna.Study, spec: StudySpec, trials: int, *, quiet: bool, verbose: bool) -> None:
        self.study, self.spec, self.trials, self.quiet, self.verbose = study, spec, trials, quiet, verbose
        self.console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self.status = Status("starting", console=self.console) if self.console.is_terminal and not quiet else None
        self.running: dict[int, str] = {}
        self.started = self.last = time.monotonic()
        self.ended = 0

    def __enter__(self) -> Progress:
        if self.status is not None:
            self.status.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self.status is not None:
            self.status.stop()

    def head(self, subject: str, space: spaces.Space, storage: str, recovered: int) -> None:
        """Say what is about to be searched, on what, and what was found."""
        if self.quiet:
            return
        self._print(f"{self.spec.name} · {' and '.join(self.spec.objectives)} on {subject} · {storage}")
        for path, entry in space.items():
            self._print(f"  {path.removeprefix('+')}: {spaces.describe(entry)}")
        if recovered:
            self._print(f"{recovered} trials of a killed process are begun anew")
        if spent(self.study):
            self._print(f"found: {summary(self.study)}")

    def hear(self, event: Mapping[str, Any]) -> None:
        """Show one event of one trial."""
        number = event["number"]
        if event["kind"] == "report":
            self.running[number] = f"trial {number} at {event['step']}/{event['of']}, IoU {event['iou']:.4f}"
            self._tell_running()
            return
        self.running.pop(number, None)
        self.ended += 1
        if self.quiet:
            return
        scores = " ".join(f"{name} {value:.4f}" for name, value in
                          zip(self.spec.objectives, event.get("values") or (), strict=False))
        self._print(f"[{min(spent(self.study) - len(self.running), self.trials)}/{self.trials}] trial {number}  "
                    f"{event['state']}  {scores or event.get('error', '')}  {_named(event['params'])}  "
                    f"{duration(event['seconds'])}  {_best(self.study)}{self._eta()}")

    def closing(self, elapsed: float, written: Sequence[Path]) -> str:
        """The final line."""
        return " · ".join([self.spec.name, summary(self.study), duration(elapsed),
                           " ".join(str(path) for path in written)])

    def _eta(self) -> str:
        left = self.trials - spent(self.study) + len(self.running)
        return f"  eta {duration(left * (time.monotonic() - self.started) / self.ended)}" if left > 0 else ""

    def _tell_running(self) -> None:
        text = "; ".join(self.running.values())
        if self.status is not None:
            self.status.update(text)
        elif not self.quiet and (self.verbose or time.monotonic() - self.last > PLAIN_INTERVAL_SECONDS):
            self.last = time.monotonic()
            self._print(text)

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False)


def summary(study: optuna.Study) -> str:
    """``'30 trials: 18 complete, 12 pruned · best 0.6543 (trial 17; default 0.6123)'``."""
    counts = tally(study)
    states = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state]) or "none yet"
    return f"{sum(counts.values())} trials: {states} · {_best(study)}"


def describe(trial: FrozenTrial) -> str:
    """One line about a trial."""
    scores = " ".join(f"{value:.4f}" for value in trial.values or ()) or trial.user_attrs.get("error", "")
    state = "killed" if is_killed(trial) else trial.state.name.lower()
    return f"trial {trial.number}  {state}  {scores}  {_named(trial.params)}"


def _best(study: optuna.Study) -> str:
    best, default = best_trial(study), default_trial(study)
    if best is None:
        return "no best yet"
    beside = f"; default {_values(default)}" if default is not None else ""
    more = f"; {len(study.best_trials)} in the front" if len(study.directions) > 1 else ""
    return f"best {_values(best)} (trial {best.number}{beside}{more})"


def _values(trial: FrozenTrial) -> str:
    assert trial.state is TrialState.COMPLETE
    return " ".join(f"{value:.4f}" for value in trial.values)


def _named(params: Mapping[str, Any]) -> str:
    return " ".join(f"{path.rpartition('.')[2]}={value:.4g}" if isinstance(value, float)
                    else f"{path.rpartition('.')[2]}={value}" for path, value in params.items())
