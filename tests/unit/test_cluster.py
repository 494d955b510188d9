"""What the Ray executor decides without a cluster: who sees the work folder, who is begun anew, what is said."""

from __future__ import annotations

import importlib.util
import signal
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from benchmark import cli, cluster, schedule, schedule_ray
from benchmark.errors import ConfigError
from benchmark.records import CellKey, Outcome, RecordStore, Status
from benchmark.suites import Cell


class ScriptedCluster:
    """Stands in for ``Cluster``: each start of a cell takes the next ending of its script."""

    def __init__(self, *endings: dict) -> None:
        self.endings, self.started, self.ended = list(endings), [], []

    def gpus(self, device: str) -> int:
        return 4 if device != "cpu" else 0

    def start(self, subject: Cell, function: object, arguments: tuple, *, name: str, gpus: int) -> cluster.Task:
        self.started.append((name, gpus, arguments[2].device))
        return cluster.Task(subject, len(self.started), self.endings.pop(0) if self.endings else None)

    def news(self, tasks: list[cluster.Task]) -> list:
        return [(task, task.reference) for task in tasks if task.reference]

    def end(self, task: cluster.Task) -> None:
        self.ended.append(task)


def cell(method: str, *, trainable: bool = False) -> Cell:
    return Cell(CellKey(method, "d", "official", "demo", 0), {"method": {"trainable": trainable}}, "data", "f")


def run(scripted: ScriptedCluster, cells: list[Cell], folder: Path, **options) -> tuple[list, Counter]:
    heard = Counter()
    runner = schedule_ray._Run(scripted, cells, RecordStore(folder), schedule_ray.Options(**options),
                               lambda cell, event: heard.update([event["kind"]]))
    return runner.until_done(), heard


LOST = {"kind": "lost", "error": "machine n7 is gone"}
FAILED = {"kind": "failed", "error": "out of memory"}


def test_a_cell_that_loses_every_worker_is_begun_anew_three_times_and_then_fails(tmp_path):
    scripted = ScriptedCluster(*[LOST] * 9)
    (outcome,), heard = run(scripted, [cell("a")], tmp_path)
    assert len(scripted.started) == 4 and heard == {"lost": 3, "failed": 1}
    assert outcome.status is Status.FAILED and outcome.reason == "machine n7 is gone, as in 3 attempts before"


def test_a_cell_that_fails_by_itself_is_not_begun_anew(tmp_path):
    scripted = ScriptedCluster(FAILED, FAILED)
    outcomes, _ = run(scripted, [cell("a"), cell("b")], tmp_path)
    assert len(scripted.started) == 2 and [outcome.reason for outcome in outcomes] == ["out of memory"] * 2


def test_fail_fast_takes_back_what_waits_for_a_machine(tmp_path):
    scripted = ScriptedCluster(FAILED)  # the second has no ending: it waits for a place
    outcomes, _ = run(scripted, [cell("a"), cell("b"), cell("c")], tmp_path, jobs=2, fail_fast=True)
    assert len(outcomes) == 1 and [task.subject.key.method for task in scripted.ended] == ["b"]


@pytest.mark.parametrize(("code", "kind"), [(-signal.SIGKILL, "lost"), (-signal.SIGSEGV, "failed"), (1, "failed")])
def test_a_cell_that_the_system_killed_is_lost_and_one_that_crashed_has_failed(tmp_path, monkeypatch, code, kind):
    reason = schedule.describe_exit(code)
    monkeypatch.setattr(schedule, "run", lambda cells, *more: [Outcome(cells[0].key, Status.FAILED, reason)])
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    ending = schedule_ray._cell(cell("a"), str(tmp_path), schedule_ray.Options(), lambda event: None)
    assert ending["kind"] == kind and ending["error"].endswith(reason)


def test_only_cells_that_train_ask_for_gpus_and_the_others_see_none(tmp_path):
    scripted = ScriptedCluster(FAILED, FAILED)
    run(scripted, [cell("a", trainable=True), cell("b")], tmp_path)
    assert [(gpus, device) for _, gpus, device in scripted.started] == [(4, "auto"), (0, "cpu")]


def perform(sign: Path, *, project: Path, folder: Path, own: Path) -> tuple[dict, list]:
    """Run what a machine of the cluster runs, here, with a mailbox that lists what was put into it."""
    mail = []
    box = SimpleNamespace(put=SimpleNamespace(remote=lambda token, event: mail.append((token, event["kind"]))))
    place = [str(project), str(folder), str(sign), [str(own)], {"IRSTD_DATA_ROOT": "there"}]
    return cluster._performer()(place, ["never opened"], box, 3), mail


@pytest.mark.parametrize("unseen", ["project", "folder", "sign", "own"])
def test_a_machine_that_does_not_see_a_shared_folder_says_which_in_one_line(tmp_path, unseen):
    places = {name: tmp_path / name for name in ("project", "folder", "sign", "own")}
    for name in places.keys() - {unseen}:
        places[name].mkdir()
    ending, mail = perform(**places)
    assert ending["kind"] == "unseen" and f"does not see {tmp_path / unseen}: " in ending["error"]
    assert len(ending["error"].splitlines()) == 1 and not mail


def test_without_ray_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install .*\[ray\]"):
        cluster.Cluster(cluster.Request(), tmp_path)


def test_an_address_where_nothing_listens_is_refused_at_once(tmp_path):
    with pytest.raises(ConfigError, match="--address 127.0.0.1:9: no Ray cluster answers there"), \
            cluster.Cluster(cluster.Request("127.0.0.1:9"), tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_gpu_by_number_is_refused_for_ray_gives_them_out():
    with pytest.raises(ConfigError, match="--device cuda:1"):
        cli.ray_request(SimpleNamespace(device="cuda:1"), "cell")
