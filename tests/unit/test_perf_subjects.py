"""``perf.py``: every subject in a run as small as it goes, and what its rows promise."""

from __future__ import annotations

import json
import math
import os

import pytest

from benchmark import configs, perf
from benchmark.errors import ConfigError
from benchmark.timing import jobs, loader, models, report, startup, train
from benchmark.timing.comparison import Comparison
from benchmark.timing.tables import print_rows

FIELDS = {"name", "ours", "reference", "ours_seconds", "reference_seconds", "note", "ratio", "ratio_min", "ratio_max"}


@pytest.fixture
def rows(capsys):
    def run(subject: str, rounds: int = 1) -> list[dict]:
        assert perf.main([subject, "--rounds", str(rounds), "--json"]) == 0
        printed = json.loads(capsys.readouterr().out)
        assert printed["subject"] == subject and printed["provenance"]["hardware"]["cores"] >= 1
        assert printed["provenance"]["rounds"] == rounds and printed["provenance"]["versions"]["python"]
        found = printed["rows"]
        for row in found:
            assert row.keys() == FIELDS
            if not row["note"].startswith("not run"):
                times = row["ours_seconds"] + row["reference_seconds"]
                assert len(times) == 2 * rounds
                assert all(math.isfinite(seconds) and seconds > 0 for seconds in times)
                assert 0 < row["ratio_min"] <= row["ratio"] <= row["ratio_max"] < math.inf
        return found

    return run


@pytest.fixture
def small(monkeypatch, tmp_path):
    monkeypatch.setenv("IRSTD_DATA_ROOT", str(tmp_path))
    for module in (train, loader):
        monkeypatch.setattr(module, "SIDE", 64)
        monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(train, "STEPS", 2)
    monkeypatch.setattr(loader, "IMAGES", 4)
    monkeypatch.setattr(loader, "FASTEST", ("gcinet",))
    monkeypatch.setattr(train, "RUNNERS", ("gcinet",))
    monkeypatch.setattr(train, "FORMS", ("acm",))


def test_train_compares_the_runner_with_a_bare_loop_and_each_form_with_float32(rows, small, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    found = rows("train")
    assert [(row["ours"], row["reference"]) for row in found] == [
        ("runner", "bare loop"), ("bf16", "float32"), ("channels-last", "float32"),
        ("bf16 + channels-last", "float32"), ("torch.compile", "float32")]
    assert "goal 3 %" in found[0]["note"]


def test_without_a_compiler_torch_compile_is_named_as_not_run(rows, small, monkeypatch, capsys):
    monkeypatch.setattr(train, "RUNNERS", ())
    monkeypatch.setattr(train, "CHANGES", (("torch.compile",),))
    monkeypatch.setenv("CXX", "no-such-compiler")
    (row,) = rows("train")
    assert (row["ratio"], row["ours_seconds"], row["reference_seconds"]) == (None, [], [])
    assert row["note"] == "not run: torch.compile needs a C++ compiler, and no-such-compiler is not there"
    assert perf.main(["train"]) == 0
    assert "not run: torch.compile needs a C++ compiler" in capsys.readouterr().out


def test_the_bare_loop_learns_what_the_runner_learns(stack, tmp_path):
    from benchmark.engine.hooks import read_curve
    from benchmark.timing.scenes import cell_config, write_scenes
    from benchmark.timing.steps import train_beside_bare

    write_scenes(tmp_path, train=6, side=64)
    config = cell_config("gcinet", train_dataloader__batch_size=2, view__size=[64, 64])
    loop = train_beside_bare(config, tmp_path, tmp_path / "beside", epochs=2)
    curve = read_curve(tmp_path / "beside")
    bare = [sum(loop.bare.losses[start:start + 3]) / 3 for start in (0, 3)]
    assert bare == pytest.approx([row["loss"] for row in curve], rel=0.02)
    assert bare[0] != bare[1]
    assert all(seconds > 0 for name in ("runner", "bare", "epoch") for seconds in loop.seconds[name])
    assert (tmp_path / "beside" / "epoch_2.pth").exists()


def test_loader_is_compared_with_opencv_with_itself_and_with_training(rows, small):
    found = rows("loader")
    assert [row["reference"] for row in found] == [
        "OpenCV alone", "OpenCV alone", "decoded each time", "OpenCV alone", "decoded each time", "training step"]
    assert "images a second read" in found[-1]["note"]


def test_loader_also_reads_the_real_set_where_it_is(rows, small, monkeypatch, tmp_path):
    from benchmark.timing.scenes import write_scenes

    write_scenes(tmp_path, train=3, side=64)
    monkeypatch.setattr(loader, "FASTEST", ())
    assert sum("NUAA-SIRST" in row["note"] for row in rows("loader")) == 5


def test_startup_has_a_row_for_each_command_and_list(rows, monkeypatch):
    monkeypatch.setattr(startup, "COMMANDS", ("evaluate",))
    monkeypatch.setattr(startup, "LISTS", ("table3",))
    found = rows("startup")
    assert [row["name"] for row in found] == ["evaluate.py --help", "run.py --suite table3 --list"]
    assert all("goal 0.6 s" in row["note"] and row["ratio"] < 1 for row in found)


def test_startup_asks_every_command_there_is(project):
    commands = {path.stem for path in (project / "benchmark").glob("*.py") if "argparse" in path.read_text()
                and "__main__" in path.read_text()}
    assert commands == set(startup.COMMANDS)


def test_report_rebuilds_made_up_records_with_and_without_pdf(rows, monkeypatch):
    monkeypatch.setattr(report, "SUITE", "table3")
    (row,) = rows("report")
    assert row["note"].startswith("1 suites, ") and "0 records" not in row["note"]


def test_jobs_runs_the_same_single_threaded_cells_twice(monkeypatch):
    monkeypatch.setattr(jobs, "METHOD", "top_hat")
    monkeypatch.setattr(jobs, "SEEDS", "0,1")
    cores = sorted(os.sched_getaffinity(0))
    row = jobs.side_by_side((cores * 2)[:2], rounds=1).to_dict()
    assert row["ratio"] > 0 and row["name"] == "2 cells"
    assert "threads of a cell: 1;" in row["note"]


def test_jobs_says_in_one_line_that_one_core_is_too_few(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3}, raising=False)
    with pytest.raises(ConfigError, match="needs two"):
        jobs.comparisons(1)


def test_the_ratio_says_how_many_times_faster_ours_is_round_by_round():
    row = Comparison("a", "ours", "theirs", [1.0, 2.0, 4.0], [4.0, 4.0, 4.0]).to_dict()
    assert (row["ratio"], row["ratio_min"], row["ratio_max"]) == (2.0, 1.0, 4.0)


def test_a_row_is_one_line_of_a_file_and_large_numbers_are_whole(capsys):
    print_rows([{"what": "w" * 60, "time_ms": 13590.4, "parameters": 249_854_386, "note": "n" * 40}, {"what": "short"}])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert len(lines) == 4 and "13,590" in lines[2] and "249,854,386" in lines[2] and lines[3].count("–") == 3


def test_a_table_of_costs_has_a_row_for_every_method_that_is_trained_or_classical(stack, monkeypatch, capsys):
    monkeypatch.setattr(models, "SIDE", 64)
    known = configs.known
    few = ["gcinet", "sam_zero_shot", "saist_b", "top_hat"]
    monkeypatch.setattr(configs, "known", lambda kind: few if kind == "methods" else known(kind))
    assert perf.main(["models", "--rounds", "1", "--json"]) == 0
    classical, network, large = json.loads(capsys.readouterr().out)["rows"]
    assert (classical["method"], classical["gmacs"], classical["train_images_per_s"]) == ("Top-Hat", 0, None)
    assert network["method"] == "GCI-Net" and network["parameters_M"] == pytest.approx(0.573288)
    assert classical["latency_ms"] > 0 and network["latency_ms"] > 0 and network["train_images_per_s"] > 0
    assert large["method"] == "SAIST-B" and large["latency_ms"] is None and large["note"].endswith("not run")
