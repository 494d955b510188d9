"""Split lists and dataset folders with anything in them: parts are disjoint and on disk, or a line names the file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmark import data
from benchmark.datasets.catalog import load_dataset_config, open_dataset
from benchmark.datasets.sample import PARTS
from benchmark.datasets.splits import listed_split, read_split_list, split_files

FUZZ = settings.get_profile("fuzz")
KNOWN = ("1", "2", "007", "0042", "XDU3", "Misc_111", "a b", "ünïcode", "x.y")
LINES = st.sampled_from([*KNOWN, "7", "42", "1.png", "XDU3.BMP", "", "  ", "\t1\t", "absent", "../1", "/etc/passwd",
                         "..", ".", "images/1", "..\\1", "C:\\1", "1\0", "\ufeff1", "1\u20282", "1\x85", "\x1b[31m1",
                         "²", "٣", "‮1", "a" * 5000, "9" * 5000, ".png", "~", "$HOME", "*", "%s", "{id}"])
ENDS = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])
CODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "utf-32"])


@st.composite
def lists(draw: st.DrawFn) -> bytes:
    """A list file: known and unknown lines under some coding, or random bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=60))
    text = draw(ENDS).join(draw(st.lists(LINES | st.text(max_size=12), max_size=8)))
    return text.encode(draw(CODINGS), "ignore")


@settings(FUZZ, max_examples=330)
@given(lists())
@example("\ufeff1\r\n\r\n2.png\r\n".encode())
@example("1\n2\n".encode("utf-16"))
@example(b"../../etc/passwd\n")
@example(b".png")
def test_a_list_gives_ids_that_are_no_paths_or_is_refused_by_name(scratch, attempt, content: bytes) -> None:
    path = scratch / "list.txt"
    path.write_bytes(content)
    for name in found if isinstance(found := attempt(lambda: read_split_list(path), path), list) else []:
        assert name and not {"/", "\\", "\0", "\n"} & set(name)
        assert name not in (".", "..")
        assert (scratch / name).parent == scratch


@settings(FUZZ, max_examples=330)
@given(lists(), lists(), lists())
@example(b"1\n2\n", b"2\n", b"")
@example(b"1\n1\n", b"", b"2")
@example(b"1\n", b"", b"01")
def test_parts_of_a_split_are_disjoint_and_on_disk_or_a_list_is_named(scratch, attempt, train, val, test) -> None:
    files = {}
    for part, content in zip(PARTS, (train, val, test), strict=True):
        files[part] = scratch / f"{part}.txt"
        files[part].write_bytes(content)
    parts = attempt(lambda: listed_split(files, KNOWN), scratch)
    if isinstance(parts, dict):
        listed = [name for part in PARTS for name in parts[part]]
        assert len(set(listed)) == len(listed)
        assert set(listed) <= set(KNOWN)


@settings(FUZZ, max_examples=160)
@given(st.text(max_size=30) | st.sampled_from([
    "a" * 300, "a/" * 3000, "\0", "~root", ".", "/dev/null", "/proc/self/mem", "", "\udcff", "/root/.ssh", "//",
    "a\nb"]))
@example("a" * 300)
@example("\0")
def test_the_name_of_a_split_is_known_or_a_path_or_refused(scratch, attempt, split: str) -> None:
    found = attempt(lambda: split_files(split, {"own": {"train": "a.txt", "test": "b.txt"}}, scratch))
    if isinstance(found, dict):
        assert "test" in found


def png(path: Path, shape: tuple[int, int], level: int) -> None:
    """A grey image of one level."""
    Image.fromarray(np.full(shape, level, np.uint8)).save(path)


FILES = st.sampled_from(["image", "target", "other size", "empty", "folder", "link out", "broken link", "loop", "pipe",
                         "greys", "text"])
NAMES = st.sampled_from(["1.png", "2.png", "1_pixels0.png", "a\nb.png", "<b>.png", "x|y.png", "\udcff.png", ".png",
                         "-1.png", "1.PNG", "1.jpg", "ü.png", "a" * 240 + ".png", "notes.txt", "\x1b[31m.png"])


def put(path: Path, kind: str, outside: Path) -> None:
    """A file of that kind."""
    if kind in ("image", "target", "other size", "greys"):
        png(path.with_name(f"{path.name}.new.png" if len(path.name) < 100 else "new.png"),
            (12, 9) if kind == "other size" else (8, 8), {"image": 90, "target": 255, "greys": 60}.get(kind, 0))
        path.with_name(f"{path.name}.new.png" if len(path.name) < 100 else "new.png").replace(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind in ("link out", "broken link", "loop"):
        path.symlink_to({"link out": outside, "broken link": outside / "no", "loop": path}[kind])
    else:
        path.write_text("no image" if kind == "text" else "")


@settings(FUZZ, max_examples=140)
@given(st.dictionaries(NAMES, FILES, max_size=5), st.dictionaries(NAMES, FILES, max_size=5),
       st.sampled_from(["paper", "list", "none"]), st.integers(0, 3))
@example({"\udcff.png": "image"}, {}, "paper", 0)
@example({"1.png": "pipe"}, {"1.png": "target"}, "paper", 0)
@example({"1.png": "loop", "2.png": "folder"}, {"1.png": "link out"}, "paper", 1)
def test_a_folder_of_anything_is_verified_or_refused(scratch, command, attempt, quick_configs, images, masks,
                                                     split, seed) -> None:
    folder = scratch / f"set{len(list(scratch.glob('set*')))}"
    outside = scratch / "outside.png"
    png(outside, (8, 8), 255)
    for name, files in (("images", images), ("masks", masks)):
        (folder / name).mkdir(parents=True)
        for file, kind in files.items():
            put(folder / name / file, kind, outside)
    (folder / "test.txt").write_text("1\n2\n")
    asked = {"paper": ["--split", "paper"], "list": ["--split", str(folder)], "none": []}[split]
    ended = command(data.main, ["verify", str(folder), "--seed", str(seed), *asked])
    assert ended.code in (0, 1, 2)
    source = attempt(lambda: open_dataset(load_dataset_config(str(folder)), scratch, "paper", seed))
    for sample_id in getattr(source, "images", {}):
        sample = attempt(lambda sample_id=sample_id: source.read(sample_id), folder.name)
        if hasattr(sample, "mask"):
            assert sample.mask.shape == sample.image.shape


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_file_where_a_folder_should_be_is_named(tmp_path, attempt, kind: str) -> None:
    config = load_dataset_config("nuaa-sirst")
    folder = tmp_path / config["folder"]
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    png(folder / "images" / "1.png", (8, 8), 9)
    (folder / kind).rename(folder / f"old {kind}")
    (folder / kind).write_text("")
    assert "no such folder" in attempt(lambda: open_dataset(config, tmp_path, "paper"), folder / kind).message
