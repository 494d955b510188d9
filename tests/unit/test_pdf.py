"""The PDF holds all that the CSV shows, on pages that fit, the same bytes each time; figures stand beside it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from pypdf import PdfReader

from benchmark.records import CellKey, Metric, Outcome, Record, Status, SuiteResult
from reports.build import build_report

NOTICE = "Demonstration: made-up numbers"
SIXTEEN = [f"m{index}" for index in range(16)]
THREE = ("nudt-sirst", "irstd-1k", "nuaa-sirst")


def done(method: str, dataset: str, seed: int = 0, number: int = 0) -> Outcome:
    """A made-up finished cell; ``number`` makes its values differ from those of others."""
    key = CellKey(method, dataset, "official", "fast", seed)
    step = [index / 10 for index in range(11)]
    return Outcome(key, Status.DONE, record=Record(
        f"{number:016x}", key, {"n": number},
        {"iou": Metric(0.3 + number / 97, 0.2, 0.99), "niou": Metric(0.31 + number / 101, 0.2, 0.99),
         "pd": Metric(0.32 + number / 103, 0.2, 0.99), "fa": Metric(3.0 * 1.2 ** number, 1.0, 30000.5),
         "target_auc": Metric(0.9), "pixel_auc": Metric(0.95)},
        roc={"thresholds": step, "tpr": step[::-1], "fpr": step[::-1], "pd": step[::-1],
             "fa": [value / 1000 for value in step[::-1]]},
        cost={"params": 385637 + number, "latency_ms": 63.5},
        training={"epochs": 45, "epoch": 45, "selection": "last",
                  "curve": [{"epoch": 1, "loss": 2.5, "val_iou": 0.1}, {"epoch": 2, "loss": 0.7, "val_iou": 0.3}]},
        provenance={"git": {"commit": "c" * 40, "dirty": False}, "versions": {"python": "3.11.7"},
                    "hardware": {"cpu": "Test CPU", "cores": 2, "memory_gb": 24.0, "gpu": []}, "device": "cpu",
                    "data": {"fingerprint": "f" * 16, "real": True}, "weights": {"kind": "random"},
                    "started": "2026-01-02T03:04:05Z", "finished": "2026-01-02T04:04:05Z", "command": "run $x #y"}))


def result(outcomes, methods, datasets=("nuaa-sirst",), notes=()) -> SuiteResult:
    suite = {"name": "table1", "title": "A #title with $signs$", "published": "table1",
             "metrics": ("iou", "niou", "pd", "fa"), "seeds": [0], "profile": "fast", "protocol": "standard",
             "methods": [{"name": name, "title": name.upper(), "type": "CNN", "reconstruction": False}
                         for name in methods],
             "datasets": [{"name": name, "title": name.upper(), "real": True, "split": "official"}
                          for name in datasets], "notes": list(notes)}
    return SuiteResult(suite, outcomes)


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> dict[str, Path]:
    """A report of sixteen methods on three datasets, all done."""
    outcomes = [done(method, dataset, number=3 * index + place) for index, method in enumerate(SIXTEEN)
                for place, dataset in enumerate(THREE)]
    return build_report(result(outcomes, SIXTEEN, THREE, [NOTICE]), tmp_path_factory.mktemp("full"))


def pages(path: Path) -> list[str]:
    return [" ".join(page.extract_text().split()) for page in PdfReader(path).pages]


def test_every_number_of_the_csv_stands_on_the_first_page_of_the_pdf(full):
    first = pages(full["pdf"])[0]
    rows = list(csv.DictReader(io.StringIO(full["csv"].read_text(encoding="utf-8"))))
    assert len(rows) == 16 * 3 * 4
    assert [row["text"] for row in rows if row["text"] not in first] == []


def test_no_row_of_cost_or_provenance_is_lost_at_the_end_of_a_page(full):
    text = " ".join(pages(full["pdf"]))
    assert all(f"{385637 + number:,}" in text and f"{number:016x}" in text for number in range(48))


def test_nothing_is_drawn_outside_a_page(full):
    for page in PdfReader(full["pdf"]).pages:
        places: list[tuple[float, float]] = []

        def visit(text, cm, tm, font, size, places=places):
            if text.strip():
                places.append((tm[4] * cm[0] + cm[4], tm[5] * cm[3] + cm[5]))

        page.extract_text(visitor_text=visit)
        width, height = float(page.mediabox.width), float(page.mediabox.height)
        assert all(20 < x < width - 20 and 20 < abs(y) < height - 20 for x, y in places)


def test_the_demonstration_notice_stands_on_every_page_and_figure(full):
    assert all(NOTICE in page for page in pages(full["pdf"]))


def test_the_pdf_has_no_build_date_and_tells_the_day_of_the_newest_record(full):
    information = PdfReader(full["pdf"]).metadata
    assert "/CreationDate" not in information and "/ModDate" not in information
    assert "newest record 2026-01-02" in pages(full["pdf"])[0]


def test_texts_are_shown_and_not_run(full):
    text = " ".join(pages(full["pdf"]))
    assert "A #title with $signs$" in text and "run $x #y" in text


def test_two_builds_are_equal_byte_for_byte_figures_included(tmp_path):
    found = result([done("m0", "nuaa-sirst", number=1), done("m1", "nuaa-sirst", number=2)], ["m0", "m1"])
    for name in ("one", "two"):
        build_report(found, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) == 6 + 3 * 5
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_what_did_not_run_is_listed_once_for_each_reason(tmp_path):
    outcomes = [done("m0", "nuaa-sirst")] + [
        Outcome(CellKey(name, "nuaa-sirst", "official", "fast", 0), Status.SKIPPED, "no {weights} #here")
        for name in ("m1", "m2")]
    text = " ".join(pages(build_report(result(outcomes, ["m0", "m1", "m2"]), tmp_path, ["pdf"])["pdf"]))
    assert "3 cells: 1 done, 2 skipped." in text
    assert "skipped: no {weights} #here – M1, M2 on NUAA-SIRST." in text


def test_nothing_done_makes_a_report_without_figures_and_clears_those_of_before(tmp_path):
    build_report(result([done("m0", "nuaa-sirst")], ["m0"]), tmp_path, ["md"])
    assert len(list((tmp_path / "figures").iterdir())) == 15
    nothing = [Outcome(CellKey("m0", "nuaa-sirst", "official", "fast", 0), Status.PENDING)]
    written = build_report(result(nothing, ["m0"]), tmp_path)
    assert list((tmp_path / "figures").iterdir()) == []
    assert all(path.stat().st_size for path in written.values())


def test_records_with_empty_fields_still_make_a_report(tmp_path):
    key = CellKey("m0", "nuaa-sirst", "official", "fast", 0)
    bare = Record("0" * 16, key, {}, {"iou": Metric(0.5)})
    text = " ".join(pages(build_report(result([Outcome(key, Status.DONE, record=bare)], ["m0"]), tmp_path)["pdf"]))
    assert "50.00" in text
