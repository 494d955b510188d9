"""``--executor ray`` on a local cluster of two nodes, one worker each, of which one is killed in mid-training."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmark.schedule import cores
from benchmark.tuning import study as studies

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PROJECT = Path(__file__).resolve().parents[2]
COUNTS = ["--set", "dataset.counts={'train': 12, 'val': 4, 'test': 6}"]
ACM = ["--suite", "table1", "--profile", "demo", "--device", "cpu", "--wandb", "disabled", *COUNTS,
       "--set", "evaluation.bootstrap=50", "--set", "train_cfg.val_interval=1", "--set", "model.network.stem=quarter"]
OBJECT_STORE = 80 * 2**20
PATIENCE = 240.0


@pytest.fixture(scope="module")
def cluster() -> Iterator:
    """A ``ray.cluster_utils.Cluster`` whose processes end with the module, whatever happens in it."""
    folder = tempfile.mkdtemp(prefix="ray-")  # short: sockets lie in it
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # Ray's default is so nice that beside other work its workers hardly run
        "RAY_health_check_failure_threshold": "1000",  # and a node that gets no time is not a dead one
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        node = dict(object_store_memory=OBJECT_STORE, include_dashboard=False, temp_dir=folder)
        for _ in range(2):
            cluster.add_node(num_cpus=1, wait=False, **node)
        cluster.wait_for_nodes(timeout=PATIENCE)
        yield cluster
    finally:
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def start(program: str, *arguments: str, work: Path, options: tuple[str, ...] = ()) -> subprocess.Popen:
    work.mkdir(parents=True, exist_ok=True)
    with (work / "out").open("w") as out, (work / "err").open("w") as err:
        # A shell starts background jobs with SIGINT ignored, and this test may be in one: the child gets it back.
        return subprocess.Popen(
            [sys.executable, *options, f"benchmark/{program}", *arguments, "--work-dir", str(work)], cwd=PROJECT,
            stdout=out, stderr=err, env={**os.environ, "IRSTD_DATA_ROOT": str(work / "none")},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def finish(command: subprocess.Popen, work: Path) -> str:
    assert command.wait(PATIENCE) == 0, (work / "out").read_text() + (work / "err").read_text()[-3000:]
    return (work / "out").read_text()


def until(command: subprocess.Popen, found: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < deadline and command.poll() is None
        time.sleep(0.02)


def workers(cell: str) -> list[int]:
    """Process ids of the Ray workers that run a cell; Ray gives processes the names of their tasks."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(f"ray::{cell}__".encode()):
                found.append(int(path.parent.name))
        except OSError:  # it has just ended
            continue
    return found


def record(work: Path, method: str) -> dict:
    (path,) = work.glob(f"cells/{method}__*/record.json")
    return json.loads(path.read_text())


def test_trials_of_a_study_run_on_both_workers_and_share_its_journal(cluster, tmp_path):
    output = finish(start("tune.py", "--method", "top_hat", "--dataset", "synth-sirst", *COUNTS, "--device", "cpu",
                          "--set", "dataset.size=(64, 64)", "--trials", "2", "--enqueue-default",
                          "--executor", "ray", "--address", cluster.address, work=tmp_path), tmp_path)
    assert "2 trials: 2 complete" in output
    journal = next(tmp_path.glob("tune/*/journal.log"))
    trials = studies.open_storage(str(journal)).get_all_trials(0)
    assert len({trial.user_attrs["worker"] for trial in trials}) == 2 and trials[0].user_attrs["default"]
    assert trials[0].params != trials[1].params


def test_a_cell_whose_worker_is_killed_goes_on_elsewhere_and_ends_as_if_undisturbed(cluster, tmp_path):
    work, alone = tmp_path / "ray", tmp_path / "local"
    three = [*ACM, "--methods", "acm,top_hat", "--set", "train_cfg.max_epochs=3"]
    command = start("run.py", *three, "-v", "--executor", "ray", "--address", cluster.address, work=work,
                    options=("-X", "importtime"))
    until(command, lambda: list(work.glob("cells/acm__*/train-*/epoch_1.pth")))
    (process,) = workers("acm")
    os.kill(process, signal.SIGKILL)
    first = next(work.glob("cells/acm__*/train-*/curve.jsonl")).read_text().splitlines()[0]
    output = finish(command, work)
    assert "was killed; goes on elsewhere from its last checkpoint" in output
    assert "acm / synth-sirst / seed 0  train  epoch" in output and "2 done" in output
    imports = (work / "err").read_text()
    assert "| ray" in imports and "| torch" not in imports and "Traceback" not in imports

    curve = record(work, "acm")["training"]["curve"]
    assert [row["epoch"] for row in curve] == [1, 2, 3]
    assert curve[0]["seconds"] == json.loads(first)["seconds"]  # of the worker that was killed: not trained again
    # A Ray worker has one core for its cell; so many jobs give a local one the same number of threads.
    finish(start("run.py", *three, "--jobs", str(cores()), work=alone), alone)
    for method in ("acm", "top_hat"):
        there, here = record(work, method), record(alone, method)
        for name in ("id", "metrics", "roc"):
            assert there[name] == here[name]
        assert there["training"].get("weights_sha256") == here["training"].get("weights_sha256")
    assert not list(work.glob(".seen-by-all-*"))


def test_an_interrupt_ends_the_cells_on_the_cluster(cluster, tmp_path):
    command = start("run.py", *ACM, "--methods", "acm", "--set", "train_cfg.max_epochs=500", "--executor", "ray",
                    "--address", cluster.address, work=tmp_path)
    until(command, lambda: list(tmp_path.glob("cells/acm__*/train-*/epoch_1.pth")))
    assert workers("acm")
    command.send_signal(signal.SIGINT)
    assert command.wait(60) == 130
    assert (tmp_path / "err").read_text().splitlines()[-1].startswith("interrupted;")
    deadline = time.monotonic() + 20
    while workers("acm"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
