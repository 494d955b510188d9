"""``report.py`` over made-up records of every suite: values read back from PDF, HTML and browser equal the records."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pypdf import PdfReader

from benchmark.errors import StoreError
from benchmark.records import CellKey, RecordStore
from benchmark.report import main
from benchmark.suites import load_suite

MEMBERS = tuple(load_suite("all")["suites"])


@pytest.fixture(scope="module")
def store(tmp_path_factory, report_store) -> RecordStore:
    return report_store.fill(tmp_path_factory.mktemp("work"), MEMBERS)


@pytest.fixture(scope="module")
def built(store) -> Path:
    """The report of all suites, built by the command; exit code 1, since a method has not been run."""
    started = time.process_time()
    assert main(["--suite", "all", "--work-dir", str(store.root)]) == 1
    assert time.process_time() - started < 60
    return store.root / "all"


def page_data(path: Path) -> dict:
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


@pytest.fixture(scope="module")
def page(built) -> dict:
    """What the HTML page shows."""
    return page_data(built / "all.html")


@pytest.fixture(scope="module")
def pdf(built) -> str:
    """Text of the PDF."""
    path = built / "all.pdf"
    return " ".join(" ".join(page.extract_text() for page in PdfReader(path).pages).split())


def test_every_suite_has_its_files_and_its_pages(built, pdf, page):
    names = {part["name"] for part in page["parts"]}
    for name in MEMBERS:
        assert all((built / f"{name}.{kind}").stat().st_size > 200 for kind in ("md", "csv", "tex", "json"))
        assert f"{load_suite(name)['title']} suite {name}" in pdf and name in names
    for name in ("table1/iou", "table1/speed", "table1/sizes", "table1/errors", "fig4/qualitative", "fig5/roc_target",
                 "fig6/prompts", "fig7/decoders", "cross/cross", "robustness/severity", "scr/scr"):
        assert all((built / "figures" / f"{name}.{kind}").stat().st_size > 1000 for kind in ("svg", "pdf", "png"))


@pytest.mark.parametrize(("suite", "row", "column", "metric", "cell"), [
    ("table1", "top_hat", "synth-sirst", "iou", "top_hat__synth-sirst"),
    ("table2", "saist", "synth-sirst", "pd", "saist__synth-sirst"),
    ("table2", "wo_sr_clip", "synth-sirst", "iou", "saist+8ac72e23__synth-sirst"),
    ("table4", "clip", "synth-sirst", "iou", "saist+8ac72e23__synth-sirst"),
    ("robustness", "acm@noise", "synth-sirst/3", "iou", "acm__synth-sirst+noise-3"),
    ("robustness", "acm@noise", "synth-sirst/0", "iou", "acm__synth-sirst"),
    ("scr", "ipi", "synth-sirst/scr-5", "pd", "ipi__synth-sirst+scr-5"),
    ("protocols", "top_hat@opdc", "synth-sirst", "fa", "top_hat__synth-sirst+by-opdc"),
    ("leakage", "acm@all", "synth-sirst", "iou", "acm__synth-sirst"),
])
def test_a_value_in_csv_html_and_pdf_is_that_of_its_record(built, store, pdf, page, suite, row, column, metric, cell):
    metrics = json.loads((store.root / "cells" / f"{cell}__generated__demo__s0" / "record.json").read_text())["metrics"]
    value = metrics[metric]["value"]
    shown = f"{value * (1 if metric == 'fa' else 100):.2f}"
    lines = list(csv.DictReader((built / f"{suite}.csv").open(encoding="utf-8")))
    (line,) = [one for one in lines if (one["method"], one["dataset"], one["metric"]) == (row, column, metric)]
    assert float(line["value"]) == value and line["text"] == shown
    (part,) = [one for one in page["parts"] if one["name"] == suite]
    (entry,) = [one for one in part["rows"] if one["name"] == row]
    assert entry["values"][f"{column}|{metric}"]["text"] == shown
    assert entry["values"][f"{column}|{metric}"]["sort"] == value
    assert shown in pdf


def test_the_pdf_tells_what_was_not_run_where_numbers_come_from_and_what_they_cost(pdf):
    assert "Not run of table1" in pdf and "not run yet" in pdf
    assert "commit cccccccccc" in pdf and "newest record 2026-01-02" in pdf
    assert "What it cost" in pdf and "385,637" in pdf and "Made-up CPU" in pdf and "feedfacefeedface" in pdf
    assert "paired bootstrap" in pdf and "Holm" in pdf and "‡" in pdf


def test_two_builds_are_equal_byte_for_byte(built, store, tmp_path):
    main(["--suite", "table2", "--work-dir", str(store.root), "--out", str(tmp_path / "one")])
    main(["--suite", "table2", "--work-dir", str(store.root), "--out", str(tmp_path / "two")])
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(files) == 6 + 3 * 5
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_records_from_elsewhere_make_the_report_without_torch_data_or_maps(store, tmp_path, project):
    for name in ("top_hat", "acm"):
        source = store.folder(CellKey(name, "synth-sirst", "generated", "demo", 0))
        (tmp_path / "cells" / source.name).mkdir(parents=True)
        shutil.copy(source / "record.json", tmp_path / "cells" / source.name)
    code = ("import sys, runpy; sys.argv = ['report.py', '--suite', 'fig4', '--format', 'md,html', '--work-dir', "
            f"{str(tmp_path)!r}]\n"
            "try: runpy.run_path('benchmark/report.py', run_name='__main__')\n"
            "except SystemExit as end: print(end.code, 'torch' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=project, check=True,
                          env={**os.environ, "IRSTD_DATA_ROOT": str(tmp_path / "none")})
    assert done.stdout.splitlines()[-1] == "1 False"
    markdown = (tmp_path / "fig4" / "fig4.md").read_text(encoding="utf-8")
    assert "Top-Hat" in markdown and "no score maps are kept" in markdown
    assert page_data(tmp_path / "fig4" / "fig4.html")["gallery"] == {"methods": [], "images": []}


def test_an_empty_store_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(StoreError, match="holds no records; run a suite first"):
        main(["--suite", "all", "--work-dir", str(tmp_path)])
    with pytest.raises(StoreError, match="no such work folder"):
        main(["--suite", "all", "--work-dir", str(tmp_path / "nowhere")])


def test_the_page_asks_for_nothing_and_texts_cannot_end_its_script(built):
    from reports.html import embedded

    text = (built / "all.html").read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="(?!data:)', text) and "default-src 'none'" in text
    assert "http" not in re.sub(r"http://www\.w3\.org/2000/svg", "", text.split("</style>")[1].split('id="data"')[0])
    nasty = embedded({"a": "</script><script>alert(1)</script>\u2028"})
    assert "<" not in nasty and json.loads(nasty)["a"].startswith("</script>")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium; without one a failure in CI and a skip elsewhere."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not driver:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("chromium and chromium-driver are not here")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    found = webdriver.Chrome(options=options, service=Service(driver))
    yield found
    found.quit()


def resize(browser, width: int) -> None:
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500})


def click(browser, selector: str):
    element = browser.find_element("css selector", selector)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", element)
    element.click()
    return element


def painted(browser) -> str:
    """The canvas's content once it shows what was asked for last."""
    ready = "const c = document.querySelector('canvas'); return c && c.dataset.painted === c.dataset.wanted"
    deadline = time.monotonic() + 60
    while not browser.execute_script(ready):
        assert time.monotonic() < deadline, "the gallery never painted its picture"
        time.sleep(0.05)
    return browser.execute_script("return document.querySelector('canvas').toDataURL()")


@pytest.mark.parametrize("width", [1280, 390])
def test_real_clicks_sort_filter_hover_zoom_and_leaf_through_the_gallery(built, store, browser, width):
    resize(browser, width)
    browser.get((built / "all.html").as_uri())

    def column() -> list[str]:
        cells = browser.find_elements("css selector", "table.measured tbody td[data-key='synth-sirst|iou'] .value")
        return [cell.text for cell in cells]

    click(browser, "[data-column='synth-sirst|iou']")
    shown = [float(text) for text in column() if text != "–"]
    assert shown == sorted(shown, reverse=True) and len(shown) >= 4 and column()[-1] == "–"
    click(browser, "[data-column='synth-sirst|iou']")
    assert [float(text) for text in column() if text != "–"] == shown[::-1]
    record = store.get(CellKey("acm", "synth-sirst", "generated", "demo", 0))
    cell = click(browser, "tr[data-method='acm'] td[data-key='synth-sirst|iou']")
    tip = browser.find_element("css selector", "#tip").text
    iou = record.metrics["iou"]
    assert f"{100 * iou.value:.2f}" in cell.text and f"[{100 * iou.low:.2f}, {100 * iou.high:.2f}]" in tip
    assert record.id in tip and "Made-up CPU" in tip and "common" in tip
    browser.find_element("css selector", "input[type='search']").send_keys("hat")
    assert len(column()) == 1
    click(browser, "[data-roc] [data-zoom='in']")
    window = browser.find_element("css selector", "[data-roc] svg").get_attribute("data-window")
    click(browser, "[data-roc] [data-zoom='reset']")
    assert window != "-7.0000 0.0000 0.0000 1.0200" == browser.find_element(
        "css selector", "[data-roc] svg").get_attribute("data-window")
    curve = browser.find_element("css selector", "[data-roc] polyline[data-method='acm']")
    drawn = curve.get_attribute("points").split()
    assert len(drawn) == sum(fa > 0 or pd > 0 for fa, pd in zip(record.roc["fa"], record.roc["pd"], strict=True))
    assert len(drawn) < len(record.roc["fa"]), "no line leads to where nothing is marked"
    click(browser, "[data-view='robustness']")
    assert len(browser.find_elements("css selector", "table.measured thead th.group")) == 6
    click(browser, "input[data-dataset='synth-sirst/3']")
    assert len(browser.find_elements("css selector", "table.measured thead th.group")) == 5
    click(browser, "[data-view='gallery']")
    first = painted(browser)
    click(browser, "[data-truth] input")
    without = painted(browser)
    click(browser, "[data-map='ACM'] input")
    assert len({first, without, painted(browser)}) == 3
    click(browser, "[data-step='next']")
    assert "2 of 4" in browser.find_element("css selector", "#image-title").text and painted(browser) != first
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.get_log("browser") == []
