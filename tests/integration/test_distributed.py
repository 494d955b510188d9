"""Cells that two processes train and test together (gloo, on CPUs) end as those of one; and who gets which GPU."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmark import schedule
from benchmark.records import Outcome, RecordStore, Status
from benchmark.suites import Cell, Selection, expand, load_suite

HERE = Path(__file__).resolve().parent
COUNTS = {"train": 13, "val": 5, "test": 7}  # all odd: two processes cannot share them evenly
LEFT = ("per_image.jsonl", "details.jsonl", "predictions.npz")
METHOD = """
method = dict(name="probe", title="Probe", type="CNN", year=2020, trainable=True, reconstruction=False, paper="none")
custom_imports = dict(imports=["baselines.segmentor", "baselines.losses", "distributed_probe"])
model = dict(type="BaselineSegmentor", network=dict(type="ProbeNetwork", notes={notes!r}, fail="", slow=0.0),
             loss=dict(type="BCELoss"))
weights = dict(kind="random")
"""


def method(folder: Path) -> Path:
    notes = folder / "notes"
    notes.mkdir(parents=True)
    path = folder / "probe.py"
    path.write_text(METHOD.format(notes=str(notes)))
    return path


def overrides(**more) -> list[tuple]:
    return [("train_cfg.max_epochs", 2), ("train_cfg.val_interval", 1), ("dataset.counts", COUNTS),
            # not Adam, which makes steps of full size from the rounding errors of a gradient that should be nought
            ("evaluation.bootstrap", 20), ("optim_wrapper.optimizer.type", "SGD"), ("optim_wrapper.optimizer.lr", 0.5),
            *((f"model.network.{name}", value) for name, value in more.items())]


def cells(config: Path, seeds: tuple[int, ...] = (0,), **more) -> list[Cell]:
    selection = Selection(profile="demo", data_root=config.parent, methods=[str(config)], seeds=seeds,
                          overrides=overrides(**more))
    return expand(load_suite("table1"), selection).cells


def run(todo: list[Cell], work: Path, processes: int, device: str = "cpu", jobs: int = 1,
        timeout: float = 300) -> list[Outcome]:
    options = schedule.Options(jobs=jobs, device=device, gpus_per_cell=processes, timeout=timeout)
    return schedule.run(todo, RecordStore(work), options, lambda cell, event: None)


def notes(config: Path) -> dict[int, dict]:
    """What each process that built the network saw, by process id."""
    return {int(path.stem): json.loads(path.read_text()) for path in (config.parent / "notes").glob("*.json")}


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def weights(outcome: Outcome) -> dict[str, np.ndarray]:
    import torch

    path = outcome.folder / outcome.record.training["checkpoint"]
    return {name: value.numpy() for name, value in torch.load(path, weights_only=True)["state_dict"].items()}


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    return method(tmp_path_factory.mktemp("method"))


@pytest.fixture(scope="module", autouse=True)
def _probe_path():
    # children take this process's sys.path
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        yield


@pytest.fixture(scope="module")
def by_one(config, tmp_path_factory) -> Outcome:
    """The cell, trained and tested by one process, with one thread as each of two has it."""
    (outcome,) = run(cells(config), tmp_path_factory.mktemp("one"), 1, jobs=os.cpu_count())
    assert outcome.status is Status.DONE, outcome.reason
    return outcome


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> tuple[Path, list[int]]:
    """The method of a run of two processes that was killed after its first epoch, and these processes."""
    folder = tmp_path_factory.mktemp("two")
    config = method(folder)
    command = [sys.executable, "benchmark/run.py", "--suite", "table1", "--methods", str(config), "--profile", "demo",
               "--data-root", str(folder), "--device", "cpu", "--gpus-per-cell", "2", "--wandb", "disabled",
               "--work-dir", str(folder / "work")]
    for name, value in overrides(slow=0.3):
        command += ["--set", f"{name}={value}"]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    parent = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=HERE.parents[1],
                              env=environment)
    deadline = time.monotonic() + 240
    while not list(folder.glob("work/cells/*/train-*/epoch_1.pth")):
        assert time.monotonic() < deadline and parent.poll() is None, "epoch 1 never came"
        time.sleep(0.05)
    ranks = [process for process in notes(config) if alive(process)]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    return config, ranks


@pytest.fixture(scope="module")
def by_two(killed) -> Outcome:
    """The same cell as ``by_one``, which two processes resume and test."""
    config, ranks = killed
    deadline = time.monotonic() + 30
    while any(alive(process) for process in ranks) and time.monotonic() < deadline:
        time.sleep(0.1)
    (outcome,) = run(cells(config, slow=0.3), config.parent / "work", 2, jobs=os.cpu_count())
    assert outcome.status is Status.DONE, outcome.reason
    return outcome


@pytest.fixture(scope="module")
def failed(tmp_path_factory) -> tuple[Path, Outcome]:
    """The method of a cell of two processes whose second one raises, on two GPUs; and how the cell stands."""
    folder = tmp_path_factory.mktemp("failed")
    config = method(folder)
    with pytest.MonkeyPatch.context() as patch:
        pretend_gpus(folder, patch)
        (outcome,) = run(cells(config, fail="raise"), folder / "work", 2, "auto")
    return config, outcome


def pretend_gpus(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Two GPUs, as far as nvidia-smi tells; the second has more free memory."""
    command = folder / "bin" / "nvidia-smi"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\nprintf '0, 24000, 4000\\n1, 24000, 500\\n'\n")
    command.chmod(0o755)
    patch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_two_processes_train_the_network_that_one_trains(by_one, killed, by_two):
    one, two = weights(by_one), weights(by_two)
    assert one.keys() == two.keys()
    for name, value in one.items():  # batch norm's running statistics among them
        np.testing.assert_allclose(two[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    initial = 1.0, 0.0  # of batch norm's weight and running mean: training has moved them
    assert (np.abs(one["network.layers.1.weight"] - initial[0]) > 0.01).any()
    assert (np.abs(one["network.layers.1.running_mean"] - initial[1]) > 0.01).any()
    for ours, theirs in zip(by_one.record.training["curve"], by_two.record.training["curve"], strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4) and ours["lr"] == theirs["lr"]
        assert ours["val_images"] == theirs["val_images"] == COUNTS["val"]
    seen = notes(killed[0]).values()
    assert {(one["RANK"], one["WORLD_SIZE"]) for one in seen} == {("0", "2"), ("1", "2")}


@pytest.fixture(scope="module")
def counted_by_two(by_one, config, tmp_path_factory) -> Outcome:
    """The training of ``by_one``, whose record and predictions were lost, tested by two processes."""
    store = RecordStore(shutil.copytree(by_one.folder.parents[1], tmp_path_factory.mktemp("counted") / "work"))
    for name in (*LEFT, "record.json"):
        (store.folder(by_one.key) / name).unlink()
    shutil.rmtree(store.folder(by_one.key) / "maps")
    (outcome,) = run(cells(config), store.root, 2, jobs=os.cpu_count())
    assert outcome.status is Status.DONE, outcome.reason
    return outcome


def test_the_number_of_processes_is_in_the_record_and_not_in_the_identity(by_one, by_two, counted_by_two):
    ours, theirs = by_one.record, counted_by_two.record
    assert ours.id == theirs.id and ours.config == theirs.config
    assert (ours.provenance["processes"], theirs.provenance["processes"]) == (1, 2)
    assert (theirs.training["processes"], by_two.record.training["processes"]) == (1, 2)


def test_two_processes_count_what_one_counts_to_the_last_digit_and_keep_the_same(by_one, counted_by_two):
    folder, again = counted_by_two.folder, counted_by_two
    assert again.record.metrics == by_one.record.metrics and again.record.roc == by_one.record.roc
    assert again.record.metrics["images"].value == COUNTS["test"] and len(again.record.roc["pd"]) >= 100
    for name in LEFT:
        assert (folder / name).read_bytes() == (by_one.folder / name).read_bytes(), name
    ids = [json.loads(row)["image_id"] for row in (folder / "per_image.jsonl").read_text().splitlines()]
    assert ids == [f"test-{number:05d}" for number in range(COUNTS["test"])]
    maps = {path.name: path.read_bytes() for path in (by_one.folder / "maps").iterdir()}
    assert len(maps) == COUNTS["test"]
    assert {path.name: path.read_bytes() for path in (folder / "maps").iterdir()} == maps


def test_images_that_pad_the_last_batch_are_counted_once_and_in_order(tmp_path):
    found = {}
    import distributed_probe

    for processes in (1, 2):
        shared = processes, str(tmp_path / "meeting"), str(tmp_path / str(processes)), 7
        started = [schedule.context().Process(target=distributed_probe.count_padded, args=(rank, *shared))
                   for rank in range(processes)]
        for process in started:
            process.start()
        for process in started:
            process.join(120)
            assert process.exitcode == 0
        found[processes] = pickle.loads((tmp_path / str(processes)).read_bytes())
    assert found[1].pop("shares") == 7 and found[2].pop("shares") == 4  # 8 in all: one was padding
    assert found[2] == found[1]
    assert [row["image_id"] for row in found[2]["rows"]] == [f"image-{number}" for number in range(7)]


def test_when_one_process_raises_all_end_and_the_row_says_why(failed):
    config, outcome = failed
    assert outcome.status is Status.FAILED and outcome.reason == "RuntimeError: told to fail"
    assert len(notes(config)) == 2 and not any(alive(process) for process in notes(config))


def test_when_one_process_is_killed_all_end_and_the_row_says_why(tmp_path):
    config = method(tmp_path)
    (outcome,) = run(cells(config, fail="kill"), tmp_path / "work", 2)
    assert outcome.status is Status.FAILED and outcome.reason == (
        "one of 2 processes: process ended by SIGKILL (often the system's answer to too little memory)")
    assert len(notes(config)) == 2 and not any(alive(process) for process in notes(config))


def test_a_cell_over_its_time_takes_all_its_processes_with_it(tmp_path):
    config = method(tmp_path)
    (outcome,) = run(cells(config, slow=300.0), tmp_path / "work", 2, timeout=10)
    assert outcome.status is Status.FAILED and outcome.reason.startswith("timed out after 10 s")
    assert not any(alive(process) for process in notes(config))


def test_a_killed_run_takes_all_processes_with_it_and_the_next_one_resumes(killed, by_two):
    config, ranks = killed
    assert len(ranks) == 2 and not any(alive(process) for process in notes(config))
    assert "epoch_1.pth" in (by_two.folder / "cell.log").read_text()  # where it went on from
    assert [row["epoch"] for row in by_two.record.training["curve"]] == [1, 2]


def test_a_batch_that_cannot_be_shared_evenly_is_refused_in_one_line(config, tmp_path):
    command = [sys.executable, "benchmark/run.py", "--suite", "table1", "--methods", f"top_hat,{config}", "--profile",
               "demo", "--data-root", str(tmp_path), "--device", "cpu", "--gpus-per-cell", "3", "--work-dir",
               str(tmp_path / "work")]
    result = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parents[1],
                            env=os.environ | {"PYTHONPATH": str(HERE)})  # where the probe's module is
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
    assert "batch of probe is 4" in result.stderr and "1, 2, 4" in result.stderr
    assert not list((tmp_path / "work").glob("cells/*"))


def test_cells_side_by_side_see_each_the_gpu_that_it_was_given(tmp_path, monkeypatch):
    pretend_gpus(tmp_path, monkeypatch)
    config = method(tmp_path)
    outcomes = run(cells(config, seeds=(0, 1)), tmp_path / "work", 1, "auto", jobs=2)
    assert {outcome.status for outcome in outcomes} == {Status.DONE}, [outcome.reason for outcome in outcomes]
    assert {seen["CUDA_VISIBLE_DEVICES"] for seen in notes(config).values()} == {"0", "1"}
    # or the server would have asked CUDA itself for its GPUs, which no process forked from it could use then
    assert {seen["PYTORCH_NVML_BASED_CUDA_CHECK"] for seen in notes(config).values()} == {"1"}


def test_the_processes_of_a_cell_see_all_its_gpus(failed):
    config, _ = failed
    assert [seen["CUDA_VISIBLE_DEVICES"] for seen in notes(config).values()] == ["1,0", "1,0"]
