"""The review page: images and captions on a loopback address, decisions saved back to the caption file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from benchmark.captioning.scenes import SceneFile, as_png, background
from benchmark.datasets.caption_schema import MAX_WORDS, MIN_WORDS, SCENE_CLASSES, form_problems, problems
from benchmark.datasets.captions import read_captions
from benchmark.errors import BenchError, DataError
from benchmark.json_text import parse
from benchmark.records import write_atomically

PAGE = Path(__file__).with_name("review.html")
EDITABLE = ("scene", "scene_class", "objects", "text")
DECISIONS = ("accepted", "edited", "rejected")
MAX_BODY = 64 * 1024


class ReviewFile:
    """A caption file under review. It is read anew for every change, and replaced in one rename."""

    def __init__(self, path: Path) -> None:
        self.path, self._lock = path, threading.Lock()
        self.entries()

    def entries(self) -> list[dict[str, Any]]:
        """All captions, also rejected ones; each has a ``review``. Raises ``DataError`` for a broken file."""
        return [{"review": "pending"} | entry for entry in read_captions(self.path, every=True)]

    def decide(self, image: str, change: Mapping[str, Any]) -> dict[str, Any]:
        """Save a decision and give the caption as it stands now.

        Args:
            image: Whose caption.
            change: ``review``, one of ``DECISIONS``, and for ``'edited'`` the fields that have changed.

        Raises:
            DataError: For an unknown image or decision, or an edit that breaks the schema; nothing is saved then.
        """
        review = change.get("review")
        if review not in DECISIONS:
            raise DataError(f"review must be one of {', '.join(DECISIONS)}")
        edits = {name: change[name] for name in EDITABLE if name in change} if review == "edited" else {}
        with self._lock:
            entries = read_captions(self.path, every=True)
            entry = next((entry for entry in entries if entry["image"] == image), None)
            if entry is None:
                raise DataError(f"no caption of image {image!r}")
            changed = entry | edits | {"review": review}
            if found := problems(changed) or (form_problems(changed) if edits else []):
                raise DataError("; ".join(found))
            entry.update(changed)
            write_atomically(self.path, "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in entries))
        return changed


class ReviewServer(ThreadingHTTPServer):
    """Serves the page on 127.0.0.1 to this machine's browsers alone.

    Args:
        file: What is reviewed.
        scenes: Images by id.
        port: 0 for any free one.
    """

    daemon_threads = True

    def __init__(self, file: ReviewFile, scenes: Mapping[str, SceneFile], port: int = 0) -> None:
        self.file, self.scenes = file, scenes
        self.page = PAGE.read_bytes()
        self.policy = _policy(self.page.decode("utf-8"))
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://127.0.0.1:{self.server_port}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a browser that was sent here by us names as its host; another page's script names another."""
        return f"127.0.0.1:{self.server_port}", f"localhost:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer

    def do_GET(self) -> None:
        if not self._is_ours():
            return
        kind, _, name = self.path.partition("?")[0].removeprefix("/").partition("/")
        try:
            if kind == "" and not name:
                self._send(200, self.server.page, "text/html; charset=utf-8")
            elif kind == "captions" and not name:
                self._send_json(200, {"file": str(self.server.file.path), "captions": self.server.file.entries(),
                                      "scene_classes": SCENE_CLASSES, "words": (MIN_WORDS, MAX_WORDS)})
            elif kind in ("image", "original") and (scene := self.server.scenes.get(unquote(name))):
                shown = scene if kind == "image" else SceneFile(scene.id, scene.image, None)
                self._send(200, as_png(background(shown)), "image/png")
            else:
                self._send_json(404, {"error": "no such page or image"})
        except BenchError as error:
            self._send_json(500, {"error": str(error)})

    def do_POST(self) -> None:
        if not self._is_ours():
            return
        kind, _, name = self.path.removeprefix("/").partition("/")
        # A form of another page can post, but not as JSON, and its script cannot without asking first.
        if kind != "captions" or not name or self.headers.get_content_type() != "application/json":
            self._send_json(404, {"error": "no such page"})
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            content = parse(self.rfile.read(length)) if 0 <= length <= MAX_BODY else None
            if not isinstance(content, dict):
                raise ValueError("not an object")
        except ValueError:
            self._send_json(400, {"error": "the request is not a JSON object"})
            return
        try:
            self._send_json(200, self.server.file.decide(unquote(name), content))
        except BenchError as error:
            self._send_json(422, {"error": str(error)})

    def _is_ours(self) -> bool:
        origin = self.headers.get("Origin")
        hosts = self.server.hosts
        if self.headers.get("Host") in hosts and (origin is None or origin.removeprefix("http://") in hosts):
            return True
        self._send_json(403, {"error": "this page is for browsers of this machine"})
        return False

    def _send_json(self, status: int, content: Any) -> None:
        self._send(status, json.dumps(content).encode("ascii"), "application/json")

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(content)), "Cache-Control": "no-store",
                   "X-Content-Type-Options": "nosniff", "Content-Security-Policy": self.server.policy}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        """Nothing: a line a request helps nobody."""


def _policy(page: str) -> str:
    # The page's own script and style, its images and requests; nothing else runs or loads.
    def hashed(tag: str) -> str:
        content = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()

    return (f"default-src 'none'; img-src 'self'; connect-src 'self'; script-src 'sha256-{hashed('script')}'; "
            f"style-src 'sha256-{hashed('style')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
