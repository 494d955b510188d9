"""``pretrain_clip.py`` on a few made-up scenes: it learns, resumes, and open_clip and SAIST load what it leaves."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from benchmark.cli import run_main
from benchmark.datasets.catalog import load_dataset_config

COUNT = {"train": 24, "test": 12}
KINDS = {"sea": ("dark open sea", ["dark low waves", "black water", "a dim edge"]),
         "field": ("pale flat field", ["bright white soil", "pale furrows", "a white track"])}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A dataset in NUAA-SIRST's layout whose dark scenes are seas and whose pale ones are fields."""
    root = tmp_path_factory.mktemp("data")
    config = load_dataset_config("nuaa-sirst")
    folder = root / config["folder"]
    random, captions = np.random.default_rng(0), []
    for part, count in COUNT.items():
        ids = [f"{part}{index}" for index in range(count)]
        for index, name in enumerate(ids):
            kind = ("sea", "field")[index % 2]
            image = random.normal(40 if kind == "sea" else 210, 12, (60, 80)).clip(0, 255).astype(np.uint8)
            for pattern, array in ((config["images"], image), (config["masks"], np.zeros_like(image))):
                path = folder / pattern.format(id=name)
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
            scene, objects = KINDS[kind]
            text = (f"a photo of a {scene} with {objects[0]}, {objects[1]}, and {objects[2]}, number {index} of a long "
                    "row seen here.")
            captions.append({"image": name, "scene": scene, "scene_class": kind, "objects": objects, "text": text})
        path = folder / config["splits"]["official"][part]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(ids))
    (root / "MIRSTD").mkdir()
    (root / "MIRSTD" / "nuaa-sirst.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in captions))
    return root


@pytest.fixture(scope="module")
def trained(root, stack, tmp_path_factory):
    from benchmark import pretrain_clip

    folder = tmp_path_factory.mktemp("clip")
    out = folder / "small.safetensors"
    code = run_main(pretrain_clip.main, [
        "--data-root", str(root), "--datasets", "nuaa-sirst", "--out", str(out), "--work-dir", str(folder / "work"),
        "--epochs", "4", "--batch", "8", "--hard-share", "0.3", "--rate", "1e-3"])
    assert code == 0
    return out


@pytest.mark.slow
def test_it_learns_and_its_record_says_what_from(trained):
    record = json.loads(trained.with_suffix(".record.json").read_text())
    assert record["training"]["pairs"] == 24 and record["test"]["pairs"] == 12
    losses = [epoch["loss"] for epoch in record["training"]["curve"]]
    assert len(losses) == 4 and losses[-1] < losses[0]
    assert record["test"]["scene_class"]["captions"]["accuracy"]["value"] >= 0.9  # dark from pale; guessing has 0.5
    assert record["baselines"]["majority"]["accuracy"] == 0.5
    assert record["bytes"] == trained.stat().st_size < 20e6 and record["training"]["git"]
    assert trained.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_open_clip_loads_the_file_by_path_and_agrees_with_ours(trained, stack):
    import open_clip
    import torch

    from models.sr_clip.clip import FrozenCLIP

    open_clip.add_model_config(trained.with_name("IR-CLIP-tiny.json"))
    theirs = open_clip.create_model("IR-CLIP-tiny", pretrained=str(trained)).eval()
    ours = FrozenCLIP("IR-CLIP-tiny", str(trained), cache=False)
    text = "a photo of a dark open sea"
    tokens = open_clip.get_tokenizer("IR-CLIP-tiny")([text])
    assert torch.allclose(theirs.encode_text(tokens)[0], ours.encode_text(text), atol=1e-5)
    scenes = torch.randint(0, 255, (2, 128, 128), dtype=torch.uint8)
    mean, std = ours.pixel_scale
    feature = theirs.encode_image((scenes.float().unsqueeze(1).expand(-1, 3, -1, -1) - mean) / std)
    assert torch.allclose(feature, ours.encode_image(scenes, cached=False).scene, atol=2e-3)  # ours are rounded to half


@pytest.mark.slow
def test_saist_takes_it_by_one_line_and_the_record_names_it(trained):
    from benchmark import configs, weights

    def resolved(checkpoint):
        config = configs.compose(configs.merge(
            profile=configs.load("profiles", "fast"), method=configs.load("methods", "saist_t"),
            dataset=load_dataset_config("nuaa-sirst"), split="official", seed=0, protocol=None),
            [("model.clip.architecture", "IR-CLIP-tiny"), ("model.clip.checkpoint", checkpoint)])
        return config, weights.resolve(config)

    config, (fingerprint, reason) = resolved(str(trained))
    assert config["weights"]["clip_weights"] == "small.safetensors" and fingerprint and not reason


@pytest.mark.slow
def test_an_interrupted_training_ends_with_the_same_weights(root, stack, tmp_path):
    import torch

    from benchmark.pretraining.pairs import load_pairs
    from benchmark.pretraining.training import Recipe, train

    pairs, recipe = load_pairs(root, "train", 160, ["nuaa-sirst"]), Recipe(epochs=2, batch=8, datasets=("nuaa-sirst",))

    class Stop(Exception):
        pass

    def stop_in_second_epoch(event):
        if event["epoch"] == 2:
            raise Stop

    whole, curve = train(pairs, recipe, tmp_path / "whole")
    with pytest.raises(Stop):
        train(pairs, recipe, tmp_path / "cut", heard=stop_in_second_epoch)
    epochs = []
    resumed, again = train(pairs, recipe, tmp_path / "cut", heard=lambda event: epochs.append(event["epoch"]))
    assert set(epochs) == {2}  # the first is not done twice
    assert [epoch["loss"] for epoch in again] == [epoch["loss"] for epoch in curve]
    for name, value in whole.clip.state_dict().items():
        assert torch.equal(value, resumed.clip.state_dict()[name]), name


def test_a_second_look_at_the_pairs_comes_from_the_cache(root, monkeypatch):
    from benchmark.pretraining.pairs import load_pairs

    first = load_pairs(root, "test", 24, ["nuaa-sirst"])
    monkeypatch.setattr("benchmark.pretraining.pairs._scene", lambda *arguments: pytest.fail("decoded again"))
    again = load_pairs(root, "test", 24, ["nuaa-sirst"])
    assert (again.scenes == first.scenes).all() and first.scenes.shape == (12, 24, 24)
    assert again.ids == first.ids == [f"nuaa-sirst/test{index}" for index in range(12)]
    assert again.captions[3]["image"] == "test3"


def test_weights_that_are_not_there_are_made_by_a_command_and_optional_for_saist(stack, tmp_path, monkeypatch):
    from benchmark import weights
    from models import weights as files
    from models.weights import WeightsError, locate

    monkeypatch.setitem(files.OWN, "ir_clip_tiny", tmp_path / "absent.safetensors")
    with pytest.raises(WeightsError, match="make it with `python benchmark/pretrain_clip.py`"):
        locate("ir_clip_tiny")
    config = {"model": {"clip": {"checkpoint": "ir_clip_tiny"}}, "weights": {"kind": "auto"}}
    assert weights.resolve(config) == ("", "")
    assert config["model"]["clip"]["checkpoint"] is None and config["weights"]["clip_weights"] == "random"


def test_a_training_list_that_holds_a_test_image_is_refused(root, tmp_path):
    import shutil

    from benchmark.errors import DataError
    from benchmark.pretraining.pairs import load_pairs

    shutil.copytree(root, tmp_path / "copy")
    lists = load_dataset_config("nuaa-sirst")["splits"]["official"]
    with (tmp_path / "copy" / "NUAA-SIRST" / lists["train"]).open("a") as file:
        file.write("\ntest3")
    with pytest.raises(DataError, match="test3"):
        load_pairs(tmp_path / "copy", "train", 16, ["nuaa-sirst"])
