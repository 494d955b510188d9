"""Studies: where trials are kept, how the next one is chosen, and what a killed process left behind. No torch.

Many processes, on one machine or many, may work on one study: the storage gives out numbers, and all that a process
needs to choose a trial is in the storage and in the trial's number.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import sqlite3
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from benchmark.errors import ConfigError, StoreError
from benchmark.suites import identity

OBJECTIVES = {"iou": "maximize", "fa": "minimize"}
REDUCTION = 3  # of Hyperband: each rung keeps the better third
ATTEMPTS = 3  # a trial that was killed this often is left alone
CLAIM_SECONDS = 60.0  # a running trial that nobody has claimed for this long was killed at birth
SQLITE_WAIT_SECONDS = 120
RACES = 5


@dataclass(frozen=True)
class StudySpec:
    """Everything by which another process finds the study and goes on with it."""

    name: str
    storage: str
    """RDB URL, or the path of a journal file."""
    seed: int
    objectives: tuple[str, ...]
    resource: tuple[int, int]
    """First and last step at which a trial reports: epochs, or images of a method that does not train."""
    workers: str
    """Folder of the locks that running trials of this machine hold."""


class NumberedSampler(BaseSampler):
    """TPE whose random numbers follow from a base seed and the trial's number, which is the number of trials before it.

    A seeded sampler that starts anew in each process would propose the same points again after every resume, and
    in every worker.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.current = self._of(0)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Take the numbers of this trial."""
        self.current = self._of(trial.number)
        self.current.before_trial(study, trial)

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, state: TrialState,
                    values: Sequence[float] | None) -> None:
        """As TPE."""
        self.current.after_trial(study, trial, state, values)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        """As TPE."""
        return self.current.infer_relative_search_space(study, trial)

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, Any]) -> dict[str, Any]:
        """As TPE."""
        return self.current.sample_relative(study, trial, search_space)

    def sample_independent(self, study: optuna.Study, trial: FrozenTrial, param_name: str,
                           param_distribution: Any) -> Any:
        """As TPE."""
        return self.current.sample_independent(study, trial, param_name, param_distribution)

    def _of(self, number: int) -> TPESampler:
        # constant_liar: what others are trying now counts as tried, so that workers spread out
        return TPESampler(seed=self.seed + number, constant_liar=True)


def open_study(spec: StudySpec, description: dict[str, Any] | None = None) -> optuna.Study:
    """The study of a spec, made where there is none.

    Args:
        spec: Which.
        description: What the study is about, kept with it; one that was made with another is refused.

    Raises:
        ConfigError: For a study of another config, space or objective, or a database without its driver.
        StoreError: If the storage cannot be reached.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    first, last = spec.resource
    pruner = optuna.pruners.HyperbandPruner(min_resource=first, max_resource=max(last, first),
                                            reduction_factor=REDUCTION)
    with explained(spec.storage):
        study = optuna.create_study(
            study_name=spec.name, storage=open_storage(spec.storage), load_if_exists=True,
            directions=[OBJECTIVES[name] for name in spec.objectives], sampler=NumberedSampler(spec.seed),
            pruner=pruner if len(spec.objectives) == 1 else optuna.pruners.NopPruner())
        if description is not None:
            fingerprint = identity(description)
            known = study.user_attrs.get("identity")
            if known is None:
                study.set_user_attr("description", json.dumps(description))
                study.set_user_attr("seed", spec.seed)
                study.set_user_attr("identity", fingerprint)
            elif known != fingerprint:
                raise ConfigError(f"study {spec.name} was made with another config, data, space or objective; name a "
                                  "new one with --study")
    return study


def open_storage(address: str) -> optuna.storages.BaseStorage:
    """Storage of an RDB URL or of a journal file given by path."""
    if "://" not in address:
        from optuna.storages.journal import JournalFileBackend

        Path(address).parent.mkdir(parents=True, exist_ok=True)
        return optuna.storages.JournalStorage(JournalFileBackend(address))
    options: dict[str, Any] = {}
    if address.startswith("sqlite:///"):
        # Readers and a writer side by side; kept by the file itself once it is set.
        Path(address.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(address.removeprefix("sqlite:///"), SQLITE_WAIT_SECONDS)) as database:
            database.execute("PRAGMA journal_mode=WAL")
        options = {"connect_args": {"timeout": SQLITE_WAIT_SECONDS}}
    for attempt in range(RACES):
        try:
            return optuna.storages.RDBStorage(address, engine_kwargs=options)
        except DBAPIError as error:
            # Two commands that find an empty database make the same tables; the second looks again.
            if attempt == RACES - 1 or "already exists" not in str(error):
                raise
            time.sleep(0.5 * (attempt + 1))
    raise AssertionError("unreachable")


def shown(address: str) -> str:
    """The address of a storage without its password."""
    if "://" not in address:
        return address
    with contextlib.suppress(Exception):  # malformed: then nothing of it is shown
        return make_url(address).render_as_string(hide_password=True)
    return f"{address.partition('://')[0]}://…"


def tally(study: optuna.Study) -> Counter[str]:
    """Number of trials by state, in lower case; those that were killed and begun anew are ``killed``."""
    return Counter("killed" if is_killed(trial) else trial.state.name.lower()
                   for trial in study.get_trials(deepcopy=False))


def spent(study: optuna.Study) -> int:
    """Trials that count towards ``--trials``: all that ended, well or badly, and those that run now."""
    counts = tally(study)
    return sum(counts[state] for state in ("complete", "pruned", "fail", "running"))


def is_killed(trial: FrozenTrial) -> bool:
    """Whether the trial's process was killed and its point put back into the queue."""
    return "killed" in trial.user_attrs


def enqueue_default(study: optuna.Study, values: dict[str, Any]) -> None:
    """Put the config's own values at the head of a new study, where they become trial 0; once."""
    if not any(trial.user_attrs.get("default") for trial in study.get_trials(deepcopy=False)):
        study.enqueue_trial(values, user_attrs={"default": True})


def recover(study: optuna.Study, spec: StudySpec) -> int:
    """Put back what killed processes of this machine were at; returns how many trials that were."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return sum(put_back(study, trial) for trial in running if not _alive(trial, Path(spec.workers)))


def put_back(study: optuna.Study, trial: FrozenTrial) -> bool:
    """Mark a running trial as killed and queue its point, unless that was killed too often; False if it had ended."""
    with contextlib.suppress(Exception):  # another command puts it back at this moment
        # what tells a trial of no living process has no public name
        study._storage.set_trial_user_attr(trial._trial_id, "killed", True)
        study.tell(trial.number, state=TrialState.FAIL)
        attempt = trial.user_attrs.get("attempt", 1)
        if trial.params and attempt < ATTEMPTS:
            kept = {name: value for name, value in trial.user_attrs.items() if name == "default"}
            study.enqueue_trial(trial.params, user_attrs=kept | {"attempt": attempt + 1, "of": trial.number})
        return True
    return False


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The best finished trial; of several objectives the one with the highest IoU of those that none beats in both."""
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return None
    return max(study.best_trials, key=lambda trial: (trial.values[0], -trial.number))


def default_trial(study: optuna.Study) -> FrozenTrial | None:
    """The finished trial with the config's own values, where there is one."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return next((trial for trial in done if trial.user_attrs.get("default")), None)


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[str]:
    """A name that this process holds while it lives, whatever ends it; ``recover`` sees by it who is dead."""
    folder.mkdir(parents=True, exist_ok=True)
    name = uuid.uuid4().hex
    path = folder / f"{name}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield name
        finally:
            path.unlink(missing_ok=True)


def _alive(trial: FrozenTrial, folder: Path) -> bool:
    worker = trial.user_attrs.get("worker")
    if worker is None:  # about to claim, or killed before it could
        # abs: a clock that was set back would make it young for ever
        return abs(datetime.now() - (trial.datetime_start or datetime.now())) < timedelta(seconds=CLAIM_SECONDS)
    path = folder / f"{worker}.lock"
    if not path.exists():
        return True  # on another machine, which recovers it itself
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    path.unlink(missing_ok=True)
    return False


@contextlib.contextmanager
def explained(address: str) -> Iterator[None]:
    try:
        yield
    except (ImportError, NoSuchModuleError) as error:
        raise ConfigError(f"{shown(address)}: the database's driver is missing ({error.__class__.__name__}); for "
                          "PostgreSQL: pip install 'psycopg[binary]' and postgresql+psycopg://user@host/db") from error
    except ArgumentError as error:
        raise ConfigError(f"--storage {shown(address)}: not a database URL, nor the path of a journal file") from error
    except (ConfigError, ValueError):
        raise
    except Exception as error:  # every driver has its own
        cause = " ".join(str(error.__cause__ or error).split())[:200]
        raise StoreError(f"cannot use storage {shown(address)}: {type(error).__name__}: "
                         f"{_without_password(cause, address)}") from error


def _without_password(text: str, address: str) -> str:
    with contextlib.suppress(Exception):
        password = make_url(address).password
        return text.replace(password, "***") if password else text
    return text
