"""``run.py`` as a user meets it: through the command line, on small generated data, killed, broken and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# One small cell of each kind, ACM at a quarter of the resolution, so that training takes seconds.
QUARTER = ["--set", "model.network.stem=quarter"]
SMALL = ["--profile", "demo", "--device", "cpu", "--set", "train_cfg.max_epochs=3",
         "--set", "dataset.counts={'train': 12, 'val': 4, 'test': 6}", "--set", "evaluation.bootstrap=50",
         "--set", "train_cfg.val_interval=1"]


def run(*arguments: str, work: Path, timeout: float = 300, **more) -> subprocess.CompletedProcess:
    command = [sys.executable, "benchmark/run.py", *arguments, "--work-dir", str(work)]
    environment = {**os.environ, "IRSTD_DATA_ROOT": str(work / "no-data-here")} | more.pop("env", {})
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment,
                          cwd=Path(__file__).resolve().parents[2], **more)


def table1(*arguments: str, work: Path, **more) -> subprocess.CompletedProcess:
    with_acm = any("acm" in argument.split(",") for argument in arguments)
    return run("--suite", "table1", *SMALL, *(QUARTER if with_acm else []), *arguments, work=work, **more)


def folder(work: Path, method: str) -> Path:
    """Of the method's cell, not of those that test its training in another way (``+`` in their names)."""
    (path,) = (path for path in work.glob(f"cells/{method}__*/record.json") if "+" not in path.parent.name)
    return path.parent


def record(work: Path, method: str) -> dict:
    return json.loads((folder(work, method) / "record.json").read_text())


def results(work: Path, method: str) -> tuple:
    """What must be equal bit for bit between two runs of one cell."""
    found = record(work, method)
    rows = (folder(work, method) / "per_image.jsonl").read_text()
    return found["id"], found["metrics"], found["roc"], found["training"].get("weights_sha256"), rows


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A work folder in which Top-Hat and ACM are done."""
    work = tmp_path_factory.mktemp("finished")
    result = table1("--methods", "top_hat,acm", work=work)
    assert result.returncode == 0, result.stdout + result.stderr
    return work


def test_help_and_list_answer_at_once_and_import_no_torch(tmp_path):
    for arguments in (["--help"], ["--suite", "table1", "--list"]):
        code = ("import sys, time; start = time.perf_counter(); sys.argv = ['run.py', *sys.argv[1:]]\n"
                "import runpy\n"
                "try: runpy.run_path('benchmark/run.py', run_name='__main__')\n"
                "except SystemExit as end: assert not end.code, end.code\n"
                "print('torch' in sys.modules, time.perf_counter() - start)")
        environment = {**os.environ, "IRSTD_DATA_ROOT": str(tmp_path)}
        command = [sys.executable, "-c", code, *arguments, "--work-dir", str(tmp_path)]
        seconds = []
        for _ in range(3):  # the first may find a cold disk cache
            result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True,
                                    cwd=Path(__file__).resolve().parents[2])
            imported, elapsed = result.stdout.splitlines()[-1].split()
            assert imported == "False"
            seconds.append(float(elapsed))
        assert min(seconds) < 1.0


def test_a_bare_machine_is_told_what_it_gets_in_the_first_lines(tmp_path):
    result = run("--suite", "table1", "--list", work=tmp_path)
    head = result.stdout.splitlines()[:2]
    assert "profile demo (no GPU and no data found" in head[0] or "profile demo (no data found" in head[0]
    assert head[1].startswith("note: Demonstration")
    assert "synth-sirst" in head[0]
    assert not list(tmp_path.iterdir())  # --list leaves nothing behind


def test_what_cannot_run_is_said_once_with_its_reason_before_the_rest_runs(tmp_path):
    result = run("--suite", "table1", "--methods", "sam,sam_hq,top_hat", *SMALL, "--set",
                 "model.sam.checkpoint=mobile_sam", work=tmp_path, env={"IRSTD_WEIGHTS_ROOT": str(tmp_path / "none")})
    lines = result.stdout.splitlines()
    (said,) = (place for place, line in enumerate(lines) if line.startswith("skipped: "))
    assert lines[said].startswith("skipped: sam, sam_hq: mobile_sam not found in ")
    assert said < next(place for place, line in enumerate(lines) if "top_hat / synth-sirst" in line)
    assert result.returncode == 0 and "1 done, 2 skipped" in lines[-1]


def test_a_finished_suite_leaves_records_tables_and_a_pdf(finished):
    names = {path.name for path in (finished / "table1").iterdir()}
    assert {f"table1.{kind}" for kind in ("md", "csv", "tex", "json", "pdf", "html")} <= names
    assert (finished / "table1" / "table1.pdf").read_bytes().startswith(b"%PDF")
    # drawn from what lies beside the records, which the very run that made them must find
    assert {path.name for path in (finished / "table1" / "figures").iterdir()} >= {"sizes.png", "errors.svg", "iou.pdf"}
    markdown = (finished / "table1" / "table1.md").read_text()
    assert "Demonstration" in markdown and "ACM" in markdown and "Top-Hat" in markdown


def test_a_record_says_where_its_numbers_come_from(finished):
    found = record(finished, "acm")
    assert found["provenance"]["data"]["real"] is False
    assert found["provenance"]["weights"]["kind"] == "random"
    assert found["provenance"]["device"] == "cpu" and found["provenance"]["versions"]["torch"]
    assert found["training"]["epochs"] == 3 and found["training"]["selection"] == "val-best"
    assert len(found["training"]["curve"]) == 3 and all("loss" in row for row in found["training"]["curve"])
    assert found["cost"]["params"] == 387_181 and found["cost"]["macs"] > 1e7 and found["cost"]["peak_memory_mb"] > 50
    assert found["config"]["train_cfg"]["max_epochs"] == 3
    assert len(found["roc"]["thresholds"]) == len(found["roc"]["pd"]) >= 100


def test_the_same_command_again_runs_nothing_and_rebuilds_the_same_tables(finished):
    before = {path.name: path.read_bytes() for path in (finished / "table1").iterdir() if path.is_file()}
    started = time.monotonic()
    result = table1("--methods", "top_hat,acm", "--device", "cpu", work=finished)
    assert result.returncode == 0 and "2 done" in result.stdout and "[1/" not in result.stdout
    assert time.monotonic() - started < 30
    after = {path.name: path.read_bytes() for path in (finished / "table1").iterdir() if path.is_file()}
    assert before == after


def test_a_changed_config_value_makes_that_cell_alone_stale(finished):
    result = table1("--methods", "top_hat,acm", "--set", "optim_wrapper.optimizer.lr=0.01", "--list", work=finished)
    statuses = {line.split()[1]: line for line in result.stdout.splitlines() if " / " in line}
    assert "stale" in statuses["acm"] and "done" in statuses["top_hat"]


def test_counting_anew_does_not_train_anew(finished):
    weights = record(finished, "acm")["training"]["weights_sha256"]
    checkpoint = next(finished.glob("cells/acm__*/train-*/*.pth"))
    stamp = checkpoint.stat().st_mtime_ns
    result = table1("--methods", "acm", "--protocol", "overlap", work=finished)
    assert result.returncode == 0, result.stdout + result.stderr
    assert record(finished, "acm")["training"]["weights_sha256"] == weights
    assert checkpoint.stat().st_mtime_ns == stamp
    assert table1("--methods", "acm", work=finished).returncode == 0  # back to the standard protocol


def test_other_protocols_recount_the_kept_predictions_and_other_tests_share_the_training(finished):
    (checkpoint,) = finished.glob("cells/acm__synth-sirst__*/train-*/*.pth")
    stamp = checkpoint.stat().st_mtime_ns
    for suite in ("protocols", "scr"):
        result = run("--suite", suite, *SMALL, *QUARTER, "--methods", "acm", work=finished)
        assert result.returncode == 0, result.stdout + result.stderr
    assert checkpoint.stat().st_mtime_ns == stamp and not list(finished.glob("cells/acm__synth-sirst+*/train-*"))
    home, overlap, faint = (json.loads(path.read_text()) for name in ("", "+by-overlap", "+scr-2")
                            for path in finished.glob(f"cells/acm__synth-sirst{name}__*/record.json"))
    for pixels in ("iou", "precision", "recall"):  # protocols agree on pixels
        assert overlap["metrics"][pixels]["value"] == home["metrics"][pixels]["value"]
    assert overlap["config"]["evaluation"]["protocol"] == "overlap" and overlap["roc"] == {} != home["roc"]
    assert faint["training"]["weights_sha256"] == home["training"]["weights_sha256"]
    assert faint["provenance"]["data"]["tested"] != faint["provenance"]["data"]["fingerprint"]
    assert {path.name for path in finished.glob("cells/acm__synth-sirst__*/*")} >= {"maps", "predictions.npz"}


def test_collect_makes_a_partial_report_and_says_so_by_its_exit_code(finished):
    result = table1("--methods", "top_hat,ipi", "--collect", work=finished)
    assert result.returncode == 1 and "1 done, 1 pending" in result.stdout
    assert "not run" in (finished / "table1" / "table1.md").read_text().lower()
    assert table1("--methods", "top_hat,acm", "--collect", work=finished).returncode == 0


def test_a_killed_run_ends_with_the_same_bits_as_one_that_was_not(finished, tmp_path):
    command = [sys.executable, "benchmark/run.py", "--suite", "table1", *SMALL, *QUARTER, "--methods", "acm",
               "--work-dir", str(tmp_path)]
    project = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "IRSTD_DATA_ROOT": str(tmp_path / "none")}
    for wanted in ("epoch_1.pth", "epoch_2.pth"):  # killed once in the second epoch, once in the third
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=project,
                                 env=environment)
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob(f"cells/acm__*/train-*/{wanted}")):
            assert time.monotonic() < deadline and child.poll() is None, f"{wanted} never came"
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert not list(tmp_path.glob("cells/acm__*/record.json"))
    result = table1("--methods", "acm", work=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert results(tmp_path, "acm") == results(finished, "acm")


def test_a_cell_that_fails_is_a_row_and_the_rest_goes_on(tmp_path):
    arguments = ["--methods", "acm,top_hat", "--set", "optim_wrapper.optimizer.type=NoSuchOptimizer"]
    result = table1(*arguments, work=tmp_path)
    assert result.returncode == 1
    assert "1 done, 1 failed" in result.stdout and "NoSuchOptimizer" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    failure = json.loads(next(tmp_path.glob("cells/acm__*/failure.json")).read_text())
    assert failure["attempts"] == 1 and "Traceback" in failure["traceback"]
    again = table1(*arguments, work=tmp_path)
    assert again.returncode == 1 and "[1/" not in again.stdout  # a failure is not tried again unless asked
    assert table1(*arguments, "--retry-failed", work=tmp_path).returncode == 1
    assert json.loads(next(tmp_path.glob("cells/acm__*/failure.json")).read_text())["attempts"] == 2


def test_a_cell_over_its_time_is_ended_and_says_so(tmp_path):
    result = table1("--methods", "acm", "--set", "train_cfg.max_epochs=500", "--timeout", "8s", work=tmp_path)
    assert result.returncode == 1 and "timed out after 8 s" in result.stdout


def test_two_jobs_give_the_same_classical_scores_as_one(finished, tmp_path):
    result = table1("--methods", "top_hat,ipi", "--jobs", "2", work=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert results(tmp_path, "top_hat")[1:] == results(finished, "top_hat")[1:]


def test_quiet_prints_one_line(finished):
    result = table1("--methods", "top_hat,acm", "-q", work=finished)
    assert len(result.stdout.splitlines()) == 1 and "table1.pdf" in result.stdout


def test_an_interrupt_ends_with_130_and_loses_nothing(tmp_path):
    command = [sys.executable, "benchmark/run.py", "--suite", "table1", *SMALL, *QUARTER, "--methods", "acm",
               "--set", "train_cfg.max_epochs=500", "--work-dir", str(tmp_path)]
    # A shell starts background jobs with SIGINT ignored, and this test may be in one: the child gets it back.
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                             cwd=Path(__file__).resolve().parents[2],
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("cells/acm__*/train-*/epoch_1.pth")):
        assert time.monotonic() < deadline and child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=60)
    assert child.returncode == 130 and stderr.startswith("interrupted;") and len(stderr.splitlines()) == 1
    assert list(tmp_path.glob("cells/acm__*/train-*/epoch_*.pth"))


def make_set(folder: Path) -> Path:
    """Ten images with a bright spot, in one's own layout."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for index in range(10):
        image = np.random.default_rng(index).integers(60, 70, (64, 80), dtype=np.uint8)
        mask = np.zeros((64, 80), np.uint8)
        image[30:33, 40:43], mask[30:33, 40:43] = 220, 255
        Image.fromarray(image).save(folder / "images" / f"im{index}.png")
        Image.fromarray(mask).save(folder / "masks" / f"im{index}.png")
    (folder / "lists").mkdir()
    (folder / "lists" / "train.txt").write_text("\n".join(f"im{index}" for index in range(6)))
    (folder / "lists" / "test.txt").write_text("\n".join(f"im{index}" for index in range(6, 10)))
    return folder


def cut_off(folder: Path) -> None:
    path = folder / "images" / "im8.png"
    path.write_bytes(path.read_bytes()[:300])


def another_size(folder: Path) -> None:
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(folder / "masks" / "im8.png")


def no_mask(folder: Path) -> None:
    (folder / "masks" / "im8.png").unlink()


@pytest.mark.parametrize(("harm", "message"), [
    (cut_off, "images/im8.png: damaged or cut off"), (another_size, "masks/im8.png: mask is 64×64 but its image 80×64"),
    (no_mask, "images/im8.png: its mask is missing"),
])
def test_a_broken_file_fails_its_cell_in_one_line_and_the_suite_goes_on(tmp_path, harm, message):
    broken, sound = make_set(tmp_path / "broken"), make_set(tmp_path / "sound")
    harm(broken)
    result = run("--suite", "table1", "--profile", "fast", "--methods", "top_hat", "--datasets", f"{broken},{sound}",
                 "--split", str(sound / "lists"), work=tmp_path / "work")
    assert result.returncode == 1
    (line,) = [line for line in result.stdout.splitlines() if "FAILED" in line and line.startswith("[")]
    assert message in line and "Traceback" not in result.stdout + result.stderr
    assert "1 done, 1 failed" in result.stdout
    assert "failed: " in (tmp_path / "work" / "table1" / "table1.md").read_text()


def test_a_set_of_ones_own_is_measured(tmp_path):
    folder = make_set(tmp_path / "mine")
    result = run("--suite", "table1", "--profile", "fast", "--methods", "top_hat", "--datasets", str(folder),
                 "--split", str(folder / "lists"), work=tmp_path / "work")
    assert result.returncode == 0, result.stdout + result.stderr
    assert record(tmp_path / "work", "top_hat")["metrics"]["pd"]["value"] == 1


@pytest.mark.parametrize(("arguments", "message"), [
    (["--suite", "table11"], "unknown suite 'table11'; did you mean table1"),
    (["--suite", "table1", "--methods", "tophat"], "unknown method 'tophat'; did you mean top_hat"),
    (["--suite", "table1", "--datasets", "nuaa"], "unknown dataset 'nuaa'; did you mean"),
    (["--suite", "table1", "--methods", "acm", "--set", "train_cfg.max_epoch=9"], "did you mean train_cfg.max_epochs"),
    (["--suite", "table1", "--set", "nonsense"], "expected KEY=VALUE"),
    (["--suite", "table1", "--split", "offical", "--datasets", "synth-sirst"], "offical"),
    (["--suite", "table1", "--profile", "fast"], "run `python benchmark/data.py prepare"),
    (["--suite", "no/such/suite.py"], "no such config file"),
])
def test_wrong_usage_is_one_line_and_exit_code_2(arguments, message, tmp_path):
    result = run(*arguments, work=tmp_path)
    assert result.returncode == 2, result.stdout + result.stderr
    assert len(result.stderr.splitlines()) == 1 and message in result.stderr
    assert not (tmp_path / "cells").exists()


def test_a_work_folder_that_cannot_be_written_is_one_line_and_exit_code_2(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("--suite", "table1", work=tmp_path / "file")
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1 and "--work-dir" in result.stderr
