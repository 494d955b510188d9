"""Pre-training of IR-CLIP: no test image enters, batches and augmentation do what they say, figures by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmark.datasets.caption_schema import SCENE_CLASSES, problems
from benchmark.datasets.captions import read_captions
from benchmark.datasets.mirstd import DATASETS, caption_file
from benchmark.datasets.splits import read_split_list
from benchmark.pretraining.pairs import find_pairs, mirrored
from benchmark.pretraining.retrieval import (
    by_dataset,
    caption_votes,
    majority,
    prototypes_of,
    ranks,
    retrieval,
    scene_accuracy,
    share,
)
from models.weights import OWN, find, sha256_of

LISTS = {"nuaa-sirst": "NUAA-SIRST/splits/{}_NUAA-SIRST.txt", "nudt-sirst": "NUDT-SIRST/splits/{}_NUDT-SIRST.txt",
         "irstd-1k": "IRSTD-1k/splits/{}_IRSTD-1K.txt"}


@pytest.fixture(scope="module")
def real_pairs(real_data_root):
    return {part: list(find_pairs(real_data_root, part)) for part in ("train", "test")}


def ids_of(found):
    return [f"{source.name}/{caption['image']}" for source, captions in found for caption in captions]


@pytest.mark.realdata
def test_no_test_id_of_the_official_splits_enters_training(real_data_root, real_pairs):
    listed = {part: {f"{name}/{sample_id}" for name in DATASETS
                     for sample_id in read_split_list(real_data_root / LISTS[name].format(part))}
              for part in ("train", "test")}
    assert (len(listed["train"]), len(listed["test"])) == (1676, 1079)
    training = ids_of(real_pairs["train"])
    assert set(training) == listed["train"] and set(ids_of(real_pairs["test"])) == listed["test"]
    assert not set(training) & listed["test"]
    texts = {f"{name}/{entry['image']}": entry["text"] for name in DATASETS
             for entry in read_captions(caption_file(name))}
    tests = {texts[sample_id] for sample_id in listed["test"]}
    entering = {caption["text"] for _, captions in real_pairs["train"] for caption in captions}
    assert not tests & entering  # nor does a test caption under another id


@pytest.mark.realdata
def test_the_weights_record_was_made_without_test_images(real_pairs):
    from benchmark.pretrain_clip import _digest

    path = OWN["ir_clip_tiny"].with_suffix(".record.json")
    if not path.is_file():
        pytest.skip("IR-CLIP is not trained yet; python benchmark/pretrain_clip.py")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["training"]["ids_sha256"] == _digest(ids_of(real_pairs["train"]))
    assert record["test"]["ids_sha256"] == _digest(ids_of(real_pairs["test"]))


def test_the_kept_weights_are_those_of_their_record_and_better_than_no_training():
    path = find("ir_clip_tiny")
    if path is None:
        pytest.skip("IR-CLIP is not trained yet; python benchmark/pretrain_clip.py")
    record = json.loads(path.with_suffix(".record.json").read_text(encoding="utf-8"))
    assert record["sha256"] == sha256_of(path) and record["bytes"] == path.stat().st_size < 20e6
    assert record["training"]["seconds"] < 30 * 60
    for way in ("image_to_text", "text_to_image"):
        found, chance = record["test"]["retrieval"][way]["R@5"], record["test"]["retrieval"]["chance"]["R@5"]
        assert found["low"] > 3 * chance and found["low"] > record["untrained"]["retrieval"][way]["R@5"]["high"]
    assert record["test"]["scene_class"]["captions"]["accuracy"]["low"] > record["baselines"]["majority"]["accuracy"]


@pytest.mark.parametrize(("text", "expected"), [
    ("a dark upper left corner, right of center", "a dark upper right corner, left of center"),
    ("a right-hand cloud at lower-left", "a left-hand cloud at lower-right"),
    ("the rightmost edge leftward", "the leftmost edge rightward"),
    ("brightest uprights, a bright copyright", "brightest uprights, a bright copyright"),
])
def test_a_mirrored_caption_changes_sides_and_nothing_else(text, expected):
    assert mirrored(text) == expected and mirrored(expected) == text


def test_every_caption_keeps_the_schema_when_mirrored():
    for name in DATASETS:
        for entry in read_captions(caption_file(name)):
            assert not problems(entry | {"text": mirrored(entry["text"])})
            assert mirrored(mirrored(entry["text"])) == entry["text"]


def test_hard_batches_hold_one_class_and_every_row_comes_once(stack):
    from benchmark.pretraining.batches import batches

    classes = np.repeat([0, 1, 3], [80, 40, 40])
    all_hard = batches(classes, 10, 1.0, np.random.default_rng(0))
    assert len(all_hard) == 16 and sorted(np.concatenate(all_hard)) == list(range(160))
    assert all(len(np.unique(classes[rows])) == 1 for rows in all_hard)
    mixed = batches(classes, 10, 0.0, np.random.default_rng(0))
    assert sorted(np.concatenate(mixed)) == list(range(160))
    assert np.mean([len(np.unique(classes[rows])) for rows in mixed]) > 2
    half = batches(classes, 10, 0.5, np.random.default_rng(0))
    assert len(half) == 16 and len(np.unique(np.concatenate(half))) == 160


def test_a_view_and_its_caption_agree_on_what_is_left(stack):
    from benchmark.pretraining.batches import augment

    # A scene that brightens to the right by 200 levels; its caption says so.
    scene = np.broadcast_to(np.linspace(20, 220, 40).astype(np.uint8), (40, 40))
    caption = {"text": "a photo of a sky with a, b, and c, brighter at right.", "objects": ["a", "b", "c"]}
    random = np.random.default_rng(0)
    views, texts = augment(np.repeat(scene[None], 64, 0), [caption] * 64, 32, random)
    assert views.shape == (64, 32, 32) and views.min() >= 0 and views.max() <= 255
    brighter_right = (views[:, :, 16:].mean(dim=(1, 2)) > views[:, :, :16].mean(dim=(1, 2))).tolist()
    sides = [(" right" in text) for text in texts if "brighter" in text]
    assert sides == [side for side, text in zip(brighter_right, texts, strict=True) if "brighter" in text]
    assert 10 < sum(brighter_right) < 54  # about half are mirrored
    assert len({text.split(" with ")[1] for text in texts}) > 6  # objects change places, some clauses fall off
    assert all(text.startswith("a photo of a sky with ") and text.endswith(".") for text in texts)


def test_ranks_by_hand_and_ties_count_against():
    similarity = np.array([[0.9, 0.1, 0.2], [0.5, 0.4, 0.6], [0.3, 0.3, 0.3]])
    assert ranks(similarity).tolist() == [0, 2, 2]


def test_recall_of_features_that_match_and_of_features_that_say_nothing():
    features = np.eye(20)
    found = retrieval(features, features)
    assert found["image_to_text"]["R@1"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert found["chance"] == {"R@1": 0.05, "R@5": 0.25, "R@10": 0.5}
    same = np.ones((20, 4)) / 2
    assert retrieval(same, features[:, :4] + same)["image_to_text"]["R@10"]["value"] < 1
    assert retrieval(same, same)["text_to_image"]["R@10"]["value"] == 0


def test_captions_vote_by_hand():
    # Cosines 1 and 0 with captions of class 2 and 0 with one of class 5: at scale log 2 they weigh 2, 1 and 1.
    votes = caption_votes(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), np.array([2, 2, 5]),
                          np.log(2))
    assert votes.shape == (1, len(SCENE_CLASSES)) and votes[0, 2] == pytest.approx(0.75)
    assert votes[0, 5] == pytest.approx(0.25) and votes.sum() == pytest.approx(1)


def test_an_interval_is_that_of_the_binomial():
    hits = np.repeat([0.0, 1.0], [600, 400])
    found = share(hits)
    half = 1.96 * np.sqrt(0.4 * 0.6 / 1000)  # the normal approximation
    assert found["value"] == 0.4
    assert found["low"] == pytest.approx(0.4 - half, abs=0.004)
    assert found["high"] == pytest.approx(0.4 + half, abs=0.004)


def test_scene_accuracy_by_hand():
    texts = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    prototypes = prototypes_of(texts, np.array([2, 2, 5]))
    assert np.allclose(prototypes[2], np.array([1.6, 0.8]) / np.hypot(1.6, 0.8)) and np.isnan(prototypes[0]).all()
    images = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    found = scene_accuracy(images @ prototypes.T, np.array([2, 2, 5, 5]))
    assert found["accuracy"]["value"] == 0.75 and found["balanced"] == pytest.approx((1 + 0.5) / 2)
    assert majority(np.array([1, 1, 0]), np.array([1, 0, 0, 2])) == {"class": SCENE_CLASSES[1], "accuracy": 0.25}
    rows = by_dataset(["b/1", "a/x/y", "b/2"])
    assert {name: found.tolist() for name, found in rows.items()} == {"b": [0, 2], "a": [1]}
