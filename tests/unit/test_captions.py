"""Captions by image id: the schema, where they come from, the template where one is missing, captions dealt anew."""

from __future__ import annotations

import hashlib
import json

import pytest

from benchmark import configs
from benchmark.datasets.caption_schema import SCENE_CLASSES, form_problems, leaks, problems
from benchmark.datasets.captions import Captions, donors, read_captions
from benchmark.datasets.catalog import load_dataset_config, open_dataset
from benchmark.datasets.mirstd import caption_file
from benchmark.errors import ConfigError, DataError

CONFIG = {"captions": "file", "file": "x.jsonl", "scene": "dark sea"}
OBJECTS = ["sharp horizon line", "pale wave crests", "plain grey sky"]
TEXT = ("a photo of a dark open sea with sharp horizon line, pale wave crests, and plain grey sky, rough water filling "
        "the lower half.")


def entry(image="a", **changes):
    return {"image": image, "scene": "dark open sea", "scene_class": "sea", "objects": OBJECTS, "text": TEXT} | changes


def text(number):
    return TEXT.replace("rough water", f"{number} waves")


def write(root, *entries, name="x.jsonl"):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [line if isinstance(line, str) else json.dumps(line) for line in entries]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_caption_of_the_papers_form_has_nothing_wrong_with_it():
    assert len(TEXT.split()) == 24  # between 20 and 28
    assert not problems(entry()) and not form_problems(entry())
    assert not problems(entry(text="a photo of an" + TEXT[12:]))


@pytest.mark.parametrize(("changes", "message"), [
    ({"image": ""}, "image must be a string"), ({"scene": None}, "scene must be a string"),
    ({"scene_class": "space"}, f"scene_class 'space' is none of {', '.join(SCENE_CLASSES)}"),
    ({"objects": OBJECTS[:2]}, "list of 3 phrases"), ({"objects": [*OBJECTS, "more"]}, "list of 3 phrases"),
    ({"objects": "abc"}, "list of 3 phrases"), ({"objects": ["a", "b", 3]}, "list of 3 phrases"),
    ({"text": "the" + TEXT[1:]}, "must begin 'a photo of a'"),
    ({"text": " ".join(TEXT.split()[:19])}, "19 words, not 20 to 28"),
    ({"text": TEXT + " x" * 5}, "29 words, not 20 to 28"), ({"text": TEXT + "\n"}, "text must be a string"),
    ({"review": "maybe"}, "review 'maybe' is none of"),
])
def test_each_break_of_the_schema_is_named(changes, message):
    assert any(message in problem for problem in problems(entry(**changes)))


def test_a_text_that_does_not_follow_its_own_fields_is_noticed():
    assert form_problems(entry(scene="bright sea"))
    assert form_problems(entry(objects=OBJECTS[::-1]))


def test_a_forbidden_word_is_found_as_a_word_and_not_inside_another():
    assert leaks("a small Bird, above a car-park; birdlike", {"bird", "car"}) == ["bird"]


def test_a_caption_wins_over_the_template(tmp_path):
    write(tmp_path, entry("a"), "", entry("b", text=text("low")))
    captions = Captions(CONFIG, tmp_path, "toy")
    assert captions.text("b") == text("low")
    assert captions.text("c") == "a photo of a dark sea"
    assert captions.origins(["a", "b", "c"]) == {"caption": 2, "template": 1, "none": 0}


def test_without_a_file_every_image_takes_the_template(tmp_path):
    captions = Captions(CONFIG | {"file": ""}, tmp_path, "toy")
    assert captions.origins("abc") == {"caption": 0, "template": 3, "none": 0}
    assert captions.source() == {"mode": "file", "file": None, "sha256": None}


def test_without_a_scene_there_is_no_text(tmp_path):
    captions = Captions({"captions": "file", "file": "", "scene": ""}, tmp_path, "toy")
    assert captions.text("a") is None and captions.origins("ab")["none"] == 2
    assert Captions(None, tmp_path, "nuaa-sirst").text("Misc_1") is None


def test_the_repository_is_asked_last_and_ones_own_file_first(tmp_path):
    config = {"captions": "file", "file": "", "scene": "sky"}
    own = Captions(config, tmp_path, "nuaa-sirst")
    assert own.path == caption_file("nuaa-sirst") and own.text("Misc_1").startswith("a photo of a straight road")
    below_root = write(tmp_path, entry("Misc_1", text=text("one")), name="MIRSTD/nuaa-sirst.jsonl")
    assert Captions(config, tmp_path, "nuaa-sirst").path == below_root
    mine = write(tmp_path, entry("Misc_1", text=text("two")), name="mine.jsonl")
    assert Captions(config | {"file": "mine.jsonl"}, tmp_path, "nuaa-sirst").text("Misc_1") == text("two")
    assert Captions(config | {"file": str(mine)}, tmp_path / "elsewhere", "nuaa-sirst").path == mine


def test_the_record_can_name_the_caption_file_and_its_hash(tmp_path):
    found = Captions({"captions": "file", "scene": "sky"}, tmp_path, "irstd-1k").source()
    content = caption_file("irstd-1k").read_bytes()
    assert found == {"mode": "file", "file": "benchmark/datasets/mirstd/irstd-1k.jsonl",
                     "sha256": hashlib.sha256(content).hexdigest()}


def test_a_caption_file_below_the_data_root_is_named_without_where_that_lies(tmp_path):
    write(tmp_path, entry("a"), name="MIRSTD/toy.jsonl")
    elsewhere = write(tmp_path, entry("a"), name="mine.jsonl")
    config = {"captions": "file", "scene": "sky"}
    assert Captions(config, tmp_path, "toy").source()["file"] == "MIRSTD/toy.jsonl"
    found = Captions(config | {"file": str(elsewhere)}, tmp_path / "data", "toy").source()
    assert found["file"] == str(elsewhere)


def test_ones_own_file_that_is_missing_is_an_error_and_not_the_template(tmp_path):
    with pytest.raises(DataError, match=r"x.jsonl: no such caption file"):
        Captions(CONFIG, tmp_path, "toy")


def test_a_rejected_caption_is_not_used(tmp_path):
    path = write(tmp_path, entry("a", review="rejected"), entry("b", review="accepted"))
    assert Captions(CONFIG, tmp_path, "toy").origins("ab") == {"caption": 1, "template": 1, "none": 0}
    assert len(read_captions(path, every=True)) == 2


@pytest.mark.parametrize(("lines", "message"), [
    (["{"], "line 1: not JSON"),
    ([entry("a"), '{"image": "b"}'], "line 2: scene must be a string"),
    (["[1]"], "line 1: a caption is an object"),
    ([entry("a"), entry("a")], "line 2: a second caption for image 'a'"),
])
def test_a_broken_file_names_its_line(tmp_path, lines, message):
    write(tmp_path, *lines)
    with pytest.raises(DataError, match=message):
        Captions(CONFIG, tmp_path, "toy")


def test_an_unknown_mode_is_refused_with_the_choices(tmp_path):
    with pytest.raises(ConfigError, match="unknown mode 'shufled'; did you mean shuffled"):
        Captions(CONFIG | {"captions": "shufled"}, tmp_path, "toy")


def test_the_template_mode_reads_no_captions(tmp_path):
    write(tmp_path, entry("a"))
    captions = Captions(CONFIG | {"captions": "template"}, tmp_path, "toy")
    assert captions.text("a") == "a photo of a dark sea" and captions.source()["file"] is None


def test_shuffled_captions_stay_in_their_part_and_nobody_keeps_its_own(tmp_path):
    ids = [f"i{number}" for number in range(12)]
    write(tmp_path, *(entry(name, text=text(name)) for name in ids))
    parts = {"train": ids[:7], "val": [], "test": ids[7:]}
    found = {}
    for seed in (0, 0, 1):
        captions = Captions(CONFIG | {"captions": "shuffled"}, tmp_path, "toy")
        captions.shuffle(parts, seed)
        dealt = {name: captions.text(name) for name in ids}
        assert found.setdefault(seed, dealt) == dealt  # the same seed, the same deal
        for part in parts.values():
            assert {dealt[name] for name in part} == {text(name) for name in part}
        assert all(dealt[name] != text(name) for name in ids)
    assert found[0] != found[1]


def test_the_deal_is_the_same_on_every_machine():
    # sha256 of '3|a', '3|b', '3|c' and '3|d' begin with a8, 5f, ae and eb, so the cycle is b, a, c, d.
    assert donors("abcd", 3) == {"b": "a", "a": "c", "c": "d", "d": "b"}
    assert donors(["only"], 0) == {"only": "only"} and donors([], 0) == {}


def test_a_method_chooses_how_the_datasets_captions_are_used():
    def text_of(method, dataset="nuaa-sirst"):
        return configs.merge(profile=configs.load("profiles", "fast"), method=configs.load("methods", method),
                             dataset=load_dataset_config(dataset), split="official", seed=0,
                             protocol=None)["dataset"].get("text")

    assert text_of("saist_t") == {"captions": "file", "file": "", "scene": "cloudy sky"}
    assert text_of("saist_captions") == text_of("saist_t")
    assert text_of("saist_shuffled") == {"captions": "shuffled", "file": "", "scene": "cloudy sky"}
    assert text_of("saist_template")["captions"] == "template"
    assert text_of("acm") is None and text_of("top_hat") is None  # nor can it make their cells stale


def test_generated_scenes_follow_the_same_option():
    config = load_dataset_config("synth-sirst") | {"size": (64, 64), "counts": {"train": 0, "val": 0, "test": 6}}

    def texts(mode, seed=0):
        source = open_dataset(config | {"text": {"captions": mode}}, None, seed=seed)
        return source.text_origins(), [source.read(name).text for name in source.ids("test")]

    (_, plain), (_, shuffled), (counts, none) = texts("file"), texts("shuffled"), texts("template")
    assert sorted(plain) == sorted(shuffled) and plain != shuffled
    assert none == [None] * 6 and counts == {"caption": 0, "template": 0, "none": 6}


def test_ones_own_folder_takes_the_captions_that_lie_in_it(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / "own" / part).mkdir(parents=True)
    assert load_dataset_config(str(tmp_path / "own"))["text"]["file"] == ""
    path = write(tmp_path / "own", entry("a"), name="captions.jsonl")
    assert load_dataset_config(str(tmp_path / "own"))["text"]["file"] == str(path)


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
    other = [config | {"text": config["text"] | {"captions": mode}} for mode in ("template", "shuffled")]
    prints = {open_dataset(each, real_data_root).fingerprint() for each in (config, silent, *other)}
    assert len(prints) == 4
