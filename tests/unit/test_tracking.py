"""How a W&B mode is chosen, and what a run holds: written offline, read back, compared with the record."""

from __future__ import annotations

import http.server
import json
import os
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark import tracking
from benchmark.records import CellKey, Metric, Record, RecordStore
from benchmark.suites import Cell

KEY = "0123456789abcdef0123456789abcdef01234567"
DATASET = {"name": "synth-sirst", "title": "synth-sirst", "layout": "synthetic", "real": False, "size": [64, 64],
           "default_split": "generated", "counts": {"train": 2, "val": 1, "test": 4}, "mean": 80.0, "std": 40.0}
SUITE = {"name": "small", "title": "Small", "profile": "demo"}


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """No key, no wish, no netrc."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    return monkeypatch


def test_without_a_key_runs_are_kept_offline(bare):
    mode, line = tracking.choose_mode(None)
    assert mode == "offline" and "wandb sync" in line


def test_a_key_in_the_environment_or_the_netrc_of_the_server_means_online(bare, tmp_path):
    (tmp_path / "netrc").write_text(f"machine api.wandb.ai login user password {KEY}\n")
    assert tracking.choose_mode(None)[0] == "online"
    bare.setenv("WANDB_BASE_URL", "https://elsewhere.example")
    assert tracking.choose_mode(None)[0] == "offline"  # a key, but not of this server
    bare.setenv("WANDB_API_KEY", KEY)
    mode, line = tracking.choose_mode(None)
    assert mode == "online" and KEY not in line


def test_what_is_asked_for_goes_before_the_environment(bare):
    bare.setenv("WANDB_MODE", "disabled")
    assert tracking.choose_mode(None) == ("disabled", "")
    assert tracking.choose_mode("offline")[0] == "offline"
    assert tracking.choose_mode("disabled") == ("disabled", "")


def test_without_the_package_tracking_is_off_and_says_so_even_when_asked_for(bare):
    bare.setattr("importlib.util.find_spec", lambda name: None)
    for asked in (None, "online"):
        mode, line = tracking.choose_mode(asked)
        assert mode == "disabled" and "not installed" in line


def test_a_server_that_was_logged_into_is_found(bare, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings").write_text("[default]\nbase_url = https://own.example\n")
    assert tracking.server() == "https://own.example"


def test_the_address_of_the_server_is_shown_without_its_password(bare):
    bare.setenv("WANDB_BASE_URL", "https://user:secret@wandb.example:8080/path")
    assert tracking.server() == "https://wandb.example:8080/path"


def make_cell(store: RecordStore, method: str = "top_hat", condition: Mapping[str, Any] = MappingProxyType({})) -> Cell:
    """A finished cell with a curve, a checkpoint and two pictures, made by hand."""
    from benchmark.keeping import Keeper

    config = {"method": {"trainable": True}, "dataset": DATASET, "split": "generated", "seed": 0,
              "evaluation": {"threshold": 0.5}, "train_cfg": {"max_epochs": 2}} | condition
    cell = Cell(CellKey(method, "synth-sirst", "generated", "demo", 0), config, "/nowhere", "data")
    curve = [{"epoch": 1, "loss": 0.9, "lr": 0.01, "seconds": 1.5},
             {"epoch": 2, "loss": 0.5, "lr": 0.005, "seconds": 1.25, "val_iou": 0.25, "val_fa": None}]
    record = Record(
        cell.id, cell.key, config, roc={"thresholds": [0.0, 1.0], "tpr": [1.0, 0.5], "fpr": [0.25, 0.0],
                                        "pd": [1.0, None], "fa": [0.5, 0.0]},
        metrics={"iou": Metric(0.5, 0.25, 0.75), "pd": Metric(None, reason="no targets")},
        cost={"params": 10}, training={"curve": curve, "checkpoint": "train-x/best.pth"},
        provenance={"git": {"commit": "c0ffee"}, "command": "python run.py"})
    folder = store.folder(cell.key)
    score = np.zeros((64, 64), np.float32)
    score[3:6, 10:14], score[40, 41] = 0.75, 0.625
    kept = Keeper(folder, 0.5, ["test-00000", "test-00001"])
    for name in ("test-00000", "test-00001"):
        kept.add(name, score, score > 0.7)
    (folder / "train-x").mkdir()
    (folder / "train-x" / "best.pth").write_bytes(b"weights")
    store.put(record)
    return cell


def tracked(tmp_path: Path, mode: str = "offline", cells: int = 1, condition: Mapping[str, Any] = MappingProxyType({}),
            **options):
    """``Tracking`` after all cells are done, their store, and the seconds that took."""
    from benchmark.engine.tracking import Tracking

    store = RecordStore(tmp_path / "work")
    made = [make_cell(store, method, condition) for method in ("top_hat", "ipi")[:cells]]
    started = time.monotonic()
    found = Tracking(made, store, tracking.Options(mode, suite=SUITE, **options))
    for cell in made:
        found.handle("started", cell.key.slot)
        found.handle("done", cell.key.slot)
    seconds = time.monotonic() - started
    found.close()
    return found, store, made, seconds


@pytest.fixture
def homeless(bare, stack, tmp_path):
    """Keeps W&B's own files inside the test's folder."""
    for name in ("DATA", "CACHE"):
        bare.setenv(f"WANDB_{name}_DIR", str(tmp_path / "wandb-home" / name.lower()))
    return bare


@pytest.mark.parametrize("test", [{}, {"test": {"corruption": {"kind": "noise", "severity": 5}}}])
def test_an_offline_run_holds_what_the_record_holds_and_the_images_that_were_tested(
        homeless, tmp_path, read_wandb, test):
    from benchmark.datasets.catalog import open_test

    found, store, (cell,), _ = tracked(tmp_path, condition=test, checkpoints=True)
    assert not found.problems
    folder = store.folder(cell.key)
    (path,) = folder.glob("wandb/offline-run-*")
    run = read_wandb(path)
    record = store.get(cell.key)
    assert (run["run"].run_id, run["run"].display_name, run["run"].run_group) == (cell.id, cell.id, "small")
    assert run["config"]["train_cfg"] == {"max_epochs": 2} and run["config"]["cell"]["method"] == "top_hat"
    assert run["config"]["provenance"]["git"] == {"commit": "c0ffee"}
    curve = [row for row in run["history"] if "train/loss" in row]
    assert [row["train/loss"] for row in curve] == [0.9, 0.5] and [row["_step"] for row in curve] == [1, 2]
    assert curve[1]["val/iou"] == 0.25 and "val/fa" not in curve[1]
    assert (run["summary"]["test/iou"], run["summary"]["test/iou_low"]) == (0.5, 0.25)
    assert "test/pd" not in run["summary"] and run["summary"]["cost/params"] == 10
    for plot in ("target", "pixel"):
        (table,) = path.glob(f"files/media/table/roc/{plot}*.json")
        content = json.loads(table.read_text())
        assert content["columns"] == list(record.roc)
        assert content["data"] == [list(row) for row in zip(*record.roc.values(), strict=True)]
    source = open_test(cell.config, Path("/nowhere"))
    for name in ("test-00000", "test-00001"):
        logged = next(row for row in run["history"] if f"test/{name}/path" in row)
        image = np.asarray(Image.open(path / "files" / logged[f"test/{name}/path"]))
        assert np.array_equal(image, source.read(name).image)
        boxes = json.loads((path / "files" / logged[f"test/{name}/boxes/predictions/path"]).read_text())["box_data"]
        assert sorted(tuple(box["position"][side] for side in ("minX", "minY", "maxX", "maxY")) for box in boxes) == [
            (10, 3, 14, 6), (41, 40, 42, 41)]
        assert {round(255 * box["scores"]["score"]) for box in boxes} == {191, 159}  # of 0.75 and 0.625
    (artifact,) = [found for found in run["artifacts"] if found.type == "checkpoint"]
    assert [entry.path for entry in artifact.manifest.contents] == ["best.pth"]
    assert run["exit"] == 0 and tracking.marked_id(folder) == cell.id


def test_a_cell_tracked_again_replaces_its_offline_run(homeless, tmp_path):
    found, store, (cell,), _ = tracked(tmp_path)
    found.handle("done", cell.key.slot)  # told twice, written once
    for kind in ("started", "done"):  # begun anew with --force
        found.handle(kind, cell.key.slot)
    assert len(list(store.folder(cell.key).glob("wandb/offline-run-*"))) == 1


def test_nothing_of_the_code_the_machine_or_the_git_remote_is_gathered(homeless, tmp_path):
    _, store, (cell,), _ = tracked(tmp_path)
    (path,) = store.folder(cell.key).glob("wandb/offline-run-*")
    names = {file.name for file in path.rglob("*") if file.is_file()}
    assert not names & {"wandb-metadata.json", "requirements.txt", "output.log"}
    assert not [name for name in names if name.endswith((".py", ".patch"))]


class Slow(http.server.BaseHTTPRequestHandler):
    """Takes requests and answers none."""

    def do_GET(self) -> None:
        time.sleep(30)

    do_POST = do_GET


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers everything with an error; remembers what was asked for."""

    def do_POST(self) -> None:
        self.server.asked.append(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace"))
        self.send_response(401)
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture
def serve():
    """Starts a local server of a handler class; gives its address."""
    servers = []

    def start(handler) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads, server.asked = True, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("server", ["absent", "slow", "refusing"])
def test_a_server_that_fails_turns_all_runs_offline_and_is_named_once(homeless, tmp_path, serve, server):
    handlers = {"slow": Slow, "refusing": Refusing}
    address = serve(handlers[server]) if server in handlers else f"http://127.0.0.1:{unused_port()}"
    homeless.setenv("WANDB_BASE_URL", address)
    homeless.setenv("WANDB_API_KEY", KEY)
    homeless.setattr("benchmark.engine.tracking.PROBE_SECONDS", 0.5)
    homeless.setattr("benchmark.engine.tracking.INIT_SECONDS", 3.0)
    found, store, cells, seconds = tracked(tmp_path, "online", cells=2)
    for cell in cells:
        assert len(list(store.folder(cell.key).glob("wandb/offline-run-*"))) == 1
        assert tracking.marked_id(store.folder(cell.key)) == cell.id
    lines = found.closing_lines()
    assert len(lines) == 2 and address in lines[0] and "2 runs are kept here" in lines[1] and seconds < 60
    for path in (tmp_path / "work").rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), f"{path} holds the key"


def test_a_stopped_cell_leaves_no_marker_and_is_tracked_when_it_is_done(homeless, tmp_path):
    store = RecordStore(tmp_path / "work")
    cell = make_cell(store)
    outcome = store.outcome(cell.key, cell.id)
    assert [left.key for left in tracking.untracked([outcome], store)] == [cell.key]
    from benchmark.engine.tracking import Tracking

    Tracking([cell], store, tracking.Options("offline", suite=SUITE)).handle("done", cell.key.slot)
    assert tracking.untracked([outcome], store) == []
