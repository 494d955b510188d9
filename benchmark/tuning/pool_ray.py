"""Running the trials of a study on the machines of a Ray cluster; all of them ask the study's storage for their point.

The counterpart of ``benchmark.tuning.pool``. A trial whose process or machine died is put back and begun anew.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna

from benchmark import schedule
from benchmark.cluster import Cluster, Request, Task
from benchmark.errors import StoreError
from benchmark.tuning.pool import Listener, tell_failed
from benchmark.tuning.study import put_back, recover, shown, spent
from benchmark.tuning.worker import Job, Send, attempt

BIRTHS = 3
"""How many workers may be lost before they have a trial; then something is wrong with the machines."""


def run(study: optuna.Study, job: Job, *, trials: int, workers: int, timeout: float | None, listen: Listener,
        request: Request) -> None:
    """Run trials until the study has ``trials`` of them, at most ``workers`` at once, as ``pool.run`` does.

    ``listen`` also hears ``ended`` with the state ``killed`` of trials that are begun anew.

    Raises:
        StoreError: Where workers can have no trial, or do not see the study's folder.
    """
    with Cluster(request, Path(job.folder)) as cluster:
        gpus = cluster.gpus(job.device if job.config["method"]["trainable"] else "cpu")
        job = replace(job, device="auto" if gpus else "cpu", threads=request.cpus)
        running: list[Task] = []
        losses = 0
        try:
            while True:
                unborn = sum(not task.subject for task in running)
                while len(running) < workers and spent(study) + unborn < trials:
                    running.append(cluster.start({}, _trial, (job,), name=study.study_name, gpus=gpus))
                    unborn += 1
                if not running:
                    return
                for task, event in cluster.news(running):
                    if not _hear(task, event, listen):
                        running.remove(task)
                        losses += event["kind"] == "lost" and not task.subject
                        _finish(task, event, study, job, listen, hopeless=losses > BIRTHS)
                for task in [task for task in running if task.subject and task.seconds > (timeout or math.inf)]:
                    running.remove(task)
                    cluster.end(task)
                    error = f"timed out after {timeout:.0f} s"
                    tell_failed(study, task.subject["number"], error)
                    listen(_about(task) | {"kind": "ended", "state": "fail", "error": error})
        finally:
            for task in running:
                cluster.end(task)


def _hear(task: Task, event: dict[str, Any], listen: Listener) -> bool:
    # Whether the task goes on.
    if event["kind"] == "asked":
        task.subject = event
    elif event["kind"] == "report":
        listen(_about(task) | event)
    return event["kind"] in ("started", "asked", "report")


def _finish(task: Task, event: dict[str, Any], study: optuna.Study, job: Job, listen: Listener, *,
            hopeless: bool) -> None:
    if event["kind"] == "broken" or hopeless:
        raise StoreError(f"no trial could be had from {shown(job.study.storage)}: {event['error']}")
    if event["kind"] == "ended":
        listen(_about(task) | event)
    elif not task.subject:
        recover(study, job.study)  # it may have had a trial all the same, and no time to say so
    elif put_back(study, study.get_trials(deepcopy=False)[task.subject["number"]]):
        listen(_about(task) | {"kind": "ended", "state": "killed", "error": f"{event['error']}; begun anew"})


def _trial(job: Job, send: Send) -> dict[str, Any]:
    importlib.import_module(schedule.PRELOAD)  # here no server of processes has imported the stack
    return attempt(job, send)


def _about(task: Task) -> dict[str, Any]:
    return {name: task.subject.get(name) for name in ("number", "params")} | {"seconds": task.seconds}
