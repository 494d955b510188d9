"""``tune.py`` as a user meets it: many processes on one study, killed, resumed, exported, run; on six small images."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest

from benchmark.tuning import study as studies

PROJECT = Path(__file__).resolve().parents[2]
SMALL = ["--dataset", "synth-sirst", "--set", "dataset.size=(64, 64)",
         "--set", "dataset.counts={'train': 6, 'val': 3, 'test': 3}", "--device", "cpu"]


def start(work: Path, *arguments: str, method: str = "top_hat", **environment: str) -> subprocess.Popen:
    command = [sys.executable, "benchmark/tune.py", "--method", method, *SMALL, *arguments, "--work-dir", str(work)]
    return subprocess.Popen(command, cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env={**os.environ, "IRSTD_DATA_ROOT": str(work / "none")} | environment)


def on_one_core(command: subprocess.Popen) -> subprocess.Popen:
    """Keep it to one core: threads that wait for each other are very slow on a busy machine."""
    os.sched_setaffinity(command.pid, {random.choice(sorted(os.sched_getaffinity(0)))})
    return command


def finish(child: subprocess.Popen, code: int = 0) -> str:
    output, _ = child.communicate(timeout=550)
    assert child.returncode == code, output
    return output


def load(storage: str) -> optuna.Study:
    opened = studies.open_storage(storage)
    (name,) = optuna.get_all_study_names(opened)
    return optuna.load_study(study_name=name, storage=opened)


def points(study: optuna.Study) -> list[tuple]:
    """Parameters of all trials but those that were killed, whose points another trial has."""
    return [tuple(sorted(trial.params.items())) for trial in study.get_trials() if not studies.is_killed(trial)]


def test_four_processes_share_a_journal_and_a_killed_search_goes_on(tmp_path):
    journal = str(tmp_path / "journal.log")
    four = [start(tmp_path / "work", "--trials", "6", "--enqueue-default", "--storage", journal) for _ in range(4)]
    deadline = time.monotonic() + 180
    ended = 0
    while ended < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)
        with contextlib.suppress(ValueError, FileNotFoundError):  # not there yet
            counts = studies.tally(load(journal))
            ended = counts["complete"] + counts["pruned"]
    for child in four:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    time.sleep(1.0)  # trials notice that they are alone and go
    output = finish(start(tmp_path / "work", "--trials", "12", "--workers", "4", "--storage", journal))
    study = load(journal)
    assert "12/12" in output and studies.spent(study) == 12
    counts = Counter(points(study))
    assert max(counts.values()) == 1, counts
    assert studies.default_trial(study) is not None
    report = tmp_path / "work" / "tune" / "top_hat-synth-sirst-generated-demo" / "report"
    names = {path.name for path in report.iterdir()}
    assert {"README.md", "history_iou.png", "history_iou.svg", "reports.png"} <= names


def test_four_workers_share_a_database_file_and_the_best_runs_in_a_suite(tmp_path):
    storage = f"sqlite:///{tmp_path}/study.db"
    export = tmp_path / "best.py"
    output = finish(start(tmp_path, "--trials", "12", "--workers", "4", "--storage", storage, "--multi",
                          "--enqueue-default", "--export", str(export)))
    study = load(storage)
    assert studies.tally(study)["complete"] == 12 and len(set(points(study))) == 12
    assert (tmp_path / "study.db").read_bytes()[18:20] == b"\x02\x02"  # SQLite's mark of a write-ahead log
    assert study.trials[0].user_attrs["default"] and "best" in output
    report = tmp_path / "tune" / "top_hat-synth-sirst-generated-demo-multi" / "report"
    assert {"pareto.png", "importance_iou.svg", "importance_fa.svg"} <= {path.name for path in report.iterdir()}
    best = studies.best_trial(study)
    run = subprocess.run(
        [sys.executable, "benchmark/run.py", "--suite", "table1", "--methods", f"top_hat,{export}", "--profile", "demo",
         *SMALL[2:], "--work-dir", str(tmp_path), "--wandb", "disabled"], cwd=PROJECT, text=True, capture_output=True,
        env={**os.environ, "IRSTD_DATA_ROOT": str(tmp_path / "none")}, timeout=300)
    assert run.returncode == 0 and "top_hat_tuned" in run.stdout, run.stdout + run.stderr
    text = next(tmp_path.glob("cells/top_hat_tuned__*/record.json")).read_text()
    assert f'"level": {best.params["model.level"]!r}' in text
    listed = subprocess.run([sys.executable, "benchmark/tune.py", "--list", "-v", "--storage", storage], cwd=PROJECT,
                            text=True, capture_output=True, check=True).stdout
    assert "12 complete" in listed and listed.count("  trial ") == 12


def test_a_network_is_validated_after_each_epoch_and_pruned_by_the_hook(tmp_path):
    space = tmp_path / "space.py"
    space.write_text('space = {"optim_wrapper.optimizer.lr": dict(low=1e-6, high=0.02, log=True)}\n')
    journal = str(tmp_path / "journal.log")
    small = ["--set", "view.size=(64, 64)", "--set", "model.network.stem=quarter", "--set", "model.network.blocks=1",
             "--set", "train_cfg.max_epochs=3"]
    finish(on_one_core(start(tmp_path, "--trials", "6", "--storage", journal, "--space", str(space), *small,
                             method="acm")))
    states = Counter()
    for trial in load(journal).get_trials():
        states[trial.state.name] += 1
        reports = trial.intermediate_values
        if trial.state.name == "COMPLETE":  # this set has validation images, so the best epoch counts
            assert list(reports) == [1, 2, 3] and trial.value == max(reports.values())
        else:
            assert 1 <= len(reports) < 3
    assert states["COMPLETE"] and states["PRUNED"] and set(states) == {"COMPLETE", "PRUNED"}, states
    assert not list(tmp_path.rglob("*.pth"))


def test_failed_trials_are_recorded_and_not_fatal(tmp_path):
    space = tmp_path / "space.py"
    space.write_text('space = {"model.inner": dict(low=9, high=14), "model.level": dict(low=3.0, high=40.0)}\n')
    journal = str(tmp_path / "journal.log")
    output = finish(start(tmp_path, "--trials", "8", "--workers", "2", "--storage", journal, "--space", str(space)))
    study = load(journal)
    failed = [trial for trial in study.get_trials() if trial.state.name == "FAIL"]
    assert failed and all(trial.params["model.inner"] >= 11 for trial in failed)  # the ring's outer side is 11
    assert all("inner < outer" in trial.user_attrs["error"] for trial in failed)
    assert studies.spent(study) == 8 and "inner < outer" in output and "Traceback" not in output


@pytest.fixture
def postgres():
    """URL of a database on a server of Debian's package, started for this test."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must have PostgreSQL: apt-get install postgresql")
        pytest.skip("no PostgreSQL server here; apt-get install postgresql")
    pytest.importorskip("psycopg")
    folder = Path(tempfile.mkdtemp(prefix="saist-pg-"))
    user = {}
    if os.getuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
        user = {"user": "postgres", "group": "postgres", "extra_groups": []}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bin_folder = programs[-1].parent
    data = str(folder / "data")
    subprocess.run([bin_folder / "initdb", "-D", data, "-U", "bench", "-A", "trust", "--no-sync"], check=True,
                   cwd=folder, capture_output=True, **user)
    server = subprocess.Popen([bin_folder / "postgres", "-D", data, "-p", str(port), "-k", str(folder), "-F",
                               "-c", "listen_addresses=127.0.0.1"], cwd=folder, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, **user)
    try:
        deadline = time.monotonic() + 60
        while subprocess.run([bin_folder / "pg_isready", "-h", "127.0.0.1", "-p", str(port)],
                             capture_output=True).returncode:
            assert time.monotonic() < deadline and server.poll() is None
            time.sleep(0.1)
        yield f"postgresql+psycopg://bench:secret-word@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # what PostgreSQL calls a fast shutdown
        server.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def test_workers_share_a_postgresql_server_whose_password_stays_secret(tmp_path, postgres):
    arguments = ["--trials", "8", "--workers", "2", "--enqueue-default"]
    both = [start(tmp_path, *arguments, OPTUNA_STORAGE=postgres) for _ in range(2)]
    outputs = [finish(child) for child in both]
    study = load(postgres)
    assert 8 <= studies.spent(study) <= 11  # two commands may each start a last trial
    own = [trial for trial in study.get_trials() if not trial.user_attrs.get("default")]
    assert len({tuple(trial.params.items()) for trial in own}) == len(own)
    assert all("secret-word" not in output and "postgresql+psycopg://" in output for output in outputs)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"secret-word" not in path.read_bytes(), path


@pytest.mark.parametrize(("arguments", "message"), [
    (["--method", "no_such", "--dataset", "synth-sirst"], "unknown method 'no_such'"),
    (["--method", "acm"], "--method and --dataset say what to tune"),
    (["--method", "acm", "--dataset", "synth-sirst", "--storage", "nodb://x/y"], "driver is missing"),
    (["--method", "acm", "--dataset", "synth-sirst", "--set", "train_cfg.max_epoch=3"], "did you mean"),
])
def test_wrong_usage_is_one_line_and_exit_code_2(arguments, message, tmp_path):
    result = subprocess.run([sys.executable, "benchmark/tune.py", *arguments, "--work-dir", str(tmp_path)], text=True,
                            capture_output=True, cwd=PROJECT)
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1 and message in result.stderr
