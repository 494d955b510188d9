"""Captions by image id, the template where one is missing, and what a broken file says."""

from __future__ import annotations

import json

import pytest

from benchmark.datasets.captions import Captions
from benchmark.datasets.catalog import load_dataset_config, open_dataset
from benchmark.errors import DataError

CONFIG = {"captions": "MIRSTD/x.jsonl", "scene": "dark sea"}


def write(root, *lines):
    (root / "MIRSTD").mkdir(exist_ok=True)
    (root / "MIRSTD" / "x.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def line(image, text="a photo of a coast"):
    return json.dumps({"image": image, "text": text, "scene": "coast"})


def test_a_caption_wins_over_the_template(tmp_path):
    write(tmp_path, line("a"), "", line("b", "a photo of a road"))
    captions = Captions(CONFIG, tmp_path)
    assert captions.text("b") == "a photo of a road"
    assert captions.text("c") == "a photo of a dark sea"
    assert captions.origins(["a", "b", "c"]) == {"caption": 2, "template": 1, "none": 0}


def test_without_a_file_every_image_takes_the_template(tmp_path):
    assert Captions(CONFIG, tmp_path).origins("abc") == {"caption": 0, "template": 3, "none": 0}


def test_without_a_scene_there_is_no_text(tmp_path):
    captions = Captions({"captions": "", "scene": ""}, tmp_path)
    assert captions.text("a") is None and captions.origins("ab")["none"] == 2
    assert Captions(None, tmp_path).text("a") is None


@pytest.mark.parametrize(("lines", "message"), [
    (["{"], "line 1: not JSON"),
    ([line("a"), '{"image": "b"}'], "line 2: a caption is an object"),
    (["[1]"], "line 1: a caption is an object"),
    ([line("a"), line("a")], "line 2: a second caption for image 'a'"),
])
def test_a_broken_file_names_its_line(tmp_path, lines, message):
    write(tmp_path, *lines)
    with pytest.raises(DataError, match=message):
        Captions(CONFIG, tmp_path)


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "images"), [("nuaa-sirst", 427), ("nudt-sirst", 1327), ("irstd-1k", 1001)])
def test_every_image_of_the_real_sets_has_a_caption(real_data_root, name, images):
    source = open_dataset(load_dataset_config(name), real_data_root, "paper")
    assert source.text_origins() == {"caption": images, "template": 0, "none": 0}
    assert source.read(source.ids("train")[0]).text.startswith("a photo of a")


@pytest.mark.realdata
def test_captions_enter_the_fingerprint_only_where_they_are_used(real_data_root):
    config = load_dataset_config("nuaa-sirst")
    silent = {name: value for name, value in config.items() if name != "text"}
    other = config | {"text": {"captions": "", "scene": "sea"}}
    prints = {open_dataset(each, real_data_root).fingerprint() for each in (config, silent, other)}
    assert len(prints) == 3
