"""Decoded images kept in memory: the same pixels, as long as the files stay, within the bound, shared by forks."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.datasets import decoded
from benchmark.datasets.catalog import load_dataset_config, open_dataset
from benchmark.datasets.decoded import DecodedCache
from benchmark.errors import DataError

SIDES = (40, 33)
IDS = [f"im{index}" for index in range(6)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place, name in enumerate(IDS):
        _write(tmp_path, name, seed=place, deep=place == 1)
    return tmp_path


def _write(folder: Path, name: str, seed: int, deep: bool = False) -> None:
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 65536 if deep else 256, SIDES).astype(np.uint16 if deep else np.uint8)
    mask = 255 * (generator.random(SIDES) < 0.1).astype(np.uint8)
    for kind, pixels in (("images", image), ("masks", mask)):
        (folder / kind).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / kind / f"{name}.png")


def _source(folder: Path, *, keep: bool = True):
    source = open_dataset(load_dataset_config(str(folder)), folder)
    if keep:
        source.keep_decoded(IDS)
    return source


def _same(first, second) -> bool:
    return (np.array_equal(first.image, second.image) and first.image.dtype == second.image.dtype
            and np.array_equal(first.mask, second.mask) and first.mask.dtype == second.mask.dtype)


def test_kept_samples_equal_those_that_are_read_each_time_in_both_depths(folder):
    plain, keeping = _source(folder, keep=False), _source(folder)
    for _ in range(2):
        for name in IDS:
            assert _same(keeping.read(name), plain.read(name)), name
    assert keeping.decoded.used > 0


def test_a_kept_image_is_not_decoded_again(folder, monkeypatch):
    source = _source(folder)
    before = [source.read(name) for name in IDS]
    monkeypatch.setattr("benchmark.datasets.folder.read_image", lambda path: pytest.fail(f"decoded again: {path}"))
    assert all(_same(source.read(name), sample) for name, sample in zip(IDS, before, strict=True))


def test_kept_pixels_cannot_be_written_by_those_who_got_them(folder):
    source = _source(folder)
    source.read("im0")
    with pytest.raises(ValueError, match="read-only"):
        source.read("im0").image[0, 0] = 1


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_changed_file_is_noticed_even_with_its_old_size_and_time(folder, kind):
    source = _source(folder)
    source.read("im2")
    path = folder / kind / "im2.png"
    old, size = path.stat(), path.stat().st_size
    pixels = 255 - np.array(Image.open(path))
    if kind == "images":
        pixels[0, 0] = 255 - pixels[0, 0]
    Image.fromarray(pixels).save(path)
    with path.open("ab") as file:
        file.write(b"\0" * max(0, size - path.stat().st_size))
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert _same(source.read("im2"), _source(folder, keep=False).read("im2"))
    assert np.array_equal(source.read("im2").image if kind == "images" else 255 * source.read("im2").mask, pixels)


def test_a_file_that_is_gone_is_an_error_though_its_pixels_were_kept(folder):
    source = _source(folder)
    source.read("im3")
    (folder / "images" / "im3.png").unlink()
    with pytest.raises(DataError, match=r"im3\.png: no such file"):
        source.read("im3")


def test_no_more_is_kept_than_the_bound_allows_and_the_rest_is_read_all_the_same(folder):
    plain, source = _source(folder, keep=False), _source(folder)
    one = 2 * SIDES[0] * SIDES[1]
    source.decoded = DecodedCache(IDS, limit=3 * one)
    for _ in range(2):
        assert all(_same(source.read(name), plain.read(name)) for name in IDS)
    kept = [name for name in IDS if source.decoded.get(name, (source.images[name], source.masks[name])) is not None]
    assert kept == ["im0", "im1"]  # one of 8 bits, and one of 16 that takes half as much again: a third finds no room
    assert source.decoded.used <= 3 * one


def test_without_memory_to_spare_nothing_is_kept_and_everything_is_read(folder, monkeypatch):
    monkeypatch.setattr(decoded, "available_bytes", lambda: 0)
    source, plain = _source(folder), _source(folder, keep=False)
    assert all(_same(source.read(name), plain.read(name)) for name in IDS)
    assert source.decoded.used == 0


def test_the_bound_is_a_share_of_what_memory_is_available(monkeypatch):
    monkeypatch.setattr(decoded, "available_bytes", lambda: 800_000)
    assert DecodedCache(IDS).limit == 100_000


def test_available_memory_is_what_the_machine_can_give():
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < decoded.available_bytes() < total


def test_what_a_forked_worker_decodes_is_there_for_the_next_epoch(folder, monkeypatch):
    source = _source(folder)
    worker = multiprocessing.get_context("fork").Process(target=lambda: [source.read(name) for name in IDS[:4]])
    worker.start()
    worker.join()
    expected = [_source(folder, keep=False).read(name) for name in IDS[:4]]
    monkeypatch.setattr("benchmark.datasets.folder.read_image", lambda path: pytest.fail(f"decoded again: {path}"))
    assert all(_same(source.read(name), sample) for name, sample in zip(IDS[:4], expected, strict=True))


def test_a_pickled_cache_is_empty_with_the_same_bound():
    cache = DecodedCache(IDS, limit=1000)
    cache.put("im0", [[1, 1, 1], [1, 1, 1]], np.ones((4, 5), np.uint8), np.ones((4, 5), bool))
    found = pickle.loads(pickle.dumps(cache))
    assert (cache.used, found.used, found.limit, found.ids) == (40, 0, 1000, tuple(IDS))
