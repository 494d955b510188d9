"""Records survive everything but tampering, and a cell's status follows from what lies in its folder."""

from __future__ import annotations

import json
import os

import pytest

from benchmark.errors import StoreError
from benchmark.records import CellKey, Failure, Metric, Record, RecordStore, Status

KEY = CellKey("acm", "nuaa-sirst", "official", "fast", 0)


def make_record(cell_id: str = "a" * 16) -> Record:
    return Record(id=cell_id, key=KEY, config={"seed": 0}, metrics={"iou": Metric(0.123456789, 0.1, 0.2),
                                                                   "pd": Metric(None, reason="no target")})


def test_a_record_comes_back_unrounded_and_equal(tmp_path):
    store = RecordStore(tmp_path)
    store.put(make_record(), per_image=[{"image_id": "x", "tp": 3}])
    assert store.get(KEY) == make_record()
    assert store.per_image(KEY) == [{"image_id": "x", "tp": 3}]


def test_an_edited_record_is_set_aside_and_counts_as_absent(tmp_path):
    store = RecordStore(tmp_path)
    store.put(make_record())
    path = store.folder(KEY) / "record.json"
    path.write_text(path.read_text().replace("0.123456789", "0.99"))
    assert store.get(KEY) is None
    assert (store.folder(KEY) / "record.json.damaged").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"schema": 1}', "\x00\xff"])
def test_a_damaged_record_is_never_an_exception(tmp_path, content):
    store = RecordStore(tmp_path)
    store.folder(KEY).mkdir(parents=True)
    (store.folder(KEY) / "record.json").write_text(content)
    assert store.get(KEY) is None


def test_status_is_pending_then_failed_then_done_then_stale(tmp_path):
    store = RecordStore(tmp_path)
    assert store.outcome(KEY, "a" * 16).status is Status.PENDING
    store.put_failure(KEY, Failure("a" * 16, "out of luck"))
    failed = store.outcome(KEY, "a" * 16)
    assert (failed.status, failed.reason) == (Status.FAILED, "out of luck")
    store.put(make_record())
    assert store.outcome(KEY, "a" * 16).status is Status.DONE
    assert store.get_failure(KEY) is None  # a success forgets the failure before it
    assert store.outcome(KEY, "b" * 16).status is Status.STALE


def test_a_failure_of_an_older_config_does_not_count_against_the_new_one(tmp_path):
    store = RecordStore(tmp_path)
    store.put_failure(KEY, Failure("a" * 16, "old"))
    assert store.outcome(KEY, "b" * 16).status is Status.PENDING


def test_nan_is_refused_instead_of_written(tmp_path):
    record = Record(id="a" * 16, key=KEY, config={}, metrics={"iou": Metric(float("nan"))})
    with pytest.raises(ValueError, match="JSON compliant"):
        RecordStore(tmp_path).put(record)
    assert not list(tmp_path.rglob("record.json"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_is_one_clear_error_as_user(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot write to work folder .* --work-dir"):
        RecordStore(tmp_path / "work")


def test_a_work_folder_that_is_a_file_is_one_clear_error(tmp_path):
    (tmp_path / "work").write_text("")
    with pytest.raises(StoreError, match="cannot write to work folder .* --work-dir"):
        RecordStore(tmp_path / "work")


def test_a_slot_is_one_folder_name_whatever_the_split_is_called():
    assert KEY.slot == "acm__nuaa-sirst__official__fast__s0"
    key = CellKey("acm", "My Set", "../lists/of mine", "fast", 3)
    assert key.slot == "acm__My-Set__lists-of-mine__fast__s3"


def test_no_temporary_file_is_left(tmp_path):
    store = RecordStore(tmp_path)
    store.put(make_record())
    names = {path.name for path in store.folder(KEY).iterdir()}
    assert names == {"record.json", "per_image.jsonl"}
    assert json.loads((store.folder(KEY) / "record.json").read_text())["schema"] == 1
