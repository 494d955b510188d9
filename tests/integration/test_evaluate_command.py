"""``evaluate.py`` scores anybody's predictions from two folders, or says in one line why it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PROJECT = Path(__file__).resolve().parents[2]
KEYS = {"iou", "niou", "niou_targets", "precision", "recall", "f1", "pd", "fa", "fa_components", "fa_pixel_strict",
        "hiou", "targets", "images"}


def evaluate(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "benchmark/evaluate.py", "--pred", str(folder / "pred"), "--gt", str(folder / "gt")]
    return subprocess.run([*command, *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=120)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two images: one target found whole, one missed beside a false alarm of four pixels."""
    (tmp_path / "pred").mkdir()
    (tmp_path / "gt").mkdir()
    for name, predicted in (("a", (slice(10, 13), slice(10, 13))), ("b", (slice(40, 42), slice(40, 42)))):
        mask, score = np.zeros((50, 60), np.uint8), np.zeros((50, 60), np.float32)
        mask[10:13, 10:13] = 255
        score[predicted] = 0.9
        Image.fromarray(mask).save(tmp_path / "gt" / f"{name}_pixels0.png")
        np.save(tmp_path / "pred" / f"{name}.npy", score)
    return tmp_path


def test_every_figure_is_in_the_json_and_right(folder):
    result = evaluate(folder, "--json", "--roc")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found.keys() >= KEYS | {"pixel_auc", "target_auc", "target_pauc", "curve", "intervals"}
    assert (found["targets"], found["images"], found["pd"]) == (2, 2, 0.5)
    assert found["iou"] == pytest.approx(9 / 22)  # 9 hit; 4 false and 9 missed beside them
    assert found["niou"] == pytest.approx(0.5)
    assert found["fa"] == pytest.approx(4 / 6000 * 1e6)
    assert set(found["curve"]) == {"thresholds", "tpr", "fpr", "pd", "fa"}
    low, high = found["intervals"]["pd"]
    assert low <= 0.5 <= high


def test_eight_and_sixteen_bit_pictures_count_like_their_arrays(folder):
    expected = json.loads(evaluate(folder, "--json").stdout)
    for name, scale, dtype in (("a", 255, np.uint8), ("b", 65535, np.uint16)):
        score = np.load(folder / "pred" / f"{name}.npy")
        (folder / "pred" / f"{name}.npy").unlink()
        Image.fromarray((score * scale).round().astype(dtype)).save(folder / "pred" / f"{name}.png")
    assert json.loads(evaluate(folder, "--json").stdout) == expected


def test_the_threshold_and_the_protocol_are_used(folder):
    assert json.loads(evaluate(folder, "--json", "--threshold", "0.95").stdout)["pd"] == 0
    table = evaluate(folder, "--protocol", "overlap").stdout
    assert "overlap" in table and "Pd" in table and "0.5000" in table


def test_no_torch_and_no_mmengine_is_imported():
    code = ("import sys; sys.argv = ['evaluate.py', '--help']\nimport runpy\n"
            "try: runpy.run_path('benchmark/evaluate.py', run_name='__main__')\nexcept SystemExit: pass\n"
            "import benchmark.metrics.evaluation\n"
            "print([name for name in ('torch', 'mmengine', 'mmseg') if name in sys.modules])")
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def remove_prediction(folder):
    (folder / "pred" / "a.npy").unlink()


def remove_mask(folder):
    (folder / "gt" / "b_pixels0.png").unlink()


def other_size(folder):
    np.save(folder / "pred" / "a.npy", np.zeros((50, 61), np.float32))


def logits(folder):
    np.save(folder / "pred" / "a.npy", np.full((50, 60), 3.0, np.float32))


def nan(folder):
    np.save(folder / "pred" / "a.npy", np.full((50, 60), np.nan, np.float32))


def damaged(folder):
    (folder / "pred" / "a.npy").write_bytes(b"no array")


def pickled(folder):
    np.save(folder / "pred" / "a.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)


def wrong_coding(folder):
    Image.fromarray(np.full((50, 60), 7, np.uint8)).save(folder / "gt" / "a_pixels0.png")


@pytest.mark.parametrize(("harm", "named"), [
    (remove_prediction, "a"), (remove_mask, "b"), (other_size, "a"), (logits, "sigmoid"), (nan, "a.npy"),
    (damaged, "a.npy"), (pickled, "a.npy"), (wrong_coding, "a_pixels0.png"),
])
def test_bad_files_are_one_line_that_names_them(folder, harm, named):
    harm(folder)
    result = evaluate(folder)
    assert result.returncode == 2, result.stdout
    assert len(result.stderr.splitlines()) == 1 and named in result.stderr and result.stderr.startswith("error: ")


@pytest.mark.parametrize("arguments", [["--protocol", "standrad"], ["--threshold", "nan"], ["--roc", "-3"]])
def test_wrong_options_end_with_code_2(folder, arguments):
    result = evaluate(folder, *arguments)
    assert result.returncode == 2 and "Traceback" not in result.stderr


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "pred").mkdir()
    (tmp_path / "gt").mkdir()
    assert evaluate(tmp_path).returncode == 2
