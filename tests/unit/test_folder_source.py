"""Datasets on disk: the official layouts, one's own folder, and a fingerprint that notices every change."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.datasets.catalog import data_root, load_dataset_config, missing_reason, open_dataset
from benchmark.errors import ConfigError, DataError


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def make(root: Path, name: str, ids: list[str], lists: dict[str, list[str]] | None = None) -> Path:
    """A few images in the official layout of a known dataset."""
    config = load_dataset_config(name)
    folder = root / config["folder"]
    for index, sample_id in enumerate(ids):
        mask = np.zeros((12, 16), np.uint8)
        mask[2:4, 3:5] = 255
        save(folder / config["images"].format(id=sample_id), np.full((12, 16), 10 * index, np.uint8))
        save(folder / config["masks"].format(id=sample_id), mask)
    for part, names in (lists or {}).items():
        path = folder / config["splits"]["official"][part]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(names))
    return folder


IDS = ["Misc_1", "Misc_2", "Misc_10"]
LISTS = {"train": ["Misc_10", "Misc_1"], "test": ["Misc_2"]}


@pytest.fixture
def nuaa(tmp_path) -> Path:
    return make(tmp_path, "nuaa-sirst", IDS, LISTS)


def open_nuaa(nuaa: Path, split: str = "official", seed: int = 0):
    return open_dataset(load_dataset_config("nuaa-sirst"), nuaa.parent, split, seed)


@pytest.mark.parametrize("name", ["nuaa-sirst", "nudt-sirst", "irstd-1k"])
def test_the_official_layout_is_read(tmp_path, name):
    make(tmp_path, name, ["a1", "a2"], {"train": ["a1"], "test": ["a2"]})
    source = open_dataset(load_dataset_config(name), tmp_path, "official")
    sample = source.read("a2")
    assert (source.name, source.real) == (name, True)
    assert sample.id == "a2" and sample.image[0, 0] == 10 and sample.mask.sum() == 4


def test_parts_keep_the_order_of_their_lists(nuaa):
    source = open_nuaa(nuaa)
    assert (source.ids("train"), source.ids("val"), source.ids("test")) == (["Misc_10", "Misc_1"], [], ["Misc_2"])


def test_ones_own_folder_is_opened_by_its_path_with_any_suffix(tmp_path):
    folder = tmp_path / "My Set"
    for name, suffix in (("a", "png"), ("b", "bmp"), ("c", "tif")):
        save(folder / "images" / f"{name}.{suffix}", np.zeros((8, 8), np.uint8))
    save(folder / "masks" / "a.png", np.full((8, 8), 255, np.uint8))
    save(folder / "masks" / "b_pixels0.png", np.full((8, 8), 255, np.uint8))
    save(folder / "masks" / "c.png", np.zeros((8, 8), np.uint8))
    config = load_dataset_config(str(folder))
    source = open_dataset(config, tmp_path / "anywhere", "paper")
    assert config["name"] == "My Set" and sorted(source.images) == ["a", "b", "c"]
    assert source.read("b").mask.all() and not source.read("c").mask.any()


def test_a_folder_of_another_layout_and_an_unknown_name_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds images/ and masks/, this one does not"):
        load_dataset_config(str(tmp_path))
    with pytest.raises(ConfigError, match="unknown dataset 'nuaa-sist'; did you mean nuaa-sirst"):
        load_dataset_config("nuaa-sist")
    with pytest.raises(ConfigError, match="^no/such/place: no such folder$"):
        load_dataset_config("no/such/place")


def test_an_absent_dataset_says_what_to_do(tmp_path):
    config = load_dataset_config("irstd-1k")
    assert "data.py prepare irstd-1k" in missing_reason(config, tmp_path)
    with pytest.raises(DataError, match="IRSTD-1k not found under .* --data-root or IRSTD_DATA_ROOT"):
        open_dataset(config, tmp_path)


def test_a_missing_mask_names_the_image_and_a_cut_off_image_its_file(nuaa):
    (nuaa / "masks" / "Misc_2_pixels0.png").unlink()
    with pytest.raises(DataError, match=r"images/Misc_2.png: its mask is missing"):
        open_nuaa(nuaa).read("Misc_2")
    path = nuaa / "images" / "Misc_1.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match=r"Misc_1.png: (damaged or cut off|not an image)"):
        open_nuaa(nuaa).read("Misc_1")


def test_fingerprint_follows_content_and_lists_and_not_place_or_time(nuaa, tmp_path):
    before = open_nuaa(nuaa).fingerprint()
    image = nuaa / "images" / "Misc_1.png"
    os.utime(image, ns=(1, 1))
    assert open_nuaa(nuaa).fingerprint() == before
    moved = tmp_path / "other" / "NUAA-SIRST"
    moved.parent.mkdir()
    nuaa.rename(moved)
    assert open_nuaa(moved).fingerprint() == before
    save(moved / "masks" / "Misc_1_pixels0.png", np.zeros((12, 16), np.uint8))
    changed = open_nuaa(moved).fingerprint()
    assert changed != before
    (moved / "splits" / "train_NUAA-SIRST.txt").write_text("Misc_1\nMisc_10")  # the same ids in another order
    assert open_nuaa(moved).fingerprint() != changed


def test_a_damaged_fingerprint_cache_costs_time_and_nothing_else(nuaa, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = open_nuaa(nuaa).fingerprint()
    (cache,) = (tmp_path / "cache").rglob("*.json")
    for content in ("", "[1, 2]", "{\"x\": 3}"):
        cache.write_text(content)
        assert open_nuaa(nuaa).fingerprint() == before


def test_the_data_root_is_the_argument_then_the_environment_then_data(monkeypatch):
    monkeypatch.setenv("IRSTD_DATA_ROOT", "/from/environment")
    assert data_root("/given") == Path("/given") and data_root(None) == Path("/from/environment")
    monkeypatch.delenv("IRSTD_DATA_ROOT")
    assert data_root(None) == Path("data")


def test_a_damaged_list_of_hashes_is_set_aside_and_made_again(tmp_path, monkeypatch):
    from benchmark.datasets.fingerprints import file_hashes

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "image").write_bytes(b"pixels")
    right = file_hashes([tmp_path / "image"])
    (kept,) = (tmp_path / "cache").rglob("fingerprints.json")
    digest = right[tmp_path / "image"]
    wrong = digest.replace(digest[0], "0" if digest[0] != "0" else "1", 1)
    for content in (kept.read_text().replace(digest, wrong), "[]", "{", '{"hashes": {}}'):
        kept.write_text(content)
        assert file_hashes([tmp_path / "image"]) == right
        assert kept.with_name("fingerprints.json.damaged").exists()


def test_a_file_replaced_by_one_of_the_same_size_and_date_is_read_again(tmp_path):
    import os

    from benchmark.datasets.fingerprints import file_hashes

    path = tmp_path / "image"
    path.write_bytes(b"before")
    first, stamp = file_hashes([path])[path], path.stat()
    path.write_bytes(b"after!")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert path.stat().st_mtime_ns == stamp.st_mtime_ns and file_hashes([path])[path] != first
