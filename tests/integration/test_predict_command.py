"""``predict.py`` on images that the test makes: what it writes, what it refuses, what it explains and exports."""

from __future__ import annotations

import csv
import json

import cv2
import numpy as np
import pytest

from benchmark.cli import run_main
from benchmark.predict import main


def predict(*arguments) -> int:
    return run_main(main, [str(argument) for argument in arguments])


def scene(shape=(60, 80), spot=(40, 30), dtype=np.uint8):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = 60 + 20 * np.sin(columns / 25) + np.random.default_rng(0).normal(0, 1, shape)
    image += 120 * np.exp(-((rows - spot[0]) ** 2 + (columns - spot[1]) ** 2) / (2 * 1.5**2))
    scale = np.iinfo(dtype).max / 255
    return (image.clip(0, 255) * scale).astype(dtype)


@pytest.fixture
def inputs(tmp_path, stack):
    """A folder with an 8-bit and, in a folder below, a 16-bit image, a video of three frames, and a file of text."""
    folder = tmp_path / "inputs"
    (folder / "deep").mkdir(parents=True)
    cv2.imwrite(str(folder / "a.png"), scene())
    cv2.imwrite(str(folder / "deep" / "a.tiff"), scene(spot=(20, 50), dtype=np.uint16))
    video = cv2.VideoWriter(str(folder / "clip.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 5, (80, 60))
    for step in range(3):
        video.write(cv2.cvtColor(scene(spot=(30, 20 + 10 * step)), cv2.COLOR_GRAY2BGR))
    video.release()
    (folder / "broken.png").write_text("not an image")
    return folder


def test_folders_videos_and_deep_images_give_masks_scores_overlays_and_one_list(inputs, tmp_path, capsys):
    out = tmp_path / "out"
    assert predict("--method", "top_hat", inputs, "--out", out) == 1  # broken.png was not read
    printed = capsys.readouterr()
    assert f"{inputs}/broken.png: not an image that can be read" in printed.err
    assert "5 images, 5 detections, 1 not read" in printed.out
    rows = list(csv.DictReader((out / "detections.csv").open()))
    found = {row["image"]: (float(row["x"]), float(row["y"])) for row in rows}
    expected = {"a": (30, 40), "deep/a": (50, 20), "clip/000000": (20, 30), "clip/000001": (30, 30),
                "clip/000002": (40, 30)}
    assert found.keys() == expected.keys()
    assert all(np.hypot(*np.subtract(found[name], expected[name])) < 1 for name in expected)
    features = json.loads((out / "detections.json").read_text())["features"]
    assert [feature["properties"]["image"] for feature in features] == [row["image"] for row in rows]
    score = cv2.imread(str(out / "deep" / "a_score.png"), cv2.IMREAD_UNCHANGED)
    mask = cv2.imread(str(out / "deep" / "a_mask.png"), cv2.IMREAD_UNCHANGED)
    assert score.dtype == np.uint16 and set(np.unique(mask)) == {0, 255}
    assert (mask > 0).sum() == int(next(row["area"] for row in rows if row["image"] == "deep/a"))
    assert cv2.imread(str(out / "a_overlay.png")).shape == (60, 80, 3)


def test_results_below_an_input_are_not_read_back(inputs, capsys):
    (inputs / "broken.png").unlink()
    for _ in range(2):
        assert predict("--method", "top_hat", inputs, "--out", inputs / "found", "-q") == 0
        assert capsys.readouterr().out.startswith("5 images, 5 detections")


def test_two_inputs_of_one_name_do_not_overwrite_each_other(inputs, tmp_path):
    predict("--method", "top_hat", inputs / "a.png", inputs / "deep" / "a.tiff", "--out", tmp_path / "out")
    assert (tmp_path / "out" / "a_mask.png").exists() and (tmp_path / "out" / "a_2_mask.png").exists()


@pytest.mark.parametrize(("arguments", "message"), [
    (["--method", "top_hatt", "{image}"], "unknown method 'top_hatt'; did you mean top_hat"),
    (["--method", "acm", "{image}"], "no trained acm under"),
    (["--method", "acm", "--weights", "none.pth", "{image}"], "--weights none.pth: no such file"),
    (["--method", "top_hat", "x.png", "y"], "x.png: no such file or folder"),
    (["--method", "top_hat"], "give at least one image, folder or video"),
    (["--method", "top_hat", "--explain", "a.png", "x.png", "y.png"], "--explain looks at one image, got 2"),
    (["--method", "top_hat", "--explain", "a.png", "{image}"], "top_hat has nothing to explain"),
    (["--method", "top_hat", "--export", "onnx"], "top_hat has no network to export"),
    (["--method", "top_hat", "--threshold", "7", "{image}"], "--threshold must be at least 0 and below 1"),
])
def test_bad_usage_is_one_line(inputs, tmp_path, arguments, message, capsys):
    arguments = [argument.format(image=inputs / "a.png") for argument in arguments]
    assert predict(*arguments, "--work-dir", tmp_path / "work") == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_file_that_holds_other_weights_is_refused(inputs, tmp_path, capsys):
    import torch

    torch.save({"state_dict": {"foo": torch.zeros(1)}}, tmp_path / "other.pth")
    (tmp_path / "broken.pth").write_bytes(b"PK")
    assert predict("--method", "acm", "--weights", tmp_path / "other.pth", inputs / "a.png") == 2
    assert "not weights of this network" in capsys.readouterr().err
    assert predict("--method", "acm", "--weights", tmp_path / "broken.pth", inputs / "a.png") == 2
    assert "broken.pth: cannot be loaded" in capsys.readouterr().err


def test_a_bare_checkpoint_predicts_what_its_network_does(inputs, tmp_path, stack):
    import torch

    from benchmark import load_detector

    random = load_detector("acm", "random")
    for parameter in random.model.parameters():
        parameter.data += 0.01
    torch.save({"state_dict": random.model.state_dict()}, tmp_path / "acm.pth")
    loaded = load_detector("acm", tmp_path / "acm.pth")
    score = loaded(scene())
    assert score.shape == (60, 80) and score.dtype == np.float32
    assert np.array_equal(score, random(scene()))
    # 16 bits of the same scene are the same picture
    assert np.allclose(loaded(scene().astype(np.uint16) * 257), score, atol=1e-5)


@pytest.mark.slow
def test_an_explanation_is_a_picture_of_every_map(inputs, tmp_path, capsys):
    out = tmp_path / "why.png"
    assert predict("--method", "saist_t", "--weights", "random", "--explain", out, "--text",
                   "a photo of <a> sea & $x$", inputs / "a.png") == 0
    assert "score, scene, degraded, background, depth, similarity" in capsys.readouterr().out
    picture = cv2.imread(str(out))
    assert picture.shape[0] > 500 and picture.std() > 10


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["fast", "cpu"], ids=["float32", "trained in bfloat16"])
def test_an_exported_network_gives_the_same_probabilities(profile, inputs, tmp_path, capsys):
    import onnxruntime

    from benchmark.engine.detector import load_detector

    path = tmp_path / "acm.onnx"
    assert predict("--method", "acm", "--weights", "random", "--profile", profile, "--export", "onnx", "--size",
                   "60x80", "--out", path) == 0
    assert "largest difference to the network" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    image = scene()
    (found,) = session.run(None, {"image": image[None, None].astype(np.float32)})
    assert np.abs(found[0, 0] - load_detector("acm", "random")(image)).max() < 1e-3


def test_what_predict_wrote_is_what_evaluate_reads(inputs, tmp_path, capsys):
    from benchmark.evaluate import main as evaluate

    masks, out = tmp_path / "masks", tmp_path / "out"
    masks.mkdir()
    mask = np.zeros((60, 80), np.uint8)
    mask[38:43, 28:33] = 255
    cv2.imwrite(str(masks / "a.png"), mask)
    assert predict("--method", "top_hat", inputs / "a.png", "--out", out) == 0
    capsys.readouterr()
    assert run_main(evaluate, ["--pred", str(out), "--gt", str(masks), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["pd"], found["fa"]) == (1, 1.0, 0.0)


def test_a_mistyped_path_costs_no_result_of_an_earlier_call(inputs, tmp_path, capsys):
    out = tmp_path / "out"
    assert predict("--method", "top_hat", inputs / "a.png", "--out", out) == 0
    before = (out / "detections.csv").read_text()
    assert predict("--method", "top_hat", tmp_path / "no.png", "--out", out) == 2
    capsys.readouterr()
    assert predict("--method", "top_hat", inputs / "broken.png", "--out", out) == 1
    assert "0 images, 0 detections, 1 not read · nothing written" in capsys.readouterr().out
    assert (out / "detections.csv").read_text() == before and before.count("\n") == 2


def test_the_overlay_of_a_deep_image_uses_the_eyes_whole_range(tmp_path, stack):
    faint = (scene(dtype=np.uint16) // 8 + 3000).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "faint.png"), faint)
    assert predict("--method", "top_hat", tmp_path / "faint.png", "--out", tmp_path / "out") == 0
    overlay = cv2.imread(str(tmp_path / "out" / "faint_overlay.png"))
    assert overlay[..., 0].min() == 0 and overlay.max() == 255 and np.median(overlay) > 20
