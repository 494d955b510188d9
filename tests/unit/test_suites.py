"""From a suite to its cells: what exists, what is skipped, and what makes a cell another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.errors import ConfigError, DataError
from benchmark.records import CellKey, Outcome, Status
from benchmark.suites import Selection, cell_labels, expand, load_suite


def make_set(folder: Path, count: int = 40) -> Path:
    """A small set of one's own with images/ and masks/."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for index in range(count):
        image = np.full((20, 24), index * 5, np.uint8)
        mask = np.zeros((20, 24), np.uint8)
        mask[3:5, 4:6] = 255
        Image.fromarray(image).save(folder / "images" / f"im{index}.png")
        Image.fromarray(mask).save(folder / "masks" / f"im{index}.png")
    return folder


@pytest.fixture
def own(tmp_path) -> Path:
    return make_set(tmp_path / "own")


def plan(own: Path, **changes):
    selection = Selection(profile="fast", data_root=own.parent, datasets=[str(own)], methods=["top_hat", "acm"])
    return expand(load_suite("table1"), replace(selection, **changes))


def cell(plan, method):
    (found,) = [cell for cell in plan.cells if cell.key.method == method]
    return found


def test_a_cell_is_one_method_on_one_dataset_with_one_seed(own):
    keys = [cell.key for cell in plan(own, seeds=[0, 1]).cells]
    assert keys == [CellKey(method, "own", "paper", "fast", seed) for method in ("top_hat", "acm") for seed in (0, 1)]


def test_methods_that_are_not_written_yet_are_skipped_with_a_reason(own):
    suite = load_suite("table1") | {"methods": ("later", "top_hat", "acm"), "labels": {"later": ("Later-Net", "CNN")}}
    found = expand(suite, Selection(profile="fast", data_root=own.parent, datasets=[str(own)]))
    assert [(outcome.key.method, outcome.status) for outcome in found.skipped] == [("later", Status.SKIPPED)]
    assert "not implemented" in found.skipped[0].reason
    assert found.suite["methods"][0] == {"name": "later", "title": "Later-Net", "type": "CNN", "reconstruction": False}
    outcomes = {cell.key: Outcome(cell.key, Status.PENDING) for cell in reversed(found.cells)}
    assert [outcome.key.method for outcome in found.ordered(outcomes)] == ["later", "top_hat", "acm"]


def test_a_method_that_a_suite_leaves_out_is_skipped_with_its_reason_unless_asked_for_by_name(own):
    suite = load_suite("table1") | {"methods": ("top_hat", "acm"), "left_out": {"acm": "left to a GPU"}}
    selection = Selection(profile="fast", data_root=own.parent, datasets=[str(own)])
    found = expand(suite, selection)
    assert [(outcome.key.method, outcome.status, outcome.reason) for outcome in found.skipped] == [
        ("acm", Status.SKIPPED, "left to a GPU")]
    assert [cell.key.method for cell in found.cells] == ["top_hat"]
    assert [entry["name"] for entry in found.suite["methods"]] == ["top_hat", "acm"]
    asked = expand(suite, replace(selection, methods=["acm"]))
    assert [cell.key.method for cell in asked.cells] == ["acm"] and not asked.skipped


def test_every_method_of_the_papers_table_1_is_written(own):
    found = plan(own, methods=None)
    assert len(found.suite["methods"]) == 16
    # what cannot run lacks a weights file, not code
    assert all("data.py weights" in outcome.reason for outcome in found.skipped)


def test_absent_datasets_are_skipped_when_others_are_there(own):
    found = plan(own, datasets=["nuaa-sirst", str(own)])
    assert {outcome.key.dataset for outcome in found.skipped} == {"nuaa-sirst"}
    assert "data.py prepare nuaa-sirst" in found.skipped[0].reason


def test_no_dataset_at_all_is_an_error_that_says_what_to_do(own):
    with pytest.raises(ConfigError, match="no dataset to run on: NUAA-SIRST not found under .*data.py prepare"):
        plan(own, datasets=["nuaa-sirst"])


def test_identity_changes_with_config_and_data_and_with_nothing_else(own, tmp_path):
    before = cell(plan(own), "acm")
    assert cell(plan(own), "acm").id == before.id
    assert cell(plan(own, overrides=[("train_cfg.max_epochs", 3)]), "acm").id != before.id
    moved = tmp_path / "elsewhere" / "own"
    moved.parent.mkdir()
    own.rename(moved)
    assert cell(plan(moved), "acm").data_fingerprint == before.data_fingerprint
    Image.fromarray(np.full((20, 24), 255, np.uint8)).save(moved / "images" / "im0.png")
    assert cell(plan(moved), "acm").data_fingerprint != before.data_fingerprint


def test_counting_differently_is_another_cell_of_the_same_training(own):
    before, after = cell(plan(own), "acm"), cell(plan(own, protocol="overlap"), "acm")
    assert before.id != after.id and before.training_id == after.training_id


def test_a_training_override_leaves_untrained_methods_alone(own):
    overrides = [("train_cfg.max_epochs", 3)]
    assert cell(plan(own), "top_hat").id == cell(plan(own, overrides=overrides), "top_hat").id


def test_the_last_epoch_is_taken_where_there_is_no_validation_list(own):
    assert cell(plan(own), "acm").config["selection"] == "val-best"  # the paper split has validation images
    lists = own / "lists"
    lists.mkdir()
    (lists / "train.txt").write_text("im0\nim1\nim2\nim3\n")
    (lists / "test.txt").write_text("im9\n")
    assert cell(plan(own, split=str(lists)), "acm").config["selection"] == "last"
    with pytest.raises(ConfigError, match="'val-best' needs validation images"):
        plan(own, split=str(lists), overrides=[("selection", "val-best")])


def test_a_split_without_training_images_is_refused_for_a_trainable_method(own):
    (own / "test.txt").write_text("im9\n")
    with pytest.raises(ConfigError, match="has no train images, acm needs them"):
        plan(own, split=str(own / "test.txt"))
    assert len(plan(own, split=str(own / "test.txt"), methods=["top_hat"]).cells) == 1


def test_inconsistent_lists_are_refused_before_anything_runs(own):
    lists = own / "lists"
    lists.mkdir()
    (lists / "train.txt").write_text("im0\nim1\n")
    (lists / "test.txt").write_text("im1\n")
    with pytest.raises(DataError, match="im1 in both lists"):
        plan(own, split=str(lists))


def test_a_suite_given_by_path_is_checked(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text('suite = dict(name="mine", title="Mine", metrics=["iou"], methods=["acm"], colour="red")\n')
    with pytest.raises(ConfigError, match="it cannot take colour; a suite is a dict with methods, metrics, name"):
        load_suite(str(path))
    path.write_text('suite = dict(name="mine", metrics=["iou"], methods=["acm"])\n')
    with pytest.raises(ConfigError, match="it lacks title; a suite is"):
        load_suite(str(path))
    path.write_text('suite = dict(name="mine", title="Mine", metrics=["iou"], methods=["acm"])\n')
    assert load_suite(str(path))["name"] == "mine"


def test_the_protocols_offered_are_the_protocols_there_are():
    from benchmark.metrics.target import PROTOCOLS
    from benchmark.run import PROTOCOLS as OFFERED

    assert list(OFFERED) == list(PROTOCOLS)


def test_a_variant_is_called_by_its_row_beside_its_hash(own):
    found = plan(own, methods=None)
    assert set(cell_labels([found]).values()) == {str(cell.key) for cell in found.cells + found.skipped}
    ablation = expand(load_suite("measured_ablations"), Selection(profile="demo", data_root=own.parent))
    labels = cell_labels([ablation])
    assert list(labels) == [cell.key for cell in ablation.cells]
    assert labels[ablation.cells[2].key] == f"{ablation.cells[2].key.method} (clip) / synth-sirst / seed 0"
    assert labels[ablation.cells[0].key] == "saist_t / synth-sirst / seed 0"
