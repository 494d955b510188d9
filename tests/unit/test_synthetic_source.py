"""``SyntheticSource``: determinism, independence of the parts, config checks, and how hard the set is."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from scipy import ndimage

from benchmark.datasets.sample import PARTS
from benchmark.datasets.synthetic import SyntheticSource
from benchmark.datasets.synthetic.contact_sheet import main as contact_sheet
from benchmark.datasets.synthetic.source import DEFAULTS
from benchmark.errors import ConfigError, DataError

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"size": (96, 80), "counts": {"train": 12, "val": 3, "test": 6}}


def digest(source, sample_ids):
    sums = hashlib.sha256()
    for sample_id in sorted(sample_ids):
        sample = source.read(sample_id)
        sums.update(sample.image.tobytes() + sample.mask.tobytes() + sample.text.encode())
    return sums.hexdigest()


def all_ids(source):
    return [sample_id for part in PARTS for sample_id in source.ids(part)]


@pytest.fixture(scope="module")
def default_source():
    return SyntheticSource.from_config(Config.fromfile(ROOT / "configs/datasets/synth-sirst.py").dataset)


def test_another_process_makes_the_same_images():
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]; import test_synthetic_source as t\n"
        "source = t.SyntheticSource.from_config(t.SMALL, seed=3)\n"
        "print(source.fingerprint(), t.digest(source, t.all_ids(source)))"
    )
    command = [sys.executable, "-c", code, str(ROOT), str(Path(__file__).parent)]
    other = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    source = SyntheticSource.from_config(SMALL, seed=3)
    assert other == [source.fingerprint(), digest(source, all_ids(source))]


def test_samples_do_not_depend_on_the_order_of_reading_or_on_the_counts():
    forward = SyntheticSource.from_config(SMALL, seed=3)
    backward = SyntheticSource.from_config({**SMALL, "counts": {"train": 99, "val": 50, "test": 7}}, seed=3)
    for sample_id in reversed(all_ids(forward)):
        backward.read(sample_id)
    assert digest(forward, all_ids(forward)) == digest(backward, all_ids(forward))


def test_another_seed_makes_other_images_and_another_fingerprint():
    one, two = (SyntheticSource.from_config(SMALL, seed=seed) for seed in (3, 4))
    assert one.fingerprint() != two.fingerprint()
    assert not np.array_equal(one.read("train-00000").image, two.read("train-00000").image)


def test_seed_of_the_config_holds_unless_one_is_given():
    config = {**SMALL, "seed": 4}
    assert SyntheticSource.from_config(config).fingerprint() == SyntheticSource.from_config(SMALL, 4).fingerprint()
    assert SyntheticSource.from_config(config, 3).fingerprint() == SyntheticSource.from_config(SMALL, 3).fingerprint()


@pytest.mark.parametrize(
    "change", [{"size": (80, 96)}, {"scr": (4, 31)}, {"counts": {"train": 13}}, {"scenes": {"sea": 1}}]
)
def test_fingerprint_changes_with_every_parameter(change):
    prints = {SyntheticSource.from_config({**SMALL, **c}).fingerprint() for c in ({}, change)}
    assert len(prints) == 2
    assert all(len(p) == 16 and int(p, 16) >= 0 for p in prints)


def test_what_a_caller_does_to_a_sample_leaves_the_next_reading_alone():
    source = SyntheticSource.from_config(SMALL)
    first = source.read("val-00001")
    before = first.image.copy()
    first.image[:] = 0
    first.mask[:] = True
    first.meta["targets"].clear()
    again = source.read("val-00001")
    np.testing.assert_array_equal(again.image, before)
    assert not again.mask.all() and again.meta["targets"]


def test_cache_stays_below_its_bound(monkeypatch):
    monkeypatch.setattr("benchmark.datasets.synthetic.source._CACHE_BYTES", 5 * 2 * 96 * 80)
    source = SyntheticSource.from_config(SMALL)
    expected = digest(SyntheticSource.from_config(SMALL), all_ids(source))
    assert digest(source, all_ids(source)) == expected
    assert len(source._cache) == 5


@pytest.mark.parametrize("size", [(64, 64), (64, 200), (131, 77), (300, 400)])
def test_any_size_from_64_pixels_gives_images_of_that_size_with_targets(size):
    source = SyntheticSource.from_config({"size": size, "counts": {"test": 10}})
    for sample_id in source.ids("test"):
        sample = source.read(sample_id)
        assert sample.image.shape == sample.mask.shape == size
        assert sample.image.dtype == np.uint8 and sample.mask.dtype == bool
        assert sample.mask.any()


def test_size_of_the_image_leaves_the_size_of_targets_alone():
    medians = []
    for side in (96, 256):
        source = SyntheticSource.from_config({"size": (side, side), "counts": {"train": 120}})
        samples = [source.read(i) for i in source.ids("train")]
        medians.append(np.median([t["area"] for s in samples for t in s.meta["targets"]]))
    assert all(14 <= median <= 31 for median in medians)
    assert medians[0] == pytest.approx(medians[1], abs=5)


def test_no_test_image_nearly_repeats_a_training_image(default_source):
    def thumbnails(part):
        images = [default_source.read(i).image for i in default_source.ids(part)]
        # blocks of 8 x 8 pixels averaged: 32 x 32 thumbnails
        small = np.stack([i.reshape(32, 8, 32, 8).mean(axis=(1, 3)).ravel() for i in images])
        small -= small.mean(axis=1, keepdims=True)
        return small / np.linalg.norm(small, axis=1, keepdims=True)

    train, test = thumbnails("train"), thumbnails("test")
    # 0.98 is where the audit of the real sets calls a pair nearly identical.
    assert (train @ test.T).max() < 0.98


def test_parts_share_no_noise(default_source):
    def residual(sample_id):
        image = default_source.read(sample_id).image.astype(float)
        return (image - ndimage.median_filter(image, 3)).ravel()

    ids = [*default_source.ids("train")[:12], *default_source.ids("val")[:12], *default_source.ids("test")[:12]]
    correlation = np.corrcoef([residual(i) for i in ids])
    assert np.abs(correlation - np.eye(len(ids))).max() < 0.1


def test_ids_are_in_order_and_absent_parts_are_empty():
    source = SyntheticSource.from_config({"counts": {"test": 2}})
    assert source.ids("test") == ["test-00000", "test-00001"]
    assert source.ids("train") == []


@pytest.mark.parametrize("sample_id", ["train-00012", "train-12", "train-000001", "extra-00000", "val-00003", ""])
def test_unknown_id_is_a_data_error_that_names_it(sample_id):
    with pytest.raises(DataError, match="no sample") as caught:
        SyntheticSource.from_config(SMALL).read(sample_id)
    assert repr(sample_id) in str(caught.value) and "\n" not in str(caught.value)


def test_unknown_part_is_a_data_error():
    with pytest.raises(DataError, match="did you mean train"):
        SyntheticSource.from_config(SMALL).ids("training")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"scrs": (3, 5)}, "did you mean scr"),
        ({"size": (63, 256)}, "from 64 to 4096, got 63"),
        ({"size": 256}, r"size must be \(height, width\), got 256"),
        ({"size": (256.0, 256)}, "got 256.0"),
        ({"counts": 4}, "counts must map"),
        ({"counts": {"trian": 4}}, "did you mean train"),
        ({"counts": {"train": -1}}, "counts of train .* got -1"),
        ({"scr": (5, 4)}, "lowest"),
        ({"scr": (0, 4)}, "lowest"),
        ({"scr": (4, 51)}, "lowest"),
        ({"scr": 4}, "lowest"),
        ({"scr": (float("nan"), 4)}, "lowest"),
        ({"scenes": {"desert": 1}}, "Known: cloud, sea, sky, terrain, urban"),
        ({"scenes": {"sea": -1}}, "weight of sea"),
        ({"scenes": {"sea": float("nan")}}, "weight of sea"),
        ({"scenes": {"sea": 0}}, "at least one family"),
        ({"scenes": ["sea"]}, "scenes must map"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": True}, "got True"),
    ],
)
def test_bad_config_is_one_line_that_says_what_is_wrong(config, message):
    with pytest.raises(ConfigError, match=message) as caught:
        SyntheticSource.from_config(config)
    assert "\n" not in str(caught.value)


def test_shipped_config_states_the_defaults_of_the_code():
    dataset = Config.fromfile(ROOT / "configs/datasets/synth-sirst.py").dataset
    assert {key: dataset[key] for key in DEFAULTS} == DEFAULTS
    assert dataset.real is SyntheticSource.real is False
    assert dataset.name == SyntheticSource.name


def test_mean_and_std_of_the_shipped_config_are_those_of_its_training_part(default_source):
    dataset = Config.fromfile(ROOT / "configs/datasets/synth-sirst.py").dataset
    images = np.stack([default_source.read(i).image for i in default_source.ids("train")]).astype(float)
    assert images.mean() == pytest.approx(dataset.mean, abs=0.1)
    assert images.std() == pytest.approx(dataset.std, abs=0.1)


def test_plain_top_hat_finds_some_targets_but_does_not_solve_the_set(default_source):
    found = total = intersection = union = 0
    for sample_id in default_source.ids("test"):
        sample = default_source.read(sample_id)
        residue = ndimage.white_tophat(sample.image.astype(float), size=(9, 9))
        prediction = residue > residue.mean() + 8 * residue.std()
        labels, count = ndimage.label(sample.mask, np.ones((3, 3)))
        found += sum(prediction[labels == k].any() for k in range(1, count + 1))
        total += count
        intersection += np.sum(prediction & sample.mask)
        union += np.sum(prediction | sample.mask)
    assert 0.4 < found / total < 0.95
    assert 0.05 < intersection / union < 0.5


def test_contact_sheet_is_written_and_small(tmp_path, capsys):
    from PIL import Image

    out = tmp_path / "sheet.png"
    assert contact_sheet(["--out", str(out), "--rows", "1", "--columns", "5"]) == 0
    assert str(out) in capsys.readouterr().out
    assert min(Image.open(out).size) > 200 and out.stat().st_size < 600 * 1024


@pytest.mark.parametrize("arguments", [["--rows", "0"], ["--out", "nowhere/at/all.png"], ["--out", "sheet.gif"]])
def test_contact_sheet_refuses_bad_arguments_before_drawing(arguments):
    with pytest.raises(ConfigError):
        contact_sheet(["--out", "sheet.png", *arguments])
