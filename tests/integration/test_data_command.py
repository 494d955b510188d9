"""``data.py`` through the command line, with files and a server that the test makes."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PROJECT = Path(__file__).resolve().parents[2]


def data(*arguments: str, root: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "benchmark/data.py", *arguments, "--data-root", str(root)], cwd=PROJECT,
                          capture_output=True, text=True, timeout=120)


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def archive(count: int = 427, **extra: bytes) -> bytes:
    """A zip in the layout of the NUAA-SIRST repository, with tiny images."""
    image, mask = png(np.zeros((4, 4), np.uint8)), png(np.full((4, 4), 255, np.uint8))
    names = [f"Misc_{index}" for index in range(1, count + 1)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as content:
        for name in names:
            content.writestr(f"sirst-master/images/{name}.png", image)
            content.writestr(f"sirst-master/masks/{name}_pixels0.png", mask)
        halves = {"train": names[: count // 2], "test": names[count // 2:], "val": []}
        for pattern in ("splits/{}_NUAA-SIRST.txt", "idx_427/{}.txt", "splits/YangBo_{}.txt"):
            for part, ids in halves.items():
                content.writestr("sirst-master/" + pattern.format(part), "\n".join(ids))
        for name, payload in extra.items():
            content.writestr(name, payload)
    return buffer.getvalue()


class Server:
    """Serves one file with byte ranges; the first answers break off half-way when told to."""

    def __init__(self, content: bytes, breaks: int = 0) -> None:
        server = self
        self.breaks, self.ranges = breaks, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
                server.ranges.append(start)
                rest = content[start:]
                self.send_response(206 if wanted else 200)
                self.send_header("Content-Length", str(len(rest)))
                self.end_headers()
                if server.breaks:
                    server.breaks -= 1
                    rest = rest[: len(rest) // 2]
                self.wfile.write(rest)

            def log_message(self, *arguments: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/sirst.zip"

    def __enter__(self) -> Server:
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.http.shutdown()


def test_a_download_that_breaks_off_is_resumed_verified_and_unpacked(tmp_path):
    content = archive()
    with Server(content, breaks=2) as server:
        result = data("prepare", "nuaa-sirst", "--url", server.url, "--sha256", hashlib.sha256(content).hexdigest(),
                      root=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "complete: 427 pairs" in result.stdout
        assert server.ranges[0] == 0 and 0 < server.ranges[1] < server.ranges[2]  # it went on, it did not begin again
        assert {path.name for path in tmp_path.iterdir()} == {"NUAA-SIRST"}
        again = data("prepare", "nuaa-sirst", "--url", server.url, root=tmp_path)
        assert again.returncode == 0 and len(server.ranges) == 3  # nothing is fetched twice


def test_a_wrong_checksum_leaves_nothing_behind(tmp_path):
    with Server(archive(3)) as server:
        result = data("prepare", "nuaa-sirst", "--url", server.url, "--sha256", "0" * 64, root=tmp_path)
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1 and "expected 000" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("content", "message"), [
    (b"not a zip", "not a whole zip file"), (archive(3, **{"../escaped.txt": b"x"}), "leaves the folder"),
    (archive(3, **{"/absolute.txt": b"x"}), "leaves the folder"), (archive(0), "holds no folder images"),
])
def test_a_wrong_archive_never_leaves_half_a_set_or_its_folder(tmp_path, content, message):
    root = tmp_path / "root"
    with Server(content) as server:
        result = data("prepare", "nuaa-sirst", "--url", server.url, root=root)
    assert result.returncode == 2 and message in result.stderr, result.stdout + result.stderr
    assert not (root / "NUAA-SIRST").exists() and not (tmp_path / "escaped.txt").exists()
    assert not list(root.glob(".*"))


def test_a_server_that_does_not_answer_is_one_line(tmp_path):
    result = data("prepare", "nuaa-sirst", "--url", "http://127.0.0.1:9/none.zip", root=tmp_path)
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1 and "same command again" in result.stderr


def test_what_was_placed_by_hand_is_checked(tmp_path):
    with zipfile.ZipFile(io.BytesIO(archive(5))) as content:
        content.extractall(tmp_path)
    (tmp_path / "sirst-master").rename(tmp_path / "NUAA-SIRST")
    (tmp_path / "NUAA-SIRST" / "masks" / "Misc_3_pixels0.png").unlink()
    result = data("prepare", "nuaa-sirst", root=tmp_path)
    assert result.returncode == 1
    assert "Misc_3.png: its mask is missing" in result.stdout and "5 images, expected 427" in result.stdout


def test_a_set_without_a_public_address_says_where_to_get_it(tmp_path):
    result = data("prepare", "irstd-1k", root=tmp_path)
    assert result.returncode == 1 and "get it from the homepage" in result.stdout and "RuiZhang97" in result.stdout


def own(root: Path, count: int) -> Path:
    """A folder with two targets in each image."""
    folder = root / "own"
    generator = np.random.default_rng(0)
    for index in range(count):
        image = generator.integers(0, 255, (40, 50), dtype=np.uint8)
        mask = np.zeros((40, 50), np.uint8)
        mask[5:9, 5:9] = mask[20:22, 30:33] = 1
        for part, array in (("images", image), ("masks", mask)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            (folder / part / f"im{index}.png").write_bytes(png(array))
    return folder


def test_verify_counts_what_is_there_and_lists_problems(tmp_path):
    folder = own(tmp_path, count=12)
    lists = folder / "lists"
    lists.mkdir()
    (lists / "train.txt").write_text("\n".join(f"im{index}" for index in range(6)))
    (lists / "test.txt").write_text("\n".join(f"im{index}" for index in range(6, 12)))
    (folder / "images" / "im7.png").write_bytes((folder / "images" / "im0.png").read_bytes())  # a leak
    command = ("verify", str(folder), "--split", str(lists))
    found = json.loads(data(*command, "--json", root=tmp_path).stdout)[0]
    assert (found["pairs"], found["targets"], found["targets_per_image"]) == (12, 24, 2.0)
    assert found["parts"] == {"train": 6, "val": 0, "test": 6} and found["mask_codings"] == {"0/1": 12}
    assert found["area_percentiles"]["50"] == 11  # half the targets have 16 pixels, half 6
    assert found["near_duplicates"]["test"]["count"] == 1
    assert found["near_duplicates"]["test"]["pairs"][0][:2] == ["im7", "im0"]
    for mask in list((folder / "masks").iterdir()):
        mask.rename(mask.with_name(f"{mask.stem}_pixels0.png"))
    (folder / "masks" / "alone.png").write_bytes(png(np.zeros((40, 50), np.uint8)))
    problems = json.loads(data(*command, "--json", root=tmp_path).stdout)[0]["problems"]
    assert problems == [f"{folder}/masks/alone.png: mask without an image"]
    (folder / "images" / "im3.png").write_bytes(b"broken")
    result = data(*command, root=tmp_path)
    assert result.returncode == 1 and "PROBLEM" in result.stdout and "im3.png" in result.stdout
    assert "1 of test (16.7 %)" in result.stdout and "Traceback" not in result.stderr


def test_a_subset_of_a_split_is_a_split_that_a_run_takes(tmp_path):
    own(tmp_path, count=60)
    asked = ("subset", str(tmp_path / "own"), "--split", "paper", "--out", str(tmp_path / "small"))
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "val.txt").write_text("im1\n")  # of an earlier call
    result = data(*asked, "--train", "4", "--val", "1", "--test", "2", root=tmp_path)
    assert result.returncode == 0 and "4 train, 1 val, 2 test images" in result.stdout
    lists = {path.stem: path.read_text().split() for path in (tmp_path / "small").glob("*.txt")}
    assert {part: len(ids) for part, ids in lists.items()} == {"train": 4, "val": 1, "test": 2}
    looked = data("verify", str(tmp_path / "own"), "--split", str(tmp_path / "small"), "--json", root=tmp_path)
    assert json.loads(looked.stdout)[0]["parts"] == {"train": 4, "val": 1, "test": 2}
    result = data(*asked, "--test", "50", root=tmp_path)
    assert result.returncode == 2 and result.stderr.startswith("error: --test 50: the split has")
    assert lists == {path.stem: path.read_text().split() for path in (tmp_path / "small").glob("*.txt")}
    result = data("subset", "synth-sirst", "--out", str(tmp_path / "made"), root=tmp_path)
    assert result.returncode == 2 and "--set" in result.stderr and not (tmp_path / "made").exists()


def test_verify_of_an_unknown_set_is_one_line(tmp_path):
    result = data("verify", "nuaa", root=tmp_path)
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1 and "did you mean" in result.stderr


@pytest.mark.realdata
@pytest.mark.slow
def test_the_real_sets_hold_what_their_authors_say(real_data_root):
    result = data("verify", "--json", root=real_data_root)
    assert result.returncode == 0, result.stdout + result.stderr
    found = {entry["name"]: entry for entry in json.loads(result.stdout)}
    assert {name: (entry["pairs"], entry["targets"]) for name, entry in found.items()} == {
        "nuaa-sirst": (427, 533), "nudt-sirst": (1327, 1863), "irstd-1k": (1001, 1492)}
    assert found["nuaa-sirst"]["rescaled_masks"] == ["Misc_111"]
    assert found["irstd-1k"]["mask_codings"]["0/255 with greys between"] == 85
    shares = {name: round(100 * entry["near_duplicates"]["test"]["share"], 1) for name, entry in found.items()}
    assert shares == {"nuaa-sirst": 0.0, "nudt-sirst": 8.0, "irstd-1k": 4.5}
    assert [found[name]["area_percentiles"]["50"] for name in ("nuaa-sirst", "nudt-sirst", "irstd-1k")] == [20, 20, 31]
