"""What lies in a work folder, changed in any way: set aside, passed over or refused by name, and never believed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmark import compare, report
from benchmark.analysis.comparison import read_count_file
from benchmark.datasets.leaks import read_leaks
from benchmark.metrics.summary import summarise
from benchmark.records import (
    CellKey,
    Failure,
    Metric,
    Outcome,
    Record,
    RecordStore,
    Status,
    SuiteResult,
    _checksum,
    read_lines,
)
from reports.panels import Scene
from reports.qualitative import Picture, pictures

FUZZ = settings.get_profile("fuzz")
KEY = CellKey("top_hat", "synth-sirst", "generated", "demo", 0)
RECORD = Record("0123456789abcdef", KEY, {"evaluation": {"protocol": "standard"}},
                {"iou": Metric(0.5, 0.4, 0.6), "hiou": Metric(None, reason="none")},
                roc={"fa": [0.1, None], "pd": [0.5, 1.0]}, cost={"params": 3}, training={"epochs": 2},
                provenance={"git": {"commit": "c" * 40}}).to_dict()
COUNTS = {"image_id": "1", "protocol": "standard", "pixels": 64, "tp": 3, "fp": 1, "fn": 0, "targets": 1, "paired": 1,
          "predicted": 1, "fa_pixels": 0, "fa_area": 64, "fa_components": 0, "pair_iou_sum": 0.5}
DETAIL = {"image_id": "1", "targets": [[9, True, "found"], [4, False, "missed"]], "false": 1}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(
        ["", "\udcff", "../../x", 10**400, -1, math.nan, "x" * 5000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=4)
NONSENSE = [b"", b"{", b"[" * 100_000, b"{\"a\":" * 50_000, b"null", b"[]", b"\xff\xfe", b"1" * 5000, b"NaN", b"\0",
            b"{\"key\": 5}", b"{\"key\": {\"profile\": 5}}"]


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Path of every value inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, one in inner for found in places(one, (*path, key)))]


@st.composite
def changed(draw: st.DrawFn, valid: dict[str, Any]) -> Any:
    """The valid object with a few values replaced, added or taken away."""
    content = json.loads(json.dumps(valid))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(places(content)))
        if not path:
            content = draw(VALUES) if draw(st.integers(0, 9)) == 0 else content
            continue
        node = content
        for key in path[:-1]:
            node = node[key]
        action = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if action == "replace":
            node[path[-1]] = draw(VALUES)
        elif action == "remove":
            del node[path[-1]]
        elif isinstance(node, dict):
            node[draw(st.text(max_size=4))] = draw(VALUES)
    return content


@st.composite
def files(draw: st.DrawFn, valid: dict[str, Any], *, lines: bool = False) -> bytes:
    """The file of a changed object, perhaps damaged as bytes, or nonsense."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from(NONSENSE) | st.binary(max_size=30))
    objects = draw(st.lists(changed(valid) | st.just(valid), min_size=1, max_size=3 if lines else 1))
    content = bytearray(b"\n".join(json.dumps(one).encode() for one in objects))
    for place in draw(st.lists(st.integers(0, len(content) - 1), max_size=2)) if draw(st.booleans()) else ():
        content[place] = draw(st.integers(0, 255))
    return bytes(content[:draw(st.just(len(content)) | st.integers(0, len(content)))])


def store_with(scratch: Path, file: str, content: bytes, number: int) -> RecordStore:
    """A store whose only cell holds that file."""
    store = RecordStore(scratch / f"store{number}", writable=False)
    store.folder(KEY).mkdir(parents=True, exist_ok=True)
    for path in store.folder(KEY).iterdir():
        path.unlink()
    (store.folder(KEY) / file).write_bytes(content)
    return store


@settings(FUZZ, max_examples=280)
@given(files(RECORD))
@example(b"[" * 100_000)
@example(json.dumps(RECORD | {"config": {"x": math.nan}}).encode())
@example(json.dumps(RECORD | {"key": {"profile": 5}}).encode())
def test_a_changed_record_is_set_aside_and_never_believed(scratch, content: bytes) -> None:
    store = store_with(scratch, "record.json", content, 0)
    store.recorded()
    found = store.get(KEY)
    if found is None:
        assert (store.folder(KEY) / "record.json.damaged").read_bytes() == content
        assert store.outcome(KEY, "id").status is Status.PENDING
    else:
        assert json.loads(content) == RECORD
    assert store.recorded() == ([KEY] if found else [])


@settings(FUZZ, max_examples=280)
@given(changed({name: value for name, value in RECORD.items() if name != "checksum"}))
def test_a_record_of_other_types_is_refused_even_where_its_checksum_fits(attempt, body: Any) -> None:
    try:
        data = body | {"checksum": _checksum(body)} if isinstance(body, dict) else body
    except ValueError:  # NaN has no checksum
        data = body | {"checksum": "0" * 64}
    found = attempt(lambda: Record.from_dict(data), "record")
    if isinstance(found, Record):
        assert found.key.slot and "/" not in found.key.slot
        assert all(isinstance(metric.value, (int, float, type(None))) for metric in found.metrics.values())
        assert len({len(values) for values in found.roc.values()}) < 2


@settings(FUZZ, max_examples=110)
@given(st.builds(CellKey, *[st.text(max_size=20) | st.sampled_from([
    "../../x", "x" * 300, "\0", "a\nb", "\udcff", "/etc"]) for _ in range(4)], st.integers()))
@example(CellKey("m" * 300, "d", "s", "p", 0))
def test_the_folder_of_a_cell_lies_in_the_store_whatever_its_names(scratch, attempt, key: CellKey) -> None:
    store = RecordStore(scratch / "slots")
    assert store.folder(key).parent == store.root / "cells"
    assert attempt(lambda: store.get(key)) is None


@settings(FUZZ, max_examples=110)
@given(files({"id": "0", "error": "failed", "traceback": "", "attempts": 1}))
@example(b"[" * 100_000)
def test_a_changed_failure_is_one_or_none(scratch, content: bytes) -> None:
    found = store_with(scratch, "failure.json", content, 1).get_failure(KEY)
    assert found is None or isinstance(found, Failure) and isinstance(found.error, str)


@settings(FUZZ, max_examples=220)
@given(files(COUNTS, lines=True))
@example(json.dumps(COUNTS | {"tp": "3"}).encode())
@example(json.dumps(COUNTS).encode() + b"\n" + json.dumps(COUNTS | {"protocol": "opdc"}).encode())
def test_changed_counts_give_figures_or_are_refused_by_name(scratch, attempt, content: bytes) -> None:
    path = store_with(scratch, "per_image.jsonl", content, 2).folder(KEY) / "per_image.jsonl"
    found = attempt(lambda: read_count_file(path), path)
    if isinstance(found, list):
        assert all(value is None or math.isfinite(value) for value in summarise(found).values())


@settings(FUZZ, max_examples=110)
@given(files(DETAIL, lines=True))
@example(json.dumps(DETAIL | {"targets": [[9, True]]}).encode())
def test_changed_details_are_passed_over(scratch, content: bytes) -> None:
    folder = store_with(scratch, "details.jsonl", content, 3).folder(KEY)
    scene = Scene({}, [], [Outcome(KEY, Status.DONE, folder=folder)], {})
    for row in (row for rows in scene.details(KEY.method, KEY.dataset) for row in rows):
        assert all(area >= 0 or area < 0 for area, _, _ in row["targets"])
        assert row["false"] + 0 == row["false"]


@settings(FUZZ, max_examples=150)
@given(files({"near_duplicates": ["1", "2"]}))
@example(b'{"near_duplicates": 5}')
def test_a_changed_list_of_leaks_is_a_list_or_none(scratch, content: bytes) -> None:
    (scratch / "audits").mkdir(exist_ok=True)
    (scratch / "audits" / "f.json").write_bytes(content)
    found = read_leaks(scratch, "f")
    assert found is None or all(isinstance(name, str) for name in found)


@pytest.fixture(scope="module")
def filled(report_store, scratch: Path) -> RecordStore:
    """A store with two methods' records."""
    return report_store.fill(scratch / "filled", ("table1",), methods=["top_hat", "acm"])


@settings(FUZZ, max_examples=60)
@given(st.sampled_from(["record.json", "per_image.jsonl", "details.jsonl", "failure.json"]), st.data())
def test_a_report_is_made_or_refused_whatever_a_cell_holds(filled, command, quick_configs, no_figures, file,
                                                           data) -> None:
    folder = sorted((filled.root / "cells").iterdir())[0]
    kept = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    valid = {"record.json": RECORD, "per_image.jsonl": COUNTS, "details.jsonl": DETAIL, "failure.json": {"id": "0"}}
    content = data.draw(files(valid[file], lines=file.endswith("l")))
    (folder / file).write_bytes(content)
    if file == "failure.json":
        (folder / "record.json").unlink()
    try:
        ended = command(report.main, ["--suite", "table1", "--work-dir", str(filled.root), "--methods", "top_hat,acm",
                                      "--format", "md,csv,tex,json"])
        assert ended.code < 2 or str(folder) in ended.err
    finally:
        for path in folder.iterdir():
            if path.is_file() and path not in kept:
                path.unlink()
        for path, content in kept.items():
            path.write_bytes(content)


@pytest.fixture(scope="module")
def no_figures() -> Any:
    """Reports without figures: drawing takes seconds, and none of these files is read for it alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.build.draw_figures", lambda *arguments, **more: [])
        yield patch


@settings(FUZZ, max_examples=60)
@given(st.binary(max_size=60) | st.sampled_from([b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0\n"]),
       st.sampled_from(["maps/im0.png", "image", "mask"]))
def test_a_damaged_map_is_named(filled, attempt, content: bytes, which: str) -> None:
    key = next(key for key in filled.recorded() if key.method == "acm")
    outcome = filled.kept(key)
    images = next((filled.root / "images").iterdir())
    path = {"image": images / "im0.png", "mask": images / "im0.mask.png"}.get(which, outcome.folder / which)
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        result = SuiteResult({"datasets": [{"name": key.dataset}]}, [outcome])
        found = attempt(lambda: pictures(result, filled.root), path)
        assert not isinstance(found, list) or all(isinstance(one, Picture) for one in found)
    finally:
        path.write_bytes(before)


@settings(FUZZ, max_examples=60)
@given(st.lists(st.sampled_from(["top_hat", "acm", "saist", "../..", "", "x" * 300]), min_size=2, max_size=3),
       st.sampled_from(["iou", "iou,fa", "", "nothing", "iou,iou"]),
       st.sampled_from(["0", "0,0", "0,1", "", "-1", "x"]),
       st.booleans())
@example(["top_hat", "acm"], "nothing", "0", False)
@example(["top_hat", "acm"], "iou", ",", False)
def test_a_comparison_is_made_or_refused(filled, command, methods, metrics, seeds, as_json) -> None:
    ended = command(compare.main, [*methods, "--dataset", "synth-sirst", "--split", "generated", "--profile", "demo",
                                   f"--metrics={metrics}", f"--seeds={seeds}", "--work-dir", str(filled.root),
                                   *(["--json"] if as_json else [])])
    assert ended.code in (0, 2)


@settings(FUZZ, max_examples=100)
@given(st.binary(max_size=80))
def test_lines_that_are_no_objects_are_left_out(scratch, content: bytes) -> None:
    (scratch / "lines.jsonl").write_bytes(content)
    assert all(isinstance(row, dict) for row in read_lines(scratch / "lines.jsonl"))
