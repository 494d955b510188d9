"""What became of each target, and what a test keeps of its predictions and maps."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmark.keeping import Keeper, encode, gallery, read_map, read_predictions, write_png
from benchmark.metrics.errors import describe_errors
from benchmark.records import map_files


def canvas(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    found = np.zeros((40, 40), bool)
    for row0, column0, row1, column1 in boxes:
        found[row0:row1, column0:column1] = True
    return found


@pytest.mark.parametrize(("prediction", "mask", "targets", "false"), [
    (canvas((5, 5, 8, 8)), canvas((5, 5, 8, 8)), [[9, True, "found"]], 0),
    (canvas(), canvas((5, 5, 8, 8)), [[9, False, "missed"]], 0),
    (canvas((20, 20, 22, 22)), canvas((5, 5, 8, 8)), [[9, False, "missed"]], 1),
    # its two ends alone: 6 of 27 pixels each, centroids 4 px from the target's
    (canvas((5, 5, 8, 7), (5, 12, 8, 14)), canvas((5, 5, 8, 14)), [[27, False, "split"]], 0),
    # one blob over two targets: neither is found by a detection of its own
    (canvas((5, 5, 8, 13)), canvas((5, 5, 8, 8), (5, 10, 8, 13)), [[9, True, "merged"], [9, False, "merged"]], 0),
    # a giant blob, centroid 1 px away: paired, yet IoU 9 / 121
    (canvas((2, 2, 13, 13)), canvas((5, 5, 8, 8)), [[9, True, "mis-segmented"]], 0),
    # no shared pixel but near enough to be paired
    (canvas((5, 8, 8, 9)), canvas((5, 5, 8, 8)), [[9, True, "mis-segmented"]], 0),
    (canvas(), canvas(), [], 0),
])
def test_each_target_ends_in_one_of_five_ways(prediction, mask, targets, false):
    found = describe_errors(prediction, mask, "a")
    if targets and targets[0][2] == "merged":  # which of the two is paired is a tie
        assert [outcome for _, _, outcome in found["targets"]] == ["merged", "merged"]
    else:
        assert found["targets"] == targets
    assert found["false"] == false and json.loads(json.dumps(found)) == found


def test_codes_of_a_map_keep_the_side_of_the_threshold_exactly():
    score = np.array([[0.0, 0.4999, 0.5, np.nextafter(np.float32(0.5), np.float32(1)), 0.501, 1.0]], np.float32)
    code = encode(score, 0.5)
    assert ((code > int(255 * 0.5)) == (score > 0.5)).all() and code[0, 0] == 0 and code[0, -1] == 255


def test_the_gallery_is_spread_evenly_and_holds_what_figures_name():
    ids = [f"i{index}" for index in range(80)]
    found = gallery(ids, ["i3", "nowhere"])
    assert len(found) == 9 and found[0] == "i3" and found == sorted(found, key=ids.index)
    assert gallery(ids[:3]) == ids[:3] and gallery([]) == []


def test_predictions_are_read_back_bit_for_bit_and_only_for_their_own_training(tmp_path):
    generator = np.random.default_rng(0)
    keeper = Keeper(tmp_path, 0.5, ["b"])
    scores = {"a": generator.random((13, 17)), "b": generator.random((8, 5))}
    for name, score in scores.items():
        keeper.add(name, score, score > 0.9)
    keeper.finish("t" * 16)
    found = dict(read_predictions(tmp_path, "t" * 16, 0.5))
    assert all(np.array_equal(found[name], score > 0.5) for name, score in scores.items())
    assert read_predictions(tmp_path, "u" * 16, 0.5) is None and read_predictions(tmp_path, "t" * 16, 0.4) is None
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["b.png"]
    assert len((tmp_path / "details.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.9])
def test_a_kept_map_is_on_the_same_side_of_the_threshold_and_older_maps_go(tmp_path, threshold):
    score = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    write_png(tmp_path / "maps" / "older.png", encode(score, threshold))
    keeper = Keeper(tmp_path, threshold, ["new"])
    keeper.clear()
    keeper.add("new", score, score > 1)
    write_png(tmp_path / "maps" / "new.background.png", encode(score, threshold))  # of a method that explains itself
    assert list(map_files(tmp_path)) == ["new"]
    found = read_map(map_files(tmp_path)["new"])
    assert np.array_equal(found > threshold, score > threshold) and np.abs(found - score).max() < 0.5 / 255 + 1 / 255
