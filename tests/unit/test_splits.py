"""Split lists as they are found in the field, and the paper's split by hash."""

from __future__ import annotations

import pytest

from benchmark.datasets.splits import (
    chosen_by_hash,
    listed_split,
    natural_order,
    paper_split,
    read_split_list,
    split_files,
)
from benchmark.errors import ConfigError, DataError


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(("text", "expected"), [
    ("a\nb\n", ["a", "b"]), ("a\r\nb\r\n", ["a", "b"]), ("\n a \n\n\nb", ["a", "b"]),
    ("a.png\nb.PNG\nc.bmp", ["a", "b", "c"]),
    ("\ufeffa\nb", ["a", "b"]), ("v1.2\nx.y.png", ["v1.2", "x.y"]), ("", []),
])
def test_lists_are_read_whatever_their_line_ends_and_suffixes(tmp_path, text, expected):
    assert read_split_list(write(tmp_path / "l.txt", text)) == expected


@pytest.mark.parametrize("name", ["../secret", "a/b", "/etc/passwd", "..", "a\\b"])
def test_a_path_in_a_list_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="is a path, expected the id"):
        read_split_list(write(tmp_path / "l.txt", name))


def test_a_missing_list_and_a_binary_one_are_named(tmp_path):
    with pytest.raises(DataError, match=r"l.txt: no such split list"):
        read_split_list(tmp_path / "l.txt")
    with pytest.raises(DataError, match="not a text file"):
        read_split_list(write(tmp_path / "b.txt", "äöü", "latin-1"))


def lists(tmp_path, **texts):
    return {part: write(tmp_path / f"{part}.txt", text) for part, text in texts.items()}


KNOWN = ["000001", "000002", "000010", "000011"]


def test_ids_with_other_leading_zeros_are_found_on_disk(tmp_path):
    found = listed_split(lists(tmp_path, train="0001\n2", test="00010\n000011"), KNOWN)
    assert found == {"train": ["000001", "000002"], "val": [], "test": ["000010", "000011"]}


def test_an_ambiguous_number_is_not_guessed(tmp_path):
    with pytest.raises(DataError, match="01 not among the 2 images on disk"):
        listed_split(lists(tmp_path, test="01"), ["001", "0001"])


@pytest.mark.parametrize(("texts", "message"), [
    (dict(train="000001", test="000002\n7\n8"), "test.txt: 7, 8 not among the 4 images on disk"),
    (dict(train="000001\n1", test="000002"), "train.txt: 000001 listed twice"),
    (dict(train="000001\n000002", test="2"), "train.txt and .*test.txt: 000002 in both lists"),
    (dict(train="000001", val="000002", test="000002"), "val.txt and .*test.txt: 000002 in both lists"),
])
def test_inconsistent_lists_are_refused_by_name(tmp_path, texts, message):
    with pytest.raises(DataError, match=message):
        listed_split(lists(tmp_path, **texts), KNOWN)


def test_many_wrong_ids_are_counted_instead_of_listed(tmp_path):
    with pytest.raises(DataError, match=r"x0, x1, x2, x3, x4 and 7 more not among"):
        listed_split(lists(tmp_path, test="\n".join(f"x{index}" for index in range(12))), KNOWN)


def test_the_papers_split_depends_on_dataset_id_and_seed_only():
    ids = [f"im{index}" for index in range(2000)]
    parts = paper_split("nuaa-sirst", ids, seed=0)
    assert paper_split("nuaa-sirst", reversed(ids), seed=0) == parts
    half = paper_split("nuaa-sirst", ids[:1000], seed=0)
    assert all(set(half[part]) <= set(parts[part]) for part in parts)  # more images never move an image
    assert paper_split("nuaa-sirst", ids, seed=1) != parts and paper_split("irstd-1k", ids, seed=0) != parts
    assert sorted(sum(parts.values(), [])) == sorted(ids)
    for part, share in (("train", 0.5), ("val", 0.3), ("test", 0.2)):
        assert len(parts[part]) / 2000 == pytest.approx(share, abs=0.04)


def test_the_papers_split_of_known_ids_never_changes():
    # Pinned: a change here would silently change every published number that was measured with this split.
    found = paper_split("nuaa-sirst", [f"Misc_{index}" for index in range(1, 9)], seed=0)
    assert found == {"train": ["Misc_2", "Misc_5", "Misc_6"], "val": ["Misc_3", "Misc_7", "Misc_8"],
                     "test": ["Misc_1", "Misc_4"]}


def test_a_subset_grows_without_dropping_an_image_and_keeps_the_order():
    ids = [f"im{index}" for index in range(300)]
    small, large = (chosen_by_hash("nuaa-sirst", ids, count) for count in (20, 64))
    assert len(small) == 20 and len(large) == 64 and set(small) < set(large)
    assert small == [name for name in ids if name in small]
    assert chosen_by_hash("irstd-1k", ids, 20) != small
    assert chosen_by_hash("nuaa-sirst", ids, None) == ids


def test_a_split_is_a_name_a_folder_of_lists_or_one_list(tmp_path):
    offered = {"official": {"train": "a.txt", "test": "b.txt"}}
    assert split_files("official", offered, tmp_path) == {"train": tmp_path / "a.txt", "test": tmp_path / "b.txt"}
    folder = tmp_path / "mine"
    folder.mkdir()
    files = {part: write(folder / f"{part}_set.txt", "x") for part in ("train", "test")}
    assert split_files(str(folder), offered, tmp_path) == files
    assert split_files(str(files["test"]), offered, tmp_path) == {"test": files["test"]}
    write(folder / "test2.txt", "y")
    with pytest.raises(ConfigError, match=r"expected one train\*.txt, at most one val\*.txt and one test\*.txt"):
        split_files(str(folder), offered, tmp_path)
    with pytest.raises(ConfigError, match="unknown split 'offical'; did you mean official"):
        split_files("offical", offered, tmp_path)
    with pytest.raises(ConfigError, match="--split my/lists: no such file or folder of lists"):
        split_files("my/lists", offered, tmp_path)


def test_natural_order_counts_instead_of_spelling():
    assert sorted(["XDU10", "XDU2", "XDU1"], key=natural_order) == ["XDU1", "XDU2", "XDU10"]
