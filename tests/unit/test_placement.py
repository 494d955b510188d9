"""Who gets which GPU: by free memory as nvidia-smi tells it, by what methods took before, and within what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark import child, placement, provenance
from benchmark.errors import ConfigError
from benchmark.placement import CONTEXT_MB, DEFAULT_NEED_MB, Gpu, Needs, Placement, read_gpus
from benchmark.records import CellKey, Record, RecordStore
from benchmark.suites import Cell

UUIDS = "0, GPU-aaaa1111-0\\n1, GPU-bbbb2222-1\\n2, GPU-cccc3333-2\\n"


@pytest.fixture()
def smi(tmp_path, monkeypatch):
    """Puts an ``nvidia-smi`` on PATH that tells these lines of memory (index, total, used)."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # which choose_device would set beyond this test
    forget = provenance.gpus.cache_clear

    def tell(*rows: str, then: str = "") -> None:
        lines = "\\n".join(rows)
        answers = f"*uuid*) printf '{UUIDS}';;\n*memory.used*) printf '{lines}\\n';;"
        (folder / "nvidia-smi").write_text(f'#!/bin/sh\ncase "$1" in\n{answers}\nesac\n{then}\n')
        (folder / "nvidia-smi").chmod(0o755)
        forget()

    yield tell
    forget()


def cell(method: str = "acm", seed: int = 0, trainable: bool = True, batch: int = 4) -> Cell:
    config = {"method": {"trainable": trainable}, "train_dataloader": {"batch_size": batch}}
    return Cell(CellKey(method, "nuaa-sirst", "official", "fast", seed), config, "data", "fingerprint")


def record(method: str, peak: float, *, device: str = "cuda", processes: int = 1, seed: int = 9,
           profile: str = "fast") -> Record:
    return Record(id="0" * 16, key=CellKey(method, "nudt-sirst", "official", profile, seed), config={}, metrics={},
                  cost={"peak_memory_mb": peak}, provenance={"device": device, "processes": processes})


def store(folder: Path, *records: Record) -> RecordStore:
    found = RecordStore(folder / "work")
    for one in records:
        found.put(one)
    return found


def test_a_cell_goes_to_the_gpu_with_most_free_memory(smi, tmp_path):
    smi("0, 24000, 9000", "1, 24000, 1000")
    assert Placement("auto", 1, store(tmp_path)).place(cell(), alone=True) == "cuda:1"


def test_cells_that_do_not_fit_together_wait_and_go_on_when_there_is_room(smi, tmp_path):
    smi("0, 40000, 10000", "1, 24000, 500")
    placed = Placement("auto", 1, store(tmp_path, record("acm", 15_000.0)))  # needs 19,024 MiB
    first, second, third = (cell(seed=seed) for seed in range(3))
    assert placed.place(first, alone=True) == "cuda:0"  # 30,000 free there, 23,500 here
    assert placed.place(second, alone=False) == "cuda:1"
    # nvidia-smi does not see the two yet: what they are going to need counts all the same
    assert placed.place(third, alone=False) is None
    placed.release(first, None)
    assert placed.place(third, alone=False) == "cuda:0"
    assert placed.place(first, alone=False) is None


def test_small_cells_share_a_gpu_and_a_big_one_waits(smi, tmp_path):
    smi("0, 24000, 0")
    placed = Placement("auto", 1, store(tmp_path, record("acm", 2000.0), record("saist_b", 15_000.0)))
    assert placed.place(cell(seed=0), alone=True) == "cuda:0"
    assert placed.place(cell(seed=1), alone=False) == "cuda:0"
    assert placed.place(cell("saist_b"), alone=False) is None
    assert placed.place(cell(seed=2), alone=False) == "cuda:0"


def test_one_cell_always_runs_even_where_nothing_fits(smi, tmp_path):
    smi("0, 8000, 7000", "1, 8000, 6000")
    placed = Placement("auto", 1, store(tmp_path))
    assert placed.place(cell(seed=0), alone=True) == "cuda:1"
    assert placed.place(cell(seed=1), alone=False) is None


def test_memory_that_others_take_meanwhile_is_not_given_away(smi, tmp_path, monkeypatch):
    monkeypatch.setattr(placement, "READING_SECONDS", 0.0)
    smi("0, 80000, 0")
    placed = Placement("auto", 1, store(tmp_path))
    assert placed.place(cell(seed=0), alone=True) == "cuda:0"
    smi("0, 80000, 70000")
    assert placed.place(cell(seed=1), alone=False) is None
    smi("0, 80000, 20000")
    assert placed.place(cell(seed=1), alone=False) == "cuda:0"


def test_only_gpus_that_the_environment_shows_are_used_and_counted_as_it_counts(smi, tmp_path, monkeypatch):
    smi("0, 24000, 0", "1, 24000, 9000", "2, 24000, 5000")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
    assert read_gpus() == [Gpu(0, 24000, 9000), Gpu(1, 24000, 5000)]
    device = Placement("auto", 1, store(tmp_path)).place(cell(), alone=True)
    assert device == "cuda:1"
    child.choose_device(device)
    assert child.os.environ["CUDA_VISIBLE_DEVICES"] == "2"


def test_gpus_shown_by_uuid_are_found_and_passed_on_as_they_were_written(smi, tmp_path, monkeypatch):
    smi("0, 24000, 0", "1, 24000, 9000", "2, 24000, 5000")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-cccc3333-2,GPU-bbbb")
    assert read_gpus() == [Gpu(0, 24000, 5000), Gpu(1, 24000, 9000)]
    child.choose_device("cuda:1,0")
    assert child.os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-bbbb,GPU-cccc3333-2"


@pytest.mark.parametrize("shown", ["", "-1", "MIG-1234", "7"])
def test_what_nvidia_smi_does_not_list_is_left_to_the_environment(smi, tmp_path, monkeypatch, shown):
    smi("0, 24000, 0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert read_gpus() == []
    assert Placement("auto", 1, store(tmp_path)).place(cell(), alone=False) == "auto"


def test_the_gpu_that_the_user_names_is_the_only_one_and_has_to_have_room(smi, tmp_path):
    smi("0, 24000, 0", "1, 24000, 5000")
    placed = Placement("cuda:1", 1, store(tmp_path))
    assert placed.place(cell(seed=0), alone=True) == "cuda:1"
    assert placed.place(cell(seed=1), alone=False) is None


def test_a_cell_of_several_processes_gets_as_many_gpus_with_most_free_memory(smi, tmp_path):
    smi("0, 24000, 3000", "1, 24000, 20000", "2, 24000, 1000")
    placed = Placement("auto", 2, store(tmp_path))
    assert placed.place(cell(seed=0), alone=True) == "cuda:2,0"
    assert placed.place(cell(seed=1), alone=False) is None


def test_machines_without_gpus_and_methods_that_train_nothing_are_left_alone(smi, tmp_path):
    for device in ("auto", "cpu"):
        placed = Placement(device, 1, store(tmp_path))  # no nvidia-smi so far
        assert [placed.place(cell(seed=seed), alone=False) for seed in range(5)] == [device] * 5
    smi("0, 24000, 23999")
    assert Placement("cpu", 1, store(tmp_path)).place(cell(), alone=False) == "cpu"
    assert Placement("auto", 1, store(tmp_path)).place(cell("ipi", trainable=False), alone=False) == "auto"


def test_a_cell_on_the_cpu_takes_no_gpu_that_its_server_saw(smi, monkeypatch):
    from mmengine.device import get_device, utils

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(utils, "DEVICE", "cuda")
    child.choose_device("cpu")
    assert get_device() == "cpu" and child.os.environ["CUDA_VISIBLE_DEVICES"] == ""


def test_an_nvidia_smi_that_fails_hangs_or_knows_no_memory_stops_nobody(smi, monkeypatch):
    monkeypatch.setattr(placement, "QUERY_SECONDS", 0.5)
    smi("0, 24000, 0", then="exit 9")
    assert read_gpus() == []
    smi("0, 24000, 0", then="exec /bin/sleep 5")
    assert read_gpus() == []
    smi("0, [N/A], [N/A]")
    assert read_gpus() == []


def test_the_need_is_the_largest_of_the_methods_records_on_gpus_under_the_profile(tmp_path):
    kept = store(tmp_path, record("acm", 3000.0, seed=1), record("acm", 2000.0, seed=2),
                 record("dnanet", 50_000.0, device="cpu"), record("uiunet", 9000.0, profile="paper"))
    needs = Needs(kept)
    assert needs.of(cell("acm").key) == 3600 + CONTEXT_MB
    assert needs.of(cell("dnanet").key) == needs.of(cell("uiunet").key) == DEFAULT_NEED_MB
    needs.learn(record("acm", 5000.0))
    assert needs.of(cell("acm").key) == 6000 + CONTEXT_MB


def test_a_share_of_a_batch_says_nothing_of_a_larger_share(tmp_path):
    kept = store(tmp_path, record("acm", 3000.0, processes=4))
    assert Needs(kept, processes=2).of(cell().key) == DEFAULT_NEED_MB
    assert Needs(kept, processes=4).of(cell().key) == 3600 + CONTEXT_MB


def test_a_finished_cells_record_makes_room_for_the_next(smi, tmp_path):
    smi("0, 24000, 0")
    placed = Placement("auto", 1, store(tmp_path))
    first, second, third = (cell(seed=seed) for seed in range(3))
    assert placed.place(first, alone=True) == "cuda:0"
    assert placed.place(second, alone=False) is None  # of a method that nobody knows
    placed.release(first, record("acm", 4000.0))
    assert placed.place(second, alone=True) == placed.place(third, alone=False) == "cuda:0"


@pytest.mark.parametrize(("device", "batch", "processes", "message"), [
    ("cpu", 4, 3, "the batch of acm is 4, of which 3 processes cannot take equal shares; use one of 1, 2, 4"),
    ("auto", 4, 4, "GPUs that this machine shows: 2"),
    ("cuda:1", 4, 2, "--device cuda:1 is one GPU"),
])
def test_what_cannot_be_shared_is_refused_in_one_line(smi, monkeypatch, device, batch, processes, message):
    monkeypatch.setattr(provenance, "gpus", lambda: ["A", "B"])
    with pytest.raises(ConfigError, match=message) as refused:
        placement.check([cell(batch=batch)], device, processes)
    assert "\n" not in str(refused.value)
    placement.check([cell(batch=batch)], "auto", 2)
    placement.check([cell("ipi", trainable=False)], "cpu", processes)


def test_a_record_names_the_gpu_that_the_cell_was_given(smi, monkeypatch, tmp_path):
    smi()
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\nprintf 'Small\\nLarge\\n'\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    provenance.gpus.cache_clear()
    assert provenance.gpus() == ["Large"]
