"""README's tutorial, run as it stands: its files are written where it says and its commands run in their order."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

SECTIONS = ("A method of your own", "A dataset of your own", "A suite of your own")
# What keeps a command of the tutorial to seconds; nothing else is changed in it.
SMALL = {
    "demo": ["--set", "train_cfg.max_epochs=2", "--set", "dataset.counts={'train': 8, 'val': 4, 'test': 4}",
             "--set", "evaluation.bootstrap=50"],
    "fast": ["--set", "evaluation.bootstrap=50"],
}


def blocks(readme: str, section: str, language: str) -> list[str]:
    body = readme.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", body, flags=re.DOTALL)


def run(command: str, folder: Path, project: Path) -> str:
    program, script, *arguments = shlex.split(command)
    assert program == "python" and script.startswith("benchmark/")
    if script == "benchmark/run.py":
        profile = arguments[arguments.index("--profile") + 1]
        arguments += [*SMALL[profile], "--device", "cpu", "--wandb", "disabled"]
    environment = {**os.environ, "IRSTD_DATA_ROOT": str(folder / "none"), "OMP_NUM_THREADS": "1"}
    result = subprocess.run([sys.executable, str(project / script), *arguments], capture_output=True, text=True,
                            cwd=folder, env=environment, timeout=300)
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory, project) -> dict[str, list[str]]:
    """What each section's commands printed, and under ``folder`` where they ran."""
    readme, folder = (project / "README.md").read_text(encoding="utf-8"), tmp_path_factory.mktemp("tutorial")
    for section in SECTIONS:
        for code in blocks(readme, section, "python"):
            path = folder / re.match(r"# (\S+\.py)\n", code)[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code, encoding="utf-8")
    draw_set(folder / "mine/my_set")
    return {"folder": folder} | {section: [run(command, folder, project) for code in blocks(readme, section, "bash")
                                           for command in code.splitlines()] for section in SECTIONS}


def draw_set(folder: Path) -> None:
    """Six images of the synthetic set in the layout that the tutorial shows, with lists."""
    from benchmark.datasets.catalog import load_dataset_config, open_dataset

    source = open_dataset(load_dataset_config("synth-sirst") | {"size": [96, 96]}, folder)
    names = source.ids("test")[:6]
    for kind in ("images", "masks", "lists"):
        (folder / kind).mkdir(parents=True)
    for number, name in enumerate(names, 1):
        sample = source.read(name)
        Image.fromarray(sample.image).save(folder / f"images/{number:04d}.png")
        Image.fromarray(sample.mask.astype("uint8") * 255).save(folder / f"masks/{number:04d}.png")
    (folder / "lists/train.txt").write_text("0001\n0002\n0003\n")
    (folder / "lists/test.txt").write_text("0004\n0005\n0006\n")


def test_the_method_is_two_files_of_at_most_sixty_lines(project):
    files = blocks((project / "README.md").read_text(encoding="utf-8"), SECTIONS[0], "python")
    assert len(files) == 2 and sum(code.count("\n") for code in files) <= 60


@pytest.mark.slow
def test_the_method_trains_beside_top_hat_and_leaves_a_record_with_its_networks_hash(tutorial):
    (said,) = tutorial["A method of your own"]
    assert "my_method / synth-sirst / seed 0  done" in said and "2 done" in said
    (path,) = tutorial["folder"].glob("work_dirs/cells/my_method__synth-sirst__*/record.json")
    record = json.loads(path.read_text())
    assert set(record["config"]["custom_imports"]["sha256"]) == {"my_net"}
    assert record["training"]["epochs"] == 2 and 0 <= record["metrics"]["iou"]["value"] <= 1


@pytest.mark.slow
def test_the_dataset_is_verified_and_tested_on_its_own_list(tutorial):
    verified, ran = tutorial["A dataset of your own"]
    assert "my_set" in verified
    assert "1 done" in ran
    (path,) = tutorial["folder"].glob("work_dirs/cells/top_hat__my_set__*/per_image.jsonl")
    assert [json.loads(line)["image_id"] for line in path.read_text().splitlines()] == ["0004", "0005", "0006"]


@pytest.mark.slow
def test_the_suite_runs_its_new_row_only(tutorial):
    (said,) = tutorial["A suite of your own"]
    assert "[1/1] acm" in said and "3 done" in said
    table = (tutorial["folder"] / "work_dirs/my_suite/my_suite.md").read_text(encoding="utf-8")
    assert all(f"| {title} " in table for title in ("Top-Hat", "My method", "ACM, quarter stem"))
