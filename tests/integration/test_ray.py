"""``--executor ray`` on a local cluster of two nodes, one worker each, of which one is killed in mid-training."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
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
OWN = f"""
_base_ = {str(PROJECT / "configs/methods/acm.py")!r}
method = dict(name="own")
custom_imports = dict(imports=["baselines.acm", "baselines.losses", "baselines.segmentor", "beside_own"])
"""
OBJECT_STORE = 80 * 2**20
PATIENCE = 240.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Address of a cluster whose processes end with the module, whatever happens in it."""
    folder = tempfile.mkdtemp(prefix="ray-")  # short: sockets lie in it
    settings = {
        "RAY_TMPDIR": folder, "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid.uuid4().hex,
        "RAY_worker_niceness": "0",  # Ray's default is so nice that beside other work its workers hardly run
        "RAY_health_check_failure_threshold": "1000",  # and a node that gets no time is not a dead one
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    nodes = []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        try:
            for where in (["--head", f"--port={address.partition(':')[2]}", "--include-dashboard=false"],
                          [f"--address={address}"]):
                with Path(folder, f"node{len(nodes)}.log").open("w") as log:
                    nodes.append(subprocess.Popen(
                        [Path(sys.executable).with_name("ray"), "start", *where, "--block", "--num-cpus=1",
                         f"--object-store-memory={OBJECT_STORE}", "--min-worker-port=0", "--max-worker-port=0"],
                        stdout=log, stderr=subprocess.STDOUT))
                wait_for(lambda log=log: "forever until terminated" in Path(log.name).read_text(), nodes[-1])
            yield address
        finally:
            for node in reversed(nodes):
                node.terminate()
            for node in nodes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    node.wait(20)
            for process, line in processes():  # what would not go; all have the folder in their command lines
                if folder.encode() in line:
                    os.kill(process, signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)


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


def wait_for(found: Callable[[], object], command: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < deadline and command.poll() is None
        time.sleep(0.02)


def processes() -> Iterator[tuple[int, bytes]]:
    """Process ids and command lines of all processes."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            yield int(path.parent.name), path.read_bytes()


def workers(cell: str) -> list[int]:
    """Process ids of the Ray workers that run a cell; Ray gives processes the names of their tasks."""
    return [process for process, line in processes() if line.startswith(f"ray::{cell}__".encode())]


def record(work: Path, method: str) -> dict:
    (path,) = work.glob(f"cells/{method}__*/record.json")
    return json.loads(path.read_text())


def test_trials_of_a_study_run_on_both_workers_and_share_its_journal(cluster, tmp_path):
    output = finish(start("tune.py", "--method", "top_hat", "--dataset", "synth-sirst", *COUNTS, "--device", "cpu",
                          "--set", "dataset.size=(64, 64)", "--trials", "2", "--enqueue-default",
                          "--executor", "ray", "--address", cluster, work=tmp_path), tmp_path)
    assert "2 trials: 2 complete" in output
    journal = next(tmp_path.glob("tune/*/journal.log"))
    trials = studies.open_storage(str(journal)).get_all_trials(0)
    assert len({trial.user_attrs["worker"] for trial in trials}) == 2 and trials[0].user_attrs["default"]
    assert trials[0].params != trials[1].params


def test_a_cell_whose_worker_is_killed_goes_on_elsewhere_and_ends_as_if_undisturbed(cluster, tmp_path):
    work, alone = tmp_path / "ray", tmp_path / "local"
    three = [*ACM, "--methods", "acm,top_hat", "--set", "train_cfg.max_epochs=3"]
    command = start("run.py", *three, "-v", "--executor", "ray", "--address", cluster, work=work,
                    options=("-X", "importtime"))
    # An epoch counts once it is validated, which the first certainly is when the second is trained.
    wait_for(lambda: list(work.glob("cells/acm__*/train-*/epoch_2.pth")), command)
    (process,) = workers("acm")
    os.kill(process, signal.SIGKILL)
    first = next(work.glob("cells/acm__*/train-*/curve.jsonl")).read_text().splitlines()[0]
    # A Ray worker has one core for its cell; so many jobs give a local one the same number of threads.
    undisturbed = start("run.py", *three, "--jobs", str(cores()), work=alone)
    output = finish(command, work)
    assert "was killed; goes on elsewhere from its last checkpoint" in output
    assert "acm / synth-sirst / seed 0  train  epoch" in output and "2 done" in output
    imports = (work / "err").read_text()
    assert "| ray" in imports and "| torch" not in imports and "Traceback" not in imports

    curve = record(work, "acm")["training"]["curve"]
    assert [row["epoch"] for row in curve] == [1, 2, 3]
    assert curve[0]["seconds"] == json.loads(first)["seconds"]  # of the worker that was killed: not trained again
    finish(undisturbed, alone)
    for method in ("acm", "top_hat"):
        there, here = record(work, method), record(alone, method)
        for name in ("id", "metrics", "roc"):
            assert there[name] == here[name]
        assert there["training"].get("weights_sha256") == here["training"].get("weights_sha256")
    assert not list(work.glob(".seen-by-all-*"))


def test_an_interrupt_ends_the_cells_on_the_cluster_here_of_a_method_of_ones_own(cluster, tmp_path):
    (tmp_path / "beside_own.py").write_text('"""A module that lies beside a config."""\n')
    (tmp_path / "own.py").write_text(OWN)
    command = start("run.py", *ACM, "--methods", str(tmp_path / "own.py"), "--set", "train_cfg.max_epochs=500",
                    "--executor", "ray", "--address", cluster, work=tmp_path)
    wait_for(lambda: list(tmp_path.glob("cells/own__*/train-*/epoch_1.pth")), command)
    assert workers("own")
    command.send_signal(signal.SIGINT)
    assert command.wait(60) == 130
    assert (tmp_path / "err").read_text().splitlines()[-1].startswith("interrupted;")
    deadline = time.monotonic() + 20
    while workers("own"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
