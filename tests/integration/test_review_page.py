"""The review page in headless Chromium, with real clicks, and its server against requests that are not its page's."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.captioning.review import ReviewFile, ReviewServer
from benchmark.captioning.scenes import find_scenes
from benchmark.datasets.captions import read_captions
from benchmark.errors import DataError

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,800")
OBJECTS = ["sharp horizon line", "pale wave crests", "plain grey sky"]
HOSTILE = "<img src=x onerror=document.title='owned'>"
WAIT = 60


def caption(image, scene="dark open sea"):
    text = f"a photo of a {scene} with {', '.join(OBJECTS[:2])}, and {OBJECTS[2]}, rough water filling the lower half."
    return {"image": image, "scene": scene, "scene_class": "sea", "objects": OBJECTS, "text": text, "by": "eye"}


@pytest.fixture
def folder(tmp_path) -> Path:
    """Four scenes with a target each; the last caption and the last image's name hold markup."""
    ids = ["im1", "im2", "im3", "a<b>&'\"é"]
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for index, name in enumerate(ids):
        rows, columns = np.mgrid[:120, :160]
        image = (60 + 30 * index + rows / 2 + 8 * np.sin(columns / 9)).astype(np.uint8)
        mask = np.zeros_like(image)
        image[30:34, 40:44] = mask[30:34, 40:44] = 255
        Image.fromarray(image).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    entries = [caption(name) for name in ids[:3]] + [caption(ids[3], HOSTILE)]
    (tmp_path / "captions.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return tmp_path


@pytest.fixture
def server(folder):
    scenes = find_scenes(str(folder), folder, with_masks=True)
    server = ReviewServer(ReviewFile(folder / "captions.jsonl"), {scene.id: scene for scene in scenes})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def browser(tmp_path_factory):
    """A headless Chromium of its own; where there is none, a failure in CI and a skip elsewhere."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        message = f"the review page is tested in a browser: {' and '.join(missing)} not found; " \
                  "apt-get install chromium chromium-driver"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(programs["chromedriver"]))
    yield driver
    driver.quit()


def test_accept_edit_and_reject_by_clicks_end_up_in_the_file(browser, server, folder):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def find(name):
        return browser.find_element(By.ID, name)

    def until(condition):
        WebDriverWait(browser, WAIT).until(lambda _: condition())

    def saved():
        return {entry["image"]: entry for entry in read_captions(folder / "captions.jsonl", every=True)}

    def retype(name, text):
        find(name).clear()
        find(name).send_keys(text)

    browser.get(server.url)
    until(lambda: find("name").text == "im1")
    assert find("counts").text == "4 pending · 0 accepted · 0 edited · 0 rejected"
    assert find("text").get_attribute("value") == caption("im1")["text"]
    until(lambda: browser.execute_script("return document.getElementById('image').naturalWidth") == 160)

    find("accept").click()
    until(lambda: find("name").text == "im2")
    assert saved()["im1"] == caption("im1") | {"review": "accepted"}  # nothing else has changed

    # An edit that breaks the schema is refused and nothing is saved; then it is put right.
    retype("text", "a photo of a sea")
    assert find("words").text.startswith("5 words")
    find("save").click()
    until(lambda: "5 words, not 20 to 28" in find("message").text)
    assert saved()["im2"] == caption("im2")
    find("accept").click()  # and unsaved edits are not lost by a wrong click
    until(lambda: "unsaved edits" in find("message").text)
    retype("scene", "calm grey sea")
    retype("text", caption("im2", "calm grey sea")["text"])
    find("save").click()
    until(lambda: find("name").text == "im3")
    assert saved()["im2"] == caption("im2", "calm grey sea") | {"review": "edited"}

    find("reject").click()
    until(lambda: find("name").text == "a<b>&'\"é")
    assert saved()["im3"]["review"] == "rejected"
    assert {entry["image"] for entry in read_captions(folder / "captions.jsonl")} == {"im1", "im2", "a<b>&'\"é"}

    # What a file holds is shown as text: no markup of it becomes part of the page.
    assert find("scene").get_attribute("value") == HOSTILE and browser.title == "Review captions"
    assert not browser.find_elements(By.CSS_SELECTOR, "#list b, main b, img:not(#image)")
    until(lambda: browser.execute_script("return document.getElementById('image').naturalWidth") == 160)
    find("original").click()
    until(lambda: "/original/" in find("image").get_attribute("src"))
    assert find("counts").text == "1 pending · 1 accepted · 1 edited · 1 rejected"

    filters = find("filter")
    filters.find_element(By.CSS_SELECTOR, "option[value=edited]").click()
    until(lambda: [button.text for button in browser.find_elements(By.CSS_SELECTOR, "#list button")]
          == ["im2", "a<b>&'\"é"])
    if shots := os.environ.get("REVIEW_SCREENSHOT"):
        browser.save_screenshot(shots)
    # The one refused edit is reported as 422; anything else, such as a blocked script, is a fault of the page.
    said = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not [message for message in said if "422" not in message and "favicon" not in message], said


def request(server, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.read(), response


def test_the_image_that_is_shown_has_no_target_and_the_original_has(server):
    import cv2

    for kind, bright in (("image", False), ("original", True)):
        status, content, _ = request(server, "GET", f"/{kind}/im1")
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert status == 200 and image.shape == (120, 160) and (image.max() == 255) == bright


def test_other_sites_and_other_machines_names_are_refused(server, folder):
    before = (folder / "captions.jsonl").read_bytes()
    body = json.dumps({"review": "rejected"})
    json_type = {"Content-Type": "application/json"}
    for status, headers in ((403, json_type | {"Host": "evil.example"}), (403, json_type | {"Origin": "http://evil.example"}),
                            (404, {"Content-Type": "text/plain"}),
                            (404, {"Content-Type": "application/x-www-form-urlencoded"})):
        assert request(server, "POST", "/captions/im1", body, **headers)[0] == status
    assert request(server, "GET", "/captions", Host="evil.example")[0] == 403
    assert (folder / "captions.jsonl").read_bytes() == before
    assert request(server, "POST", "/captions/im1", body, **json_type)[0] == 200


def test_nothing_outside_the_scenes_is_served_and_nothing_loads_from_elsewhere(server):
    for path in ("/image/..%2Fcaptions.jsonl", "/image/nobody", "/captions.jsonl", "/../etc/passwd", "/image/"):
        assert request(server, "GET", path)[0] == 404
    status, page, response = request(server, "GET", "/")
    policy = response.headers["Content-Security-Policy"]
    assert status == 200 and "default-src 'none'" in policy and "unsafe" not in policy
    assert b"http://" not in page and b"https://" not in page and b"innerHTML" not in page


@pytest.mark.parametrize(("body", "status"), [
    ("{", 400), ("[1]", 400), (json.dumps({"review": "pending"}), 422), (json.dumps({"review": ["accepted"]}), 422),
    (json.dumps({"review": "edited", "objects": ["one"]}), 422), (json.dumps({"review": "edited", "text": 7}), 422),
    (json.dumps({"review": "edited", "scene": "other sea"}), 422),
])
def test_a_wrong_request_changes_nothing(server, folder, body, status):
    before = (folder / "captions.jsonl").read_bytes()
    found, answer, _ = request(server, "POST", "/captions/im1", body, **{"Content-Type": "application/json"})
    assert found == status and json.loads(answer)["error"]
    assert (folder / "captions.jsonl").read_bytes() == before


def test_captions_added_meanwhile_survive_a_decision(server, folder):
    with (folder / "captions.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(caption("im9")) + "\n")
    ReviewFile(folder / "captions.jsonl").decide("im1", {"review": "accepted"})
    assert [entry["image"] for entry in read_captions(folder / "captions.jsonl")][-1] == "im9"
    with pytest.raises(DataError, match="no caption of image 'nobody'"):
        ReviewFile(folder / "captions.jsonl").decide("nobody", {"review": "accepted"})
