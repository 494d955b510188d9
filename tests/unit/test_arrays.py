"""Arrays on disk come back as they were or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.arrays import read_arrays, write_arrays, write_bytes


def test_arrays_come_back_and_absent_ones_are_none(tmp_path):
    score = np.random.default_rng(0).random((20, 30), dtype=np.float32)
    write_arrays(tmp_path / "a.npz", score=score, name="x", seconds=1.5)
    found = read_arrays(tmp_path / "a.npz", ("score", "name", "seconds"))
    assert np.array_equal(found[0], score) and str(found[1]) == "x" and float(found[2]) == 1.5
    assert read_arrays(tmp_path / "b.npz", ("score",)) is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("seed", range(40))
def test_a_changed_or_missing_byte_never_gives_another_array(tmp_path, seed):
    chance = np.random.default_rng(seed)
    score = chance.random((20, 30)).round(1)  # compresses well, so that bits of the code decide much
    path = tmp_path / "a.npz"
    write_arrays(path, score=score)
    content = bytearray(path.read_bytes())
    place = int(chance.integers(len(content)))
    path.write_bytes(content[:place] if seed % 4 == 0 else content[:place] + bytes([content[place] ^ 1 << seed % 8])
                     + content[place + 1:])
    found = read_arrays(path, ("score",))
    if found is None:
        assert path.with_name("a.npz.damaged").exists() and not path.exists()
    else:  # a byte that nothing depends on, such as a date
        assert np.array_equal(found[0], score)


def test_a_write_that_fails_half_way_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    from pathlib import Path

    write_bytes(tmp_path / "a", b"old")
    whole = Path.write_bytes

    def full(self, content):
        whole(self, content[:2])
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(tmp_path / "a", b"newer")
    assert (tmp_path / "a").read_bytes() == b"old" and [path.name for path in tmp_path.iterdir()] == ["a"]
