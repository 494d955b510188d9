"""``data.py caption`` with the real client against a server that misbehaves, and without one through CLIP."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark import data
from benchmark.captioning.endpoint import Pace
from benchmark.captioning.pipeline import Journal
from benchmark.cli import run_main
from benchmark.datasets.captions import read_captions
from benchmark.errors import DataError

PROJECT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("caption_server", Path(__file__).with_name("caption_server.py"))
caption_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(caption_server)
CaptionServer, STEP = caption_server.CaptionServer, caption_server.STEP

KEY = "sk-very-secret-word"


@pytest.fixture
def images(tmp_path) -> Path:
    """Six flat images with a bright target each, and their masks."""
    return make(tmp_path / "own", 6)


def make(folder: Path, count: int) -> Path:
    for index in range(count):
        image = np.full((40, 60), STEP * (index + 1), np.uint8)
        mask = np.zeros_like(image)
        image[9:14, 19:24] = 250  # a pixel wider than its mask on every side, as blurred targets are
        mask[10:13, 20:23] = 255
        for part, array in (("images", image), ("masks", mask)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(folder / part / f"im{index}.png")
    return folder


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)


def caption(folder, server, *more):
    return run_main(data.main, ["caption", str(folder), "--base-url", server.url, "--model", "eye", "--rpm", "60000",
                                "--retries", "3", "--timeout", "5", *more])


def everything_written(folder: Path, capsys) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err + "".join(path.read_text() for path in folder.glob("*.jsonl"))


def test_errors_of_the_server_are_tried_again_and_bad_answers_asked_again(images, capsys):
    plans = {0: ["429", "500", "slow"], 1: ["broken", "schema"], 2: ["leak", "form"], 3: ["fenced"], 4: ["drop"]}
    with CaptionServer(plans, slow=2.0) as server:
        assert caption(images, server, "--timeout", "1") == 0
    captions = {entry["image"]: entry for entry in read_captions(images / "captions.jsonl")}
    assert len(captions) == 6 and all(entry["review"] == "pending" for entry in captions.values())
    assert dict(server.asked) == {0: 4, 1: 3, 2: 3, 3: 1, 4: 2, 5: 1}
    assert captions["im1"]["asked"] == 3 and captions["im1"]["tokens"] == [2100, 270]
    assert captions["im0"]["tokens"] == [700, 90] and captions["im0"]["by"] == "eye"
    again = [body for body in server.bodies if len(body["messages"]) == 6][0]["messages"]
    assert again[2]["role"] == "assistant" and "That cannot be used" in again[3]["content"]
    said = " ".join(body["messages"][-1]["content"] for body in server.bodies if len(body["messages"]) > 2)
    for reason in ("not JSON", "scene_class 'space'", "must not hold spot", "worded as in their own fields"):
        assert reason in said
    assert "6 captions made, 0 failed" in capsys.readouterr().out


def test_what_is_sent_holds_no_target_and_asks_for_the_papers_form(images):
    with CaptionServer() as server:
        assert caption(images, server) == 0
    for index, image in server.images.items():
        assert image.shape == (40, 60) and np.ptp(image) <= 5  # inpainting is not exact to a level
        assert round(float(image.mean())) == STEP * (index + 1)
    body = server.bodies[0]
    assert "with <object>, <object>, and <object>" in body["messages"][0]["content"]
    assert body["response_format"] == {"type": "json_object"} and body["model"] == "eye"


def test_an_image_is_asked_for_three_times_at_most_and_not_again_in_the_next_run(images, capsys):
    with CaptionServer({1: ["broken"] * 9}) as server:
        assert caption(images, server) == 1
        assert server.asked[1] == 3
        assert "5 captions made, 1 failed" in capsys.readouterr().out
        (failure,) = Journal(images / "captions.failed.jsonl").entries.values()
        assert failure == {"image": "im1", "reason": "3 answers could not be used: the answer is not JSON",
                           "tokens": [2100, 270]}
        assert caption(images, server) == 0 and sum(server.asked.values()) == 8  # nothing more is paid for
        server.plans.clear()
        assert caption(images, server, "--retry-failed") == 0 and server.asked[1] == 4
    assert len(read_captions(images / "captions.jsonl")) == 6


def test_a_server_that_stays_broken_ends_the_run_and_the_next_one_goes_on(tmp_path, capsys):
    folder = make(tmp_path / "own", 9)
    with CaptionServer({index: ["500"] * 9 for index in range(9)}) as server:
        assert caption(folder, server, "--retries", "0", "--workers", "1") == 1
        assert sum(server.asked.values()) == 5  # then it is no use to go on
        out = capsys.readouterr().out
        assert "4 not tried" in out and "5 images in a row failed" in out and "same command again" in out
        server.plans.clear()
        assert caption(folder, server) == 0  # nothing was paid, so all are tried again
    assert len(read_captions(folder / "captions.jsonl")) == 9


def test_an_answer_that_is_not_of_the_protocol_fails_its_image_alone(images, capsys):
    with CaptionServer({0: ["html"], 1: ["torn"] * 9, 2: ["empty"] * 9}) as server:
        assert caption(images, server, "--retries", "0") == 1
    captured = capsys.readouterr()
    assert "3 captions made, 3 failed" in captured.out and "Traceback" not in captured.err
    assert "im0: the server's answer is not of OpenAI's protocol" in captured.err
    assert "im2: 3 answers could not be used" in captured.err


def test_a_wrong_key_stops_at_once_and_is_never_shown(images, capsys):
    with CaptionServer({index: ["401"] * 9 for index in range(6)}) as server:
        assert caption(images, server, "--workers", "1") == 1
        assert sum(server.asked.values()) == 1
        assert f"Bearer {KEY}" in server.headers[0].values()  # it was sent where it belongs
    written = everything_written(images, capsys)
    assert KEY not in written and "refused key <key>" in written and "AuthenticationError" in written


def test_the_key_is_in_no_debug_log_either(images, capsys, caplog):
    with caplog.at_level("DEBUG"), CaptionServer({1: ["500"]}) as server:
        assert caption(images, server, "--limit", "2") == 0
    assert caplog.records and KEY not in caplog.text + everything_written(images, capsys)


def test_without_a_key_or_a_model_nothing_is_asked(images, capsys, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with CaptionServer() as server:
        assert caption(images, server) == 2
        assert "no key in the environment variable OPENAI_API_KEY" in capsys.readouterr().err
        assert run_main(data.main, ["caption", str(images), "--base-url", server.url]) == 2
        assert "--model" in capsys.readouterr().err and not server.asked


def test_a_dry_run_estimates_and_asks_nothing(images, capsys, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with CaptionServer() as server:
        assert caption(images, server, "--dry-run", "--price-in", "2", "--price-out", "8", "--rpm", "3") == 0
        assert not server.asked
    out = capsys.readouterr().out
    from benchmark.captioning.prompt import INSTRUCTIONS

    tokens = 6 * (85 + 170 + -(-len(INSTRUCTIONS) // 4))  # images of one tile, a token in four characters
    assert f"about {tokens:,} input and 660 output tokens" in out
    assert f"cost about {(2 * tokens + 8 * 660) / 1e6:.2f}" in out and "at least 2.0 min" in out
    assert not (images / "captions.jsonl").exists()


def test_requests_run_side_by_side_and_no_faster_than_the_rate(images):
    with CaptionServer(delay=0.3) as server:
        assert caption(images, server, "--workers", "3") == 0
    assert server.most_under_way == 3
    moments, slept = [0.0], []
    pace = Pace(120, clock=lambda: moments[0], sleep=slept.append)
    for now in (0.0, 0.0, 0.1, 5.0):
        moments[0] = now
        pace.wait()
    assert slept == pytest.approx([0.5, 0.9])  # turns at 0, 0.5 and 1.0; after the pause at once


def test_tries_after_an_error_keep_to_the_rate_as_well(images):
    with CaptionServer({0: ["429"] * 3}) as server:
        assert caption(images, server, "--limit", "1", "--rpm", "240") == 0
    gaps = np.diff(server.times)
    assert len(gaps) == 3 and gaps.min() > 0.2  # the server asked for 30 ms, the rate is 250 ms


def test_a_killed_run_goes_on_without_paying_twice(tmp_path):
    folder = make(tmp_path / "own", 10)
    out = folder / "captions.jsonl"
    with CaptionServer(delay=0.05) as server:
        # From the sixth image on answers never come, so the kill finds two requests waiting.
        server.plans = {index: ["slow"] for index in range(5, 10)}
        server.slow = 60
        command = [sys.executable, "benchmark/data.py", "caption", str(folder), "--base-url", server.url, "--model",
                   "eye", "--rpm", "60000", "--workers", "2", "--timeout", "60"]
        process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and (not out.exists() or out.read_text().count("\n") < 5):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert out.read_text().count("\n") == 5
        with out.open("a") as file:
            file.write('{"image": "im5", "scene": "da')  # as a kill in the middle of a write leaves it
        server.plans.clear()
        assert caption(folder, server) == 0
    assert sorted(entry["image"] for entry in read_captions(out)) == sorted(f"im{index}" for index in range(10))
    assert all(server.asked[index] == 1 for index in range(5))
    assert all(server.answered[index] == 1 for index in range(5)), server.answered


def test_a_missing_mask_is_said_before_anything_is_asked(images, capsys):
    (images / "masks" / "im3.png").unlink()
    with CaptionServer() as server:
        assert caption(images, server) == 2 and not server.asked
        assert "im3.png: its mask is missing" in capsys.readouterr().err
        assert caption(images, server, "--without-masks") == 0
        assert server.images[0].max() == 250  # nothing was removed


def test_an_unreadable_image_is_a_failure_of_its_own(images, capsys):
    (images / "images" / "im2.png").write_bytes(b"\x89PNG broken")
    with CaptionServer() as server:
        assert caption(images, server) == 2 and "im2.png: not an image" in capsys.readouterr().err
        path = images / "images" / "im2.png"
        Image.fromarray(np.zeros((40, 60), np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:60])
        assert caption(images, server) == 1
        assert "5 captions made, 1 failed" in capsys.readouterr().out


def test_a_foreign_file_is_never_written_over(images, capsys):
    (images / "captions.jsonl").write_text("my notes\n")
    with CaptionServer() as server:
        assert caption(images, server) == 2 and not server.asked
    assert (images / "captions.jsonl").read_text() == "my notes\n"
    with pytest.raises(DataError, match="line 1: not a JSON object with an image"):
        Journal(images / "captions.jsonl")


def test_a_whole_last_line_that_lacks_its_end_is_kept_and_a_cut_one_is_not(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text('{"image": "a"}\n{"image": "b"}')
    Journal(path).add({"image": "c"})
    assert path.read_text() == '{"image": "a"}\n{"image": "b"}\n{"image": "c"}\n'
    path.write_text('{"image": "a"}\n{"image": "b')
    journal = Journal(path)
    assert list(journal.entries) == ["a"] and path.read_text().endswith('"b')  # looking changes nothing
    journal.add({"image": "c"})
    assert path.read_text() == '{"image": "a"}\n{"image": "c"}\n'


def test_clip_describes_without_an_endpoint(images, stack, capsys, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    from benchmark.captioning import by_clip, commands
    from models.sr_clip.clip import FrozenCLIP

    words = {"scenes": {"sea": ["dark sea", "calm sea"], "forest": ["pale forest"], "other": []},
             "objects": {"sea": ["low waves", "a grey sky", "a dark sky", "a far coast"], "forest": ["a"], "other": []}}
    describer = by_clip.ClipDescriber(FrozenCLIP("IR-CLIP-tiny", None, cache=False), words)
    monkeypatch.setattr(commands, "_describer", lambda arguments: describer.describe)
    assert run_main(data.main, ["caption", str(images), "--engine", "clip"]) == 0
    captions = read_captions(images / "captions.jsonl")
    assert len(captions) == 6 and {entry["by"] for entry in captions} == {"clip:random"}


def test_the_clause_of_the_clip_engine_says_what_is_measured(stack):
    from benchmark.captioning.by_clip import compose

    image = np.zeros((40, 40), np.uint8)
    image[20:] = 255
    text = compose("open dark sea", ["low waves", "grey sky", "far coast"], image)
    assert text == ("a photo of an open dark sea with low waves, grey sky, and far coast, brighter toward the bottom, "
                    "mid-grey on the whole.")
