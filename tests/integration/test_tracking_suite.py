"""A demonstration suite with tracking, through the command line: its offline runs against its records."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

PROJECT = Path(__file__).resolve().parents[2]
SMALL = ["--suite", "table1", "--methods", "top_hat,acm", "--profile", "demo", "--device", "cpu",
         "--set", "dataset.size=(64, 64)", "--set", "view.size=(64, 64)",
         "--set", "model.network.stem=quarter", "--set", "model.network.blocks=1",
         "--set", "dataset.counts={'train': 8, 'val': 2, 'test': 3}", "--set", "train_cfg.max_epochs=3",
         "--set", "train_cfg.val_interval=1", "--set", "evaluation.bootstrap=50", "--wandb-checkpoints"]


def start(work: Path, *arguments: str) -> subprocess.Popen:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    environment |= {"IRSTD_DATA_ROOT": str(work / "none"), "NETRC": str(work / "none")}
    child = subprocess.Popen([sys.executable, "benchmark/run.py", *SMALL, *arguments, "--work-dir", str(work)],
                             cwd=PROJECT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # One core: threads that wait for each other are very slow on a busy machine.
    os.sched_setaffinity(child.pid, {random.choice(sorted(os.sched_getaffinity(0)))})
    return child


def test_offline_runs_hold_what_the_records_hold_also_after_a_kill(tmp_path, read_wandb):
    child = start(tmp_path)
    deadline = time.monotonic() + 180
    while not list(tmp_path.glob("cells/acm__*/train-*/epoch_1.pth")):
        assert time.monotonic() < deadline and child.poll() is None
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child = start(tmp_path)
    output, _ = child.communicate(timeout=500)
    assert child.returncode == 0 and "W&B: offline (no key found)" in output and "wandb sync" in output, output
    for method in ("top_hat", "acm"):
        (path,) = tmp_path.glob(f"cells/{method}__*/record.json")
        record = json.loads(path.read_text())
        (folder,) = path.parent.glob("wandb/offline-run-*")  # one, although the cell was begun twice
        run = read_wandb(folder)
        assert run["run"].run_id == run["run"].display_name == record["id"] and run["run"].run_group == "table1"
        assert {name: value for name, value in run["config"].items() if name in record["config"]} == record["config"]
        for name, metric in record["metrics"].items():
            assert run["summary"].get(f"test/{name}") == metric["value"]
        curve = [row for row in run["history"] if "train/loss" in row]
        assert [(row["epoch"], row["train/loss"]) for row in curve] == [
            (row["epoch"], row["loss"]) for row in record["training"].get("curve", [])]
        counts = {row["image_id"]: row for row in map(json.loads, (path.parent / "per_image.jsonl").open())}
        shown = {key.split("/")[1]: value for row in run["history"] for key, value in row.items()
                 if key.startswith("test/") and key.endswith("/boxes/predictions/path")}
        assert set(shown) == set(counts)
        for name, boxes in shown.items():
            assert len(json.loads((folder / "files" / boxes).read_text())["box_data"]) == counts[name]["predicted"]
        assert all(np.asarray(Image.open(picture)).shape == (64, 64) for picture in folder.rglob("*.png"))
        kinds = [artifact.type for artifact in run["artifacts"]]
        assert ("checkpoint" in kinds) == (method == "acm")
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    suite = read_wandb(folder)
    (report,) = [artifact for artifact in suite["artifacts"] if artifact.type == "report"]
    assert "table1.pdf" in {entry.path for entry in report.manifest.contents}

    again = start(tmp_path)
    output, _ = again.communicate(timeout=120)
    assert again.returncode == 0 and "W&B" not in output  # nothing ran, nothing is tracked again
