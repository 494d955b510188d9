"""Images and masks of any kind of damage: they are read, or refused by a line that names the file."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmark.datasets.images import read_image, read_mask
from benchmark.evaluate import read_score
from benchmark.inputs import Frame, frames

FUZZ = settings.get_profile("fuzz")
MODES = {"PNG": ("L", "LA", "RGB", "RGBA", "P", "1", "I;16"), "TIFF": ("L", "RGB", "RGBA", "P", "1", "I;16", "I", "F",
         "CMYK", "LAB", "YCbCr"), "BMP": ("L", "RGB", "RGBA", "P", "1"), "JPEG": ("L", "RGB", "CMYK"),
         "GIF": ("L", "P"), "PPM": ("L", "RGB", "1"), "WEBP": ("RGB", "RGBA"), "EPS": ("L", "RGB")}
SUFFIXES = st.sampled_from([".png", ".tif", ".bmp", ".jpg", ".TIFF", ".dat"])


def encoded(format_: str, mode: str, height: int, width: int, seed: int) -> bytes:
    """A real file of that format and colour mode."""
    generator = np.random.default_rng(seed)
    if mode == "F":
        values = generator.normal(0, 1e3, (height, width)).astype(np.float32)
        values[generator.random((height, width)) < 0.2] = generator.choice([np.nan, np.inf, -np.inf])
        image = Image.fromarray(values)
    elif mode in ("I;16", "I"):
        top = 2**16 if mode == "I;16" else 2**31
        image = Image.fromarray(generator.integers(0, top, (height, width)).astype(
            np.uint16 if mode == "I;16" else np.int32))
    elif mode in ("CMYK", "LAB", "YCbCr"):
        channels = generator.integers(0, 256, (height, width, len(Image.new(mode, (1, 1)).getbands())), np.uint8)
        image = Image.merge(mode, [Image.fromarray(channels[..., index]) for index in range(channels.shape[2])])
    else:
        image = Image.fromarray(generator.integers(0, 256, (height, width, 3), np.uint8)).convert(mode)
    content = io.BytesIO()
    image.save(content, format_)
    return content.getvalue()


def huge_png(width: int, height: int, depth: int = 8, colour: int = 0) -> bytes:
    """A few bytes that declare a size."""
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(bytes(4096))) + chunk(b"IEND", b""))


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """Real files, whole, cut off, with flipped bytes or another's beginning; declared sizes; random bytes."""
    format_ = draw(st.sampled_from(sorted(MODES)))
    content = encoded(format_, draw(st.sampled_from(MODES[format_])), draw(st.integers(1, 20)),
                      draw(st.integers(1, 20)), draw(st.integers(0, 9)))
    damage = draw(st.sampled_from(["none", "cut", "flip", "flip", "flip", "insert", "magic", "size", "random"]))
    if damage == "cut":
        return content[:draw(st.integers(0, len(content)))]
    if damage == "flip":
        damaged = bytearray(content)
        # headers decide more than pixels do
        places = st.integers(0, min(200, len(content) - 1)) | st.integers(0, len(content) - 1)
        for place in draw(st.lists(places, min_size=1, max_size=6)):
            damaged[place] = draw(st.integers(0, 255))
        return bytes(damaged)
    if damage == "insert":
        place = draw(st.integers(0, len(content)))
        return content[:place] + draw(st.binary(max_size=40)) + content[place:]
    if damage == "magic":
        return draw(st.sampled_from([
            b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"BM", b"\xff\xd8\xff", b"%!PS-Adobe-3.0\n", b"GIF89a", b"P5 ",
            b"\x93NUMPY", b"SIMPLE  =", b"#?RADIANCE\n"])) + content[4:]
    if damage == "size":
        sides = st.sampled_from([0, 1, 7, 65_535, 100_000, 2**31 - 1, 2**32 - 1])
        return huge_png(draw(sides), draw(sides), draw(st.sampled_from([1, 8, 16, 3])),
                        draw(st.sampled_from([0, 2, 3, 4, 6, 1])))
    return draw(st.binary(max_size=300)) if damage == "random" else content


def written(scratch: Path, content: bytes, suffix: str) -> Path:
    """The case's file."""
    path = scratch / f"case{suffix}"
    path.write_bytes(content)
    return path


@settings(FUZZ, max_examples=660)
@given(damaged_files(), SUFFIXES)
@example(encoded("TIFF", "LAB", 3, 4, 0), ".tif")
@example(huge_png(2**31 - 1, 2**31 - 1), ".png")
@example(huge_png(0, 0), ".png")
def test_an_image_file_gives_grey_levels_or_is_refused_by_name(scratch, attempt, content: bytes, suffix: str) -> None:
    path = written(scratch, content, suffix)
    found = attempt(lambda: read_image(path), path)
    if isinstance(found, np.ndarray):
        assert found.ndim == 2 and found.size
        assert found.dtype in (np.uint8, np.uint16)


@settings(FUZZ, max_examples=160)
@given(st.sampled_from([(name, mode) for name, modes in MODES.items() for mode in modes]), st.integers(1, 9),
       st.integers(1, 9))
def test_a_whole_file_of_a_known_kind_has_its_own_size(scratch, attempt, kind, height: int, width: int) -> None:
    path = written(scratch, encoded(*kind, height, width, 0), ".png")
    found = attempt(lambda: read_image(path), path)
    if isinstance(found, np.ndarray):
        assert found.shape == (height, width)
    else:
        assert kind[1] in ("F", "I", "LAB", "CMYK", "YCbCr") or kind[0] == "EPS"


@settings(FUZZ, max_examples=280)
@given(damaged_files(), st.tuples(st.integers(1, 64), st.integers(1, 64)) | st.none())
def test_a_mask_file_gives_a_mask_of_its_image_or_is_refused_by_name(scratch, attempt, content, shape) -> None:
    path = written(scratch, content, ".png")
    found = attempt(lambda: read_mask(path, shape), path)
    if isinstance(found, np.ndarray):
        assert found.dtype == bool
        assert found.ndim == 2
        assert shape is None or found.shape == shape


@settings(FUZZ, max_examples=220)
@given(st.lists(st.sampled_from([0, 1, 2, 100, 127, 128, 200, 254, 255]), min_size=1, max_size=24), st.integers(1, 6),
       st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_a_mask_has_targets_only_where_its_coding_says_so(scratch, attempt, levels, width, shape) -> None:
    grey = np.resize(np.array(levels, np.uint8), (max(1, len(levels) // width), width))
    path = scratch / "mask.png"
    Image.fromarray(grey).save(path)
    found = attempt(lambda: read_mask(path), path)
    top = int(grey.max())
    if 1 < top <= 127:
        assert not isinstance(found, np.ndarray)
        return
    assert np.array_equal(found, grey > (0 if top <= 1 else 127))
    fitted = attempt(lambda: read_mask(path, shape), path)
    if isinstance(fitted, np.ndarray):
        assert fitted.shape == shape


@st.composite
def score_files(draw: st.DrawFn) -> tuple[bytes, str]:
    """Score maps as .npy and .png: of every type and shape, damaged or not."""
    if draw(st.booleans()):
        return draw(damaged_files()), ".png"
    dtype = draw(st.sampled_from(["f4", "f8", "f2", "c8", "u1", "i8", "?", "S5", "U3", "M8[s]", "f4,f4", "O"]))
    shape = tuple(draw(st.lists(st.integers(0, 5), max_size=3)))
    content = io.BytesIO()
    np.lib.format.write_array(content, np.zeros(shape, np.dtype(dtype)), allow_pickle=True)
    damaged = bytearray(content.getvalue())
    for place in draw(st.lists(st.integers(0, min(140, len(damaged) - 1)), max_size=4)):
        damaged[place] = draw(st.integers(0, 255) | st.sampled_from(list(b"0123456789(){}'\"#,9")))
    cut = draw(st.integers(0, len(damaged)) | st.just(len(damaged)))
    if draw(st.booleans()):
        sides = draw(st.sampled_from(["(10**9, 10**9)", "(99999999999, 9)", "(-1, 3)", "(2**70,)", "'a'", "None",
                                      "(99999999, 99999)", "((1,),)", "(1.5, 2)", "(True, 2)"]))
        head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {sides}, }}".encode()
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(damaged[:cut]), ".npy"
    return bytes(damaged[:cut]), ".npy"


@settings(FUZZ, max_examples=380)
@given(score_files())
@example((b"\x93NUMPY\x01\x00N\x00{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999), }    ",
          ".npy"))
@example((huge_png(2**31 - 1, 2**31 - 1), ".png"))
def test_a_score_map_is_read_or_refused_by_name(scratch, attempt, case: tuple[bytes, str]) -> None:
    path = written(scratch, *case)
    found = attempt(lambda: read_score(path), path)
    if isinstance(found, np.ndarray):
        assert found.ndim == 2 and found.size


@settings(FUZZ, max_examples=100)
@given(damaged_files(), st.sampled_from([".png", ".tif", ".mp4", ".avi"]))
def test_inputs_of_a_prediction_are_images_or_named_as_unreadable(scratch, content: bytes, suffix: str) -> None:
    path = written(scratch, content, suffix)
    for found in frames([path, scratch / "absent.png"]):
        assert isinstance(found, Frame) or str(scratch) in found.reason


@pytest.mark.parametrize("name", ["", "a" * 300 + ".png", "absent.png", "\udcff.png"])
def test_what_is_no_file_is_refused_by_name(scratch, attempt, name: str) -> None:
    path = scratch / name
    assert attempt(lambda: read_image(path), name.encode("unicode_escape").decode() or path).message


@pytest.mark.parametrize("content", [b"", b"\0" * 50, b"%!PS-Adobe-3.0\n(%stderr) (w) file"])
def test_a_file_that_is_no_image_is_said_to_be_none(scratch, attempt, content: bytes) -> None:
    path = written(scratch, content, ".png")
    assert "not an image" in attempt(lambda: read_image(path), path).message
