"""The captions that the repository publishes, the vocabulary made of them, and the rows that ask whether they help."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmark import configs
from benchmark.captioning.pages import statistics_page
from benchmark.captioning.statistics import build_vocabulary, near_duplicates, statistics
from benchmark.datasets.caption_schema import MAX_WORDS, MIN_WORDS, form_problems, leaks
from benchmark.datasets.captions import read_captions
from benchmark.datasets.catalog import load_dataset_config, open_dataset
from benchmark.datasets.mirstd import DATASETS, FOLDER, VERSION, caption_file, leak_words, vocabulary
from benchmark.suites import Selection, expand, load_suite

COUNTS = {"nuaa-sirst": 427, "nudt-sirst": 1327, "irstd-1k": 1001}


@pytest.mark.parametrize("name", DATASETS)
def test_every_published_caption_keeps_schema_and_form_and_names_no_target(name):
    captions = read_captions(caption_file(name))  # refuses what breaks the schema
    assert len(captions) == COUNTS[name]
    assert not [caption["image"] for caption in captions if form_problems(caption)]
    assert not {caption["image"]: found for caption in captions if (found := leaks(caption["text"], leak_words()))}


def test_the_list_of_forbidden_words_names_targets_and_how_they_look():
    assert {"target", "drone", "aircraft", "missile", "bird", "spot", "dot", "hotspot", "inpainted"} <= leak_words()


def test_the_checksums_fit_and_the_card_says_version_and_licence():
    stated = dict(reversed(line.split()) for line in (FOLDER / "SHA256SUMS").read_text().splitlines())
    assert stated == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.jsonl")}
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"| Version | {VERSION} |" in card and "CC BY 4.0" in card and "## Known weaknesses" in card
    for name, count in COUNTS.items():
        assert f"`{name}.jsonl`" in card and f"{count} of {count} images" in card


@pytest.mark.realdata
def test_the_vocabulary_is_that_of_the_official_training_captions(real_data_root):
    training = []
    for name in DATASETS:
        ids = set(open_dataset(load_dataset_config(name), real_data_root, "official").ids("train"))
        training += [caption for caption in read_captions(caption_file(name)) if caption["image"] in ids]
    assert build_vocabulary(training) == vocabulary()


def caption(image, objects=("one grey hill", "two pale trees", "a dark sky"), scene="field", **changes):
    text = (f"a photo of a {scene} with {objects[0]}, {objects[1]}, and {objects[2]}, seen in soft light from far "
            "away over there.")
    return {"image": image, "scene": scene, "scene_class": "field", "objects": list(objects), "text": text} | changes


def test_statistics_of_four_captions_worked_out_by_hand():
    other = "a photo of a calm grey lake with three wooden piers, bright reeds, and rippled water, all in mist, quite"
    captions = [caption("a"), caption("b"), caption("c", ("one grey hill", "two pale trees", "a bright bird")),
                caption("d", text=other + " hazy.", scene_class="coast")]
    found = statistics("toy", captions, {"bird"})
    assert (found["captions"], found["distinct_texts"]) == (4, 3)
    # 25 words in each of the first three, 21 in the last
    assert found["length"] == {"min": 21, "mean": 24.0, "max": 25, "counts": [(21, 1), (25, 3)]}
    assert found["classes"]["field"] == 3 and found["classes"]["coast"] == 1 and found["classes"]["sea"] == 0
    assert found["leaks"] == {"c": ["bird"]}
    # a and b are equal, 18 words without those of the form; c shares 16 of 20 with each of them
    assert found["near_duplicates"]["pairs"] == 3 and found["near_duplicates"]["captions"] == 3
    assert found["near_duplicates"]["closest"][0]["images"] == ["a", "b"]
    assert found["near_duplicates"]["closest"][0]["similarity"] == 1
    assert found["near_duplicates"]["closest"][1]["similarity"] == pytest.approx(16 / 20)


def test_near_duplicates_of_nothing_and_of_one():
    assert near_duplicates([]) == ([], 0) and near_duplicates(["a b"]) == ([], 0)
    assert statistics("empty", [], set())["length"]["mean"] is None


def test_the_page_escapes_what_a_file_holds():
    page = statistics_page([statistics("<b>toy</b>", [caption("<script>1</script>", scene="<i>x</i>"), caption("b")],
                                       {"light"})])
    assert "<script>" not in page and "<i>" not in page and "<b>" not in page
    assert "&lt;script&gt;1&lt;/script&gt;" in page and "light" in page


def test_the_vocabulary_counts_by_class_and_leaves_out_long_phrases():
    captions = [caption("a"), caption("b", ("two pale trees", "x", "a b c d e")),
                caption("c", scene="big dark old mine x", scene_class="other")]
    found = build_vocabulary(captions, objects=2)
    assert found["scenes"] == {"field": ["field"], "other": []}
    assert found["objects"]["field"] == ["two pale trees", "a dark sky"]  # twice; then once, by the alphabet


def test_the_three_rows_differ_in_their_text_alone():
    suite = load_suite("captions")
    rows = [configs.load("methods", name) for name in suite["methods"]]
    assert [row["method"]["title"] for row in rows] == [
        "SAIST (captions)", "SAIST (template only)", "SAIST (shuffled captions)"]
    assert [row.pop("texts") for row in rows] == [{"captions": mode} for mode in ("file", "template", "shuffled")]
    for row in rows:
        own = {key: row["method"].pop(key) for key in ("name", "title", "variant_of")}
        assert own["variant_of"] == "saist_t"
        assert json.dumps(row) == json.dumps(rows[0])
    assert suite["datasets"] == ["nuaa-sirst"] and len(suite["seeds"]) >= 3


@pytest.fixture
def small_set(tmp_path):
    """A dataset in NUAA-SIRST's layout with two training and two test images."""
    config = load_dataset_config("nuaa-sirst")
    folder = tmp_path / config["folder"]
    for index in range(1, 5):
        for pattern in (config["images"], config["masks"]):
            path = folder / pattern.format(id=f"Misc_{index}")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8), 255 if "masks" in pattern else index, np.uint8)).save(path)
    for part, ids in (("train", "Misc_1\nMisc_2"), ("test", "Misc_3\nMisc_4")):
        path = folder / config["splits"]["official"][part]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ids)
    return tmp_path


def cells_of(root, methods, seeds=(0,)):
    plan = expand(load_suite("captions"), Selection(profile="fast", data_root=root, methods=methods, seeds=seeds))
    return plan, {(cell.key.method, cell.key.seed): cell for cell in plan.cells}


def test_a_changed_caption_changes_the_cells_that_read_it_and_no_other(small_set):
    methods = ("saist_captions", "saist_shuffled", "saist_template", "acm", "top_hat")
    _, before = cells_of(small_set, methods)
    own = [entry for entry in read_captions(caption_file("nuaa-sirst")) if entry["image"] in ("Misc_1", "Misc_3")]
    own[0]["text"] = own[0]["text"].replace("straight", "crooked")
    (small_set / "MIRSTD").mkdir()
    (small_set / "MIRSTD" / "nuaa-sirst.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in own))
    plan, after = cells_of(small_set, methods)
    changed = {name for name, _ in before if before[name, 0].id != after[name, 0].id}
    assert changed == {"saist_captions", "saist_shuffled"}
    told = "SAIST (captions), SAIST (shuffled captions) on nuaa-sirst: 2 of 4 images have no caption (2 take"
    assert any(told in note for note in plan.suite["notes"])


def test_a_shuffled_cell_is_dealt_by_its_seed_and_the_notes_say_what_each_row_reads(small_set):
    plan, cells = cells_of(small_set, ("saist_captions", "saist_shuffled", "saist_template"), seeds=(0, 1))
    assert len({cell.id for cell in cells.values()}) == 6
    notes = "\n".join(plan.suite["notes"])
    assert "SAIST (shuffled captions) on nuaa-sirst: every image has the caption of another image of its part." in notes
    assert "SAIST (template only) on nuaa-sirst: captions are not used, every image has the template's text." in notes
    assert "SAIST (captions) on nuaa-sirst" not in notes  # nothing to be said: every image has its own


def test_the_record_of_a_cell_holds_the_fingerprint_of_its_caption_file(small_set):
    from benchmark.cell import _provenance

    _, cells = cells_of(small_set, ("saist_captions", "acm"))
    found = _provenance(cells["saist_captions", 0], SimpleNamespace(counts=[1, 2]), {}, "", "")["data"]
    assert found["captions"] == {"mode": "file", "file": "benchmark/datasets/mirstd/nuaa-sirst.jsonl",
                                 "sha256": hashlib.sha256(caption_file("nuaa-sirst").read_bytes()).hexdigest()}
    assert found["texts"] == {"caption": 4, "template": 0, "none": 0}
    assert "captions" not in _provenance(cells["acm", 0], SimpleNamespace(counts=[1, 2]), {}, "", "")["data"]


def test_limits_of_length_are_those_of_the_paper():
    assert MIN_WORDS <= 25 <= MAX_WORDS
