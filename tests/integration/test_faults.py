"""Nothing lost, nobody harmed: what a suite leaves, and with which exit code it ends, when things go wrong.

Every run is a command of its own process and each of its cells another (see ``fault_host.py``); the network is a tiny
one, the faults are in ``fault_doubles.py``. ``undisturbed`` is what the same suite gives where nothing goes wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PROJECT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
KILLS = 20
DONE, INCOMPLETE, USAGE = 0, 1, 2
SMALL = ["--suite", "table1", "--device", "cpu", "--wandb", "disabled", "--set", "view.size=(32, 32)",
         "--set", "train_cfg.max_epochs=3", "--set", "train_cfg.val_interval=1", "--set", "evaluation.bootstrap=20",
         "--set", "train_dataloader.batch_size=4", "--set", "optim_wrapper.optimizer.lr=0.1",
         "--set", "evaluation.roc_thresholds=10"]
GENERATED = ["--profile", "demo", "--set", "dataset.counts={'train': 12, 'val': 3, 'test': 4}",
             "--set", "dataset.size=(96, 96)"]
METHOD = """
method = dict(name="tiny", title="Tiny", type="CNN", year=2025, trainable=True, reconstruction=False, paper="none")
custom_imports = dict(imports=["baselines.segmentor", "baselines.losses", "fault_doubles"])
model = dict(type="BaselineSegmentor", network=dict(type="TinyNet"), loss=dict(type="SoftIoULoss", per_image=True))
weights = dict(kind="random")
recipes = dict(authors=dict())
"""


class Host:
    """The other end of ``fault_host.py``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, 0
        self.method = folder / "tiny.py"
        self.method.write_text(METHOD)
        environment = os.environ | {"OMP_NUM_THREADS": "1", "IRSTD_DATA_ROOT": str(folder / "none"),
                                    "PYTHONPATH": str(PROJECT), "XDG_CACHE_HOME": str(folder / "cache"),
                                    "HOME": str(folder / "home"), "MPLCONFIGDIR": str(folder / "matplotlib")}
        self.process = subprocess.Popen([sys.executable, str(HERE / "fault_host.py")], text=True, env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT)
        assert self.process.stdout.readline() == "ready\n"

    def together(self, *runs: dict) -> list[dict]:
        """Run commands at the same time; each ending has ``output``, what the command printed."""
        for run in runs:
            self.runs += 1
            run["output"] = str(self.folder / f"output-{self.runs}.txt")
            run["faults"] = {"short_report": {}} | run.get("faults", {})
        self.process.stdin.write(json.dumps(runs) + "\n")
        self.process.stdin.flush()
        endings = json.loads(self.process.stdout.readline())
        found = [ending | {"output": Path(run["output"]).read_text()}
                 for run, ending in zip(runs, endings, strict=True)]
        for ending in found:
            assert "Traceback" not in ending["output"], ending["output"]
        return found

    def suite(self, work: Path, *more: str, methods: str = "top_hat,tiny", data: list[str] = GENERATED,
              kill: tuple | None = None, **faults: dict) -> dict:
        """Run the small suite in a work folder."""
        return self.together(self.request(work, *more, methods=methods, data=data, faults=faults, kill=kill))[0]

    def request(self, work: Path, *more: str, methods: str = "top_hat,tiny", data: list[str] = GENERATED,
                **settings: object) -> dict:
        """A run of the small suite, for ``together``."""
        named = methods.replace("tiny", str(self.method))
        return {"argv": [*SMALL, *data, "--methods", named, "--work-dir", str(work), *more]} | settings


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Iterator[Host]:
    """Warm, for all tests of this file."""
    made = Host(tmp_path_factory.mktemp("host"))
    yield made
    made.process.stdin.close()
    made.process.wait(timeout=30)


@pytest.fixture(scope="module")
def undisturbed(host, tmp_path_factory) -> Path:
    """A work folder in which both methods are done and nothing went wrong."""
    work = tmp_path_factory.mktemp("undisturbed")
    ending = host.suite(work)
    assert ending["code"] == DONE and "2 done" in ending["output"], ending["output"]
    for method in ("top_hat", "tiny"):  # or there would be little to compare
        assert results(work, method)["metrics"]["pd"].value > 0
    return work


def cell(work: Path, method: str) -> Path:
    (found,) = work.glob(f"cells/{method}__*")
    return found


def results(work: Path, method: str) -> dict:
    """What must be the same bit for bit in two runs of one cell, whole and fitting their checksums."""
    from benchmark.records import CellKey, RecordStore

    folder = cell(work, method)
    content = json.loads((folder / "record.json").read_text())
    record = RecordStore(work).get(CellKey(**content["key"]))
    assert record is not None, f"{folder}: its record is damaged"
    curve = [{name: value for name, value in row.items() if name != "seconds"}
             for row in record.training.get("curve", [])]
    return {"id": record.id, "metrics": record.metrics, "roc": record.roc, "curve": curve,
            "weights": record.training.get("weights_sha256"), "counts": (folder / "per_image.jsonl").read_text(),
            "details": (folder / "details.jsonl").read_text(),
            "maps": {path.name: path.read_bytes() for path in sorted((folder / "maps").iterdir())}}


def reason(ending: dict) -> str:
    """The one line with which a failed cell is told."""
    lines = [line for line in ending["output"].splitlines() if line.startswith("[") and "FAILED" in line]
    assert len(lines) == 1, ending["output"]
    return lines[0]


def assert_as_undisturbed(work: Path, undisturbed: Path, *methods: str) -> None:
    for method in methods or ("top_hat", "tiny"):
        assert results(work, method) == results(undisturbed, method)


def test_twenty_kills_at_random_moments_lose_nothing(host, undisturbed, tmp_path):
    chance, landed, number = random.Random(0), {"parent": 0, "child": 0}, 0
    work = tmp_path / "0"
    timed = host.suite(tmp_path / "timed")["seconds"]
    while sum(landed.values()) < KILLS:
        whom = "parent" if landed["parent"] <= landed["child"] else "child"
        ending = host.suite(work, "--retry-failed", kill=(whom, chance.uniform(0, timed)))
        too_late = whom == "parent" and ending["code"] == DONE  # what was killed had just ended by itself
        if too_late or not ending["killed"]:  # it was done before: a new one is begun, for the next kills
            assert ending["code"] == DONE
            assert_as_undisturbed(work, undisturbed)
            number += 1
            work = tmp_path / str(number)
            continue
        landed[whom] += 1
        if whom == "parent":
            assert ending["code"] == -9
        elif ending["code"] != DONE:  # a cell that was just ending may have left its record
            assert ending["code"] == INCOMPLETE and "process ended by SIGKILL" in reason(ending)
        for path in work.glob("cells/*/record.json"):  # what is finished stays finished
            assert_as_undisturbed(work, undisturbed, path.parent.name.split("__")[0])
    assert landed == {"parent": KILLS // 2, "child": KILLS // 2}
    ending = host.suite(work, "--retry-failed")
    assert ending["code"] == DONE and "2 done" in ending["output"]
    assert_as_undisturbed(work, undisturbed)
    assert not list(tmp_path.rglob("*.damaged.damaged"))


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A folder that is a file system of 16 MiB, where this process may mount one; says whether it is."""
    folder.mkdir()
    mounted = shutil.which("mount") is not None and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, bytes_left: int) -> None:
    (disk / "ballast").write_bytes(bytes((shutil.disk_usage(disk).free - bytes_left) // 4096 * 4096))


@pytest.mark.parametrize("kind", ["full disk", "file size limit"])
def test_a_disk_that_takes_no_more_fails_its_cell_and_finished_work_stays(host, undisturbed, tmp_path, kind):
    # Without the right to mount, both are the same: a limit on the size of a file reaches the program in the same way,
    # as a write that fails half-way, and needs no rights.
    with small_disk(tmp_path / "disk") as mounted:
        work, faults = tmp_path / "disk" / "work", {}
        assert host.suite(work, methods="top_hat")["code"] == DONE
        if kind == "full disk" and mounted:
            fill(tmp_path / "disk", bytes_left=24_000)
        else:
            faults = {"largest_file": {"size": 3_000}}
        ending = host.suite(work, **faults)
        assert ending["code"] == INCOMPLETE
        assert "make room there, then go on: finished work is kept (--retry-failed)" in reason(ending)
        assert ("No space left on device" if not faults else "File too large") in reason(ending)
        assert_as_undisturbed(work, undisturbed, "top_hat")
        assert not list(work.rglob("*.damaged"))
        (tmp_path / "disk" / "ballast").unlink(missing_ok=True)
        assert host.suite(work, "--retry-failed")["code"] == DONE
        assert_as_undisturbed(work, undisturbed)


def test_writes_to_a_device_without_space_are_told_as_such(host, undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path / "work")
    shutil.rmtree(cell(tmp_path / "work", "tiny"))
    folder = tmp_path / "work" / "cells" / cell(undisturbed, "tiny").name
    folder.mkdir()
    (folder / "cell.log").symlink_to("/dev/full")  # everything that the cell says is lost, its ending is not
    ending = host.suite(tmp_path / "work", nan_at={"step": 2})
    assert ending["code"] == INCOMPLETE and "loss is nan" in reason(ending)
    assert_as_undisturbed(tmp_path / "work", undisturbed, "top_hat")


@pytest.mark.parametrize("place", ["file/work", "/proc/work", "/dev/null"])
def test_a_work_folder_that_cannot_be_written_is_one_line_and_nothing_is_run(host, tmp_path, place):
    (tmp_path / "file").write_text("")
    ending = host.suite(tmp_path / place)
    assert ending["code"] == USAGE
    assert ending["output"].startswith("error: cannot write to work folder") and "--work-dir" in ending["output"]
    assert len(ending["output"].splitlines()) == 1


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[bool]:
    """The folder mounted read-only where mounting is permitted, else without permission to write.

    Says whether writing is really refused: root without the right to mount can write all the same.
    """
    steps = [["mount", "--bind", str(folder), str(folder)], ["mount", "-o", "remount,ro,bind", str(folder)]]
    bound, refused = shutil.which("mount") is not None, os.geteuid() != 0
    if bound and subprocess.run(steps[0], capture_output=True).returncode == 0:
        refused |= subprocess.run(steps[1], capture_output=True).returncode == 0
    else:
        bound = False
        folder.chmod(0o500)
    try:
        yield refused
    finally:
        if bound:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        else:
            folder.chmod(0o700)


def test_a_finished_store_that_is_read_only_is_refused_for_running_and_can_be_looked_at(host, undisturbed, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(undisturbed, work)
    before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
    with read_only(work) as refused:
        ending = host.suite(work)
        assert ending["code"] == (USAGE if refused else DONE)
        assert ("cannot write to work folder" in ending["output"]) == refused
        looked = host.suite(work, "--list")
        assert looked["code"] == DONE and "2 done" in looked["output"]
    if refused:
        assert {path: path.read_bytes() for path in work.rglob("*") if path.is_file()} == before
    assert_as_undisturbed(work, undisturbed)


def two_runs(host: Host, work: Path, *more: str, patience: float) -> list[dict]:
    """Endings of a slow run and of another on the same folder, begun when the first is in its second epoch."""
    slow = host.request(work, methods="tiny", faults={"slow": {"seconds": 0.25}})
    second = host.request(work, *more, methods="tiny", faults={"patience": {"seconds": patience}},
                          after=str(work / "cells" / "*" / "train-*" / "epoch_1.pth"))
    return host.together(slow, second)


def test_of_two_runs_at_once_on_one_folder_the_second_waits(host, undisturbed, tmp_path):
    endings = two_runs(host, tmp_path, patience=60)
    assert [ending["code"] for ending in endings] == [DONE, DONE]
    assert_as_undisturbed(tmp_path, undisturbed, "tiny")


def test_of_two_runs_at_once_the_second_refuses_where_it_would_wait_too_long(host, undisturbed, tmp_path):
    first, second = two_runs(host, tmp_path, patience=0)
    assert (first["code"], second["code"]) == (DONE, INCOMPLETE)
    assert "another run is working on" in reason(second)
    assert not list(tmp_path.glob("cells/*/failure.json"))  # nothing is wrong with the cell
    assert_as_undisturbed(tmp_path, undisturbed, "tiny")
    assert not [*tmp_path.rglob("*.damaged"), *tmp_path.rglob("*.tmp")]


def test_force_does_not_take_the_work_of_another_run_away(host, undisturbed, tmp_path):
    first, second = two_runs(host, tmp_path, "--force", patience=0)
    assert (first["code"], second["code"]) == (DONE, USAGE)
    assert "error: another run is working on" in second["output"]
    assert_as_undisturbed(tmp_path, undisturbed, "tiny")


def flip(path: Path, place: float = 0.5) -> None:
    """Change one bit of a file, at a share of its length."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["record.json", "per_image.jsonl"])
def test_a_damaged_record_is_set_aside_and_measured_again(host, undisturbed, tmp_path, name):
    work = tmp_path / "work"
    shutil.copytree(undisturbed, work)
    for method in ("top_hat", "tiny"):
        flip(cell(work, method) / name)
    ending = host.suite(work)
    assert ending["code"] == DONE and "[1/2]" in ending["output"]
    assert len(list(work.glob(f"cells/*/{name}.damaged"))) == 2
    assert_as_undisturbed(work, undisturbed)


def test_damaged_caches_and_checkpoints_are_set_aside_and_made_again(host, undisturbed, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(undisturbed, work)
    (checkpoint,) = cell(work, "tiny").glob("train-*/*.pth")
    damaged = [checkpoint, *cell(work, "top_hat").glob("scores-*/*.npz")]
    for path in damaged:
        flip(path)
    for method in ("top_hat", "tiny"):
        (cell(work, method) / "record.json").unlink()
    assert host.suite(work)["code"] == DONE
    for path in damaged:
        assert path.with_name(f"{path.name}.damaged").exists() and path.exists()
    assert_as_undisturbed(work, undisturbed)


def test_a_damaged_word_that_training_is_finished_costs_the_training_and_no_more(host, undisturbed, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(undisturbed, work)
    (finished,) = cell(work, "tiny").glob("train-*/trained.json")
    finished.write_text("{")
    (cell(work, "tiny") / "record.json").unlink()
    assert host.suite(work)["code"] == DONE
    assert_as_undisturbed(work, undisturbed)


def test_a_loss_that_is_nan_stops_the_cell_and_the_last_good_epoch_is_gone_on_from(host, undisturbed, tmp_path):
    ending = host.suite(tmp_path, nan_at={"step": 8})
    assert ending["code"] == INCOMPLETE and "1 done, 1 failed" in ending["output"]
    assert "loss is nan in epoch 3, step 2 of 3; epoch 2 is kept and --retry-failed goes on from it" in reason(ending)
    assert "--set optim_wrapper.optimizer.lr=" in reason(ending)
    names = {path.name for path in cell(tmp_path, "tiny").glob("train-*/epoch_*")}
    assert "epoch_2.pth" in names and "epoch_3.pth" not in names
    assert "failed: " in (tmp_path / "table1" / "table1.md").read_text()
    again = host.suite(tmp_path)
    assert again["code"] == INCOMPLETE and "[1/" not in again["output"]  # not tried again unasked
    resumed = host.suite(tmp_path, "--retry-failed")
    assert resumed["code"] == DONE
    assert_as_undisturbed(tmp_path, undisturbed)


def test_weights_that_an_epochs_last_step_ruined_reach_no_checkpoint(host, undisturbed, tmp_path):
    ending = host.suite(tmp_path, nan_weights_after={"step": 6}, methods="tiny")
    assert ending["code"] == INCOMPLETE
    assert "weights are not finite after epoch 2 (network.layers.0.weight); epoch 1 is kept" in reason(ending)
    assert host.suite(tmp_path, "--retry-failed", methods="tiny")["code"] == DONE
    assert_as_undisturbed(tmp_path, undisturbed, "tiny")


def test_out_of_memory_is_answered_with_half_the_micro_batch_and_the_record_says_so(host, undisturbed, tmp_path):
    ending = host.suite(tmp_path, fits={"images": 2}, methods="tiny")
    assert ending["code"] == DONE, ending["output"]
    assert ("out of memory with batch 4 of 32×32 (CUDA out of memory. Tried to allocate 2.00 GiB.); goes on with "
            "2 × 2 images a step") in ending["output"]
    found = json.loads((cell(tmp_path, "tiny") / "record.json").read_text())
    cut = found["training"]["micro_batch"]
    assert (cut["batch_size"], cut["micro_batch"], cut["accumulate"], cut["since_epoch"]) == (4, 2, 2, 1)
    own, whole = results(tmp_path, "tiny"), results(undisturbed, "tiny")
    assert own["id"] == whole["id"]  # what was asked for is the same
    for ours, theirs in zip(own["curve"], whole["curve"], strict=True):  # and so is each step, but for rounding
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-3) and ours["lr"] == theirs["lr"]
    assert "micro_batch" not in json.loads((cell(undisturbed, "tiny") / "record.json").read_text())["training"]


def test_a_cut_batch_stays_cut_when_training_is_killed_and_goes_on(host, tmp_path):
    assert host.suite(tmp_path / "whole", fits={"images": 2}, methods="tiny")["code"] == DONE
    ending = host.suite(tmp_path / "cut", fits={"images": 2}, methods="tiny", nan_weights_after={"step": 9})
    assert ending["code"] == INCOMPLETE and "epoch 2 is kept" in reason(ending)
    ending = host.suite(tmp_path / "cut", "--retry-failed", fits={"images": 2}, methods="tiny")
    assert ending["code"] == DONE and "out of memory" not in ending["output"]
    assert_as_undisturbed(tmp_path / "cut", tmp_path / "whole", "tiny")


def test_memory_that_does_not_suffice_for_half_either_is_a_clear_failure(host, tmp_path):
    ending = host.suite(tmp_path, fits={"images": 1}, methods="tiny")
    assert ending["code"] == INCOMPLETE
    assert "out of memory with batch 2 of 32×32" in reason(ending) and "after a first try with 4" in reason(ending)
    ending = host.suite(tmp_path, "--retry-failed", fits={"images": 1}, methods="tiny")  # halves once more
    assert ending["code"] == DONE
    ending = host.suite(tmp_path / "one", "--set", "train_dataloader.batch_size=1", fits={"images": 0}, methods="tiny")
    assert ending["code"] == INCOMPLETE and "a batch of 1 cannot be halved" in reason(ending)


def make_set(folder: Path) -> Path:
    """Twelve images with a bright spot, in one's own layout, and a list of each part."""
    for name in ("images", "masks", "lists"):
        (folder / name).mkdir(parents=True)
    for index in range(12):
        image = np.random.default_rng(index).integers(60, 70, (40, 48), dtype=np.uint8)
        mask = np.zeros((40, 48), np.uint8)
        image[20:23, 30:33], mask[20:23, 30:33] = 220, 255
        Image.fromarray(image).save(folder / "images" / f"im{index}.bmp")
        Image.fromarray(mask).save(folder / "masks" / f"im{index}.bmp")
    (folder / "lists" / "train.txt").write_text("\n".join(f"im{index}" for index in range(8)))
    (folder / "lists" / "test.txt").write_text("\n".join(f"im{index}" for index in range(8, 12)))
    return folder


@pytest.mark.parametrize(("method", "image", "when"), [
    ("top_hat", "im9", 1),  # a test image, when the first of four has been read
    ("tiny", "im1", 3),  # a training image, in the second epoch
])
def test_a_dataset_that_changes_during_a_run_is_not_recorded_as_it_was(host, tmp_path, method, image, when):
    folder, work = make_set(tmp_path / "mine"), tmp_path / "work"
    data = ["--profile", "fast", "--datasets", str(folder), "--split", str(folder / "lists")]
    target, other = folder / "images" / f"{image}.bmp", tmp_path / "other.bmp"
    shutil.copy(target, tmp_path / "before.bmp")
    Image.fromarray(np.full((40, 48), 99, np.uint8)).save(other)  # of the same size in bytes
    stamp = target.stat()
    ending = host.suite(work, methods=method, data=data, copies={"when": when, "source": str(other),
                                                                 "target": str(target)})
    assert ending["code"] == INCOMPLETE
    assert "mine: the dataset changed while this cell was running (fingerprint " in reason(ending)
    assert [path.name for path in work.glob("cells/*/train-*/epoch_*.pth")] == ["epoch_1.pth"] * (method == "tiny")
    assert not list(work.glob("cells/*/record.json")) and not list(work.glob("cells/*/predictions.npz"))
    os.utime(target, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # it does not help to look as old as the first one
    changed = host.suite(work, methods=method, data=data)
    assert changed["code"] == DONE and "[1/1]" in changed["output"]  # another set, so another identity
    shutil.copy(tmp_path / "before.bmp", target)
    assert host.suite(work, methods=method, data=data)["code"] == DONE  # nothing of the changed set is used for it
    assert host.suite(tmp_path / "fresh", methods=method, data=data)["code"] == DONE
    assert_as_undisturbed(work, tmp_path / "fresh", method)


def test_an_image_that_breaks_during_a_run_is_named_in_one_line(host, tmp_path):
    folder, work = make_set(tmp_path / "mine"), tmp_path / "work"
    data = ["--profile", "fast", "--datasets", str(folder), "--split", str(folder / "lists")]
    (tmp_path / "other.bmp").write_bytes(b"BM")
    ending = host.suite(work, methods="top_hat", data=data, copies={
        "when": 1, "source": str(tmp_path / "other.bmp"), "target": str(folder / "images" / "im11.bmp")})
    assert ending["code"] == INCOMPLETE and "images/im11.bmp: " in reason(ending)


def test_a_clock_that_is_set_back_changes_nothing(host, undisturbed, tmp_path):
    assert host.suite(tmp_path, nan_at={"step": 8})["code"] == INCOMPLETE  # half of a training, half of a suite
    future = 4_000_000_000  # all of that was written in the year 2096, as the clock then said
    for path in tmp_path.rglob("*"):
        os.utime(path, (future, future))
    ending = host.suite(tmp_path, "--retry-failed", clock_runs_back={"seconds": 3600})
    assert ending["code"] == DONE
    assert_as_undisturbed(tmp_path, undisturbed)
    # which training is the newest is told by its number, not by its date
    orders = [json.loads((cell(tmp_path, "tiny") / "record.json").read_text())["provenance"]["order"]]
    assert host.suite(tmp_path, "--force", clock_runs_back={"seconds": 3600})["code"] == DONE
    orders += [json.loads((cell(tmp_path, "tiny") / "record.json").read_text())["provenance"]["order"]]
    assert orders == [1, 2]


class Payload:
    """Makes a file when it is unpickled, as a hostile one would run a program."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.write_text, (self.mark, "ran")


def hostile_checkpoint(path: Path, mark: Path) -> None:
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": {"layers.0.weight": torch.zeros(1)}, "meta": Payload(mark)}, path)


def test_the_payload_of_these_tests_would_run(tmp_path):
    import torch

    hostile_checkpoint(tmp_path / "evil.pth", tmp_path / "mark")
    torch.load(tmp_path / "evil.pth", weights_only=False)
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize("method", ["acm", "sam"])
def test_a_hostile_checkpoint_given_to_predict_is_refused_in_one_line(host, tmp_path, method):
    hostile_checkpoint(tmp_path / "evil.pth", tmp_path / "mark")
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "image.png")
    (ending,) = host.together({"module": "benchmark.predict", "argv": [
        "--method", method, "--profile", "demo", "--dataset", "synth-sirst", "--device", "cpu", "-q", "--weights",
        str(tmp_path / "evil.pth"), str(tmp_path / "image.png"), "--out", str(tmp_path / "out")]})
    assert not (tmp_path / "mark").exists()
    assert ending["code"] == USAGE and "never loaded" in ending["output"] and "evil.pth" in ending["output"]
    said = [line for line in ending["output"].splitlines() if "weights: random" not in line]  # SAM's note on its start
    assert len(said) == 1


def test_a_hostile_checkpoint_given_to_run_fails_its_cell_in_one_line(host, tmp_path):
    hostile_checkpoint(tmp_path / "evil.pth", tmp_path / "mark")
    ending = host.suite(tmp_path / "work", "--set", f"model.clip.checkpoint={tmp_path / 'evil.pth'}", methods="saist_t")
    assert not (tmp_path / "mark").exists()
    assert ending["code"] == INCOMPLETE and "never loaded" in reason(ending) and "evil.pth" in reason(ending)


def test_hostile_files_in_the_work_folder_are_set_aside_and_made_again(host, undisturbed, tmp_path):
    work, mark = tmp_path / "work", tmp_path / "mark"
    shutil.copytree(undisturbed, work)
    (checkpoint,) = cell(work, "tiny").glob("train-*/*.pth")
    hostile_checkpoint(checkpoint, mark)
    hostile_checkpoint(checkpoint.with_name("epoch_3.pth"), mark)
    score = next(cell(work, "top_hat").glob("scores-*/*.npz"))
    for path, names in ((score, ("score", "milliseconds", "pixels")),
                        (cell(work, "top_hat") / "predictions.npz", ("training_id",))):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                with archive.open(f"{name}.npy", "w") as file:
                    np.lib.format.write_array(file, np.array([Payload(mark)], dtype=object), allow_pickle=True)
    for method in ("top_hat", "tiny"):
        (cell(work, method) / "record.json").unlink()
    assert host.suite(work)["code"] == DONE
    assert not mark.exists()
    assert_as_undisturbed(work, undisturbed)
    assert pickle.dumps(Payload(mark))  # it is a pickle all the same


def test_keys_are_in_no_file_that_a_run_writes(host, tmp_path):
    keys = {"WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567", "OPENAI_API_KEY": "sk-fault-4711-secret"}
    work, images = tmp_path / "work", make_set(tmp_path / "mine")
    variables = {"environment": keys | {"WANDB_DIR": str(work), "WANDB_SILENT": "true"}}
    ran = host.suite(work, "--wandb", "offline", nan_at={"step": 8}, **variables)
    assert ran["code"] == INCOMPLETE and list(work.glob("cells/top_hat__*/wandb/offline-run-*"))
    asked = host.together({"module": "benchmark.data", "faults": variables, "argv": [
        "caption", str(images), "--model", "any", "--base-url", "http://127.0.0.1:9/v1", "--retries", "0", "--out",
        str(tmp_path / "captions.jsonl")]})[0]
    assert asked["code"] == INCOMPLETE, asked["output"]
    written = [path for folder in (tmp_path, host.folder) for path in folder.rglob("*") if path.is_file()]
    assert len(written) > 30
    for path in written:
        for name, key in keys.items():
            assert key.encode() not in path.read_bytes(), f"{path} holds {name}"
