"""Caption files with anything in them: every caption that is read is one, or a line names the file."""

from __future__ import annotations

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmark import data
from benchmark.captioning.pipeline import Journal
from benchmark.datasets.caption_schema import SCENE_CLASSES, form_problems, leaks, problems
from benchmark.datasets.captions import Captions, read_captions
from benchmark.errors import DataError

FUZZ = settings.get_profile("fuzz")
TEXT = ("a photo of a calm sea with a low ridge, a pale cloud band, and a dark shore line, under a hazy sky that fades "
        "towards the far horizon.")
VALID = {"image": "1", "scene": "calm sea", "scene_class": "sea", "text": TEXT,
         "objects": ["a low ridge", "a pale cloud band", "a dark shore line"]}
STRINGS = st.text(max_size=12) | st.sampled_from([
    "", " ", TEXT, "\x1b[2J", "a\nb", "\u2028", "\udcff", "\0", "x" * 200_000, "<script>", "1", "sea", "accepted"])
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | STRINGS,
                      lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRINGS, inner, max_size=3),
                      max_leaves=6)
DEEP = "[" * 100_000


@st.composite
def entries(draw: st.DrawFn) -> object:
    """A valid caption with some fields of any value, lacking or added; or any value."""
    if draw(st.integers(0, 5)) == 0:
        return draw(VALUES)
    changed = draw(st.dictionaries(st.sampled_from([*VALID, "review", "model", "more"]), VALUES, max_size=2))
    gone = draw(st.sets(st.sampled_from([*VALID]), max_size=1)) if draw(st.booleans()) else ()
    return {key: value for key, value in (VALID | changed).items() if key not in gone}


@st.composite
def caption_files(draw: st.DrawFn) -> bytes:
    """Lines of captions, some of them broken."""
    lines = []
    for number, entry in enumerate(draw(st.lists(entries(), max_size=4))):
        if isinstance(entry, dict) and entry.get("image") == "1" and draw(st.booleans()):
            entry = entry | {"image": str(number)}
        lines.append(json.dumps(entry, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass"))
    if draw(st.booleans()):
        lines.insert(draw(st.integers(0, len(lines))), draw(st.binary(max_size=20) | st.sampled_from([
            b"", b"{", b"\xff\xfe", b"\xef\xbb\xbf{}", DEEP.encode(), b"{\"a\":" * 5000, b"NaN", b"9" * 5000, b"null",
            b"\"\\ud800\"", json.dumps(VALID).encode()[:50]])))
    return b"\n".join(lines)


@settings(FUZZ, max_examples=380)
@given(caption_files())
@example(DEEP.encode())
@example(json.dumps(VALID | {"review": []}).encode())
@example(json.dumps(VALID | {"review": {}}).encode())
def test_a_caption_file_gives_captions_or_is_refused_by_name(scratch, attempt, content: bytes) -> None:
    path = scratch / "captions.jsonl"
    path.write_bytes(content)
    found = attempt(lambda: read_captions(path, every=True), path)
    if isinstance(found, list):
        assert all(problems(entry) == [] for entry in found)
        assert len({entry["image"] for entry in found}) == len(found)
        captions = attempt(lambda: Captions({"file": str(path), "scene": "scene"}, scratch, "set"), path)
        assert all(captions.text(name).isprintable() for name in (*captions.texts, "absent"))


@settings(FUZZ, max_examples=160)
@given(entries())
@example(VALID | {"scene_class": ["sea"]})
@example(VALID | {"objects": {"0": "a", "1": "b", "2": "c"}})
def test_what_is_wrong_with_a_caption_is_said_in_words(entry: object) -> None:
    found = problems(entry)
    assert all(isinstance(clause, str) for clause in found)
    if not found:
        assert entry["scene_class"] in SCENE_CLASSES
        assert isinstance(form_problems(entry), list)
        assert set(leaks(entry["text"], {"sea"})) <= {"sea"}


@settings(FUZZ, max_examples=120)
@given(caption_files())
@example(DEEP.encode())
def test_the_commands_about_captions_count_or_refuse_them(scratch, command, content: bytes) -> None:
    path = scratch / "stats.jsonl"
    path.write_bytes(content)
    ended = command(data.main, ["captions", "stats", str(path), "--out", str(scratch / "page.html")])
    assert ended.code < 2 or path.name in ended.err


@settings(FUZZ, max_examples=150)
@given(caption_files())
@example(DEEP.encode())
def test_a_captioning_that_goes_on_reads_its_file_or_refuses_it_by_name(scratch, attempt, content: bytes) -> None:
    path = scratch / "journal.jsonl"
    path.write_bytes(content)
    attempt(lambda: Journal(path), path)


@settings(FUZZ, max_examples=100)
@given(st.dictionaries(st.sampled_from(["captions", "file", "scene"]), VALUES, max_size=3))
@example({"file": "a" * 300})
@example({"file": "\0"})
@example({"captions": ["file"]})
def test_the_config_of_captions_is_taken_or_refused(scratch, attempt, config: dict) -> None:
    found = attempt(lambda: Captions(config, scratch, "set"))
    assert isinstance(found, Captions) or issubclass(DataError, Exception)
