"""A small server that speaks the part of OpenAI's protocol that captioning uses, and misbehaves when told to."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

CAPTION = {
    "scene": "dark open sea", "scene_class": "sea",
    "objects": ["sharp horizon line", "pale wave crests", "plain grey sky"],
    "text": "a photo of a dark open sea with sharp horizon line, pale wave crests, and plain grey sky, rough water "
            "filling the lower half.",
}
STEP = 20
"""Image ``i`` is flat with the grey level STEP·(i + 1), by which the server knows it."""


class CaptionServer:
    """Answers image ``i`` by its plan, one behaviour a request, and well when the plan is at its end.

    Attributes:
        plans: Behaviours by image: ``'429'``, ``'500'``, ``'400'``, ``'401'``, ``'slow'``, ``'drop'``, ``'broken'``,
            ``'fenced'``, ``'schema'``, ``'form'``, ``'leak'``, ``'html'``, ``'torn'``, ``'empty'``.
        asked: Requests by image.
        answered: Answers that were paid for, by image.
        bodies: Every request's content.
        images: What was sent of each image, last.
    """

    def __init__(self, plans: dict[int, list[str]] | None = None, slow: float = 3.0, delay: float = 0.0) -> None:
        self.plans, self.slow, self.delay = plans or {}, slow, delay
        self.asked: Counter[int] = Counter()
        self.answered: Counter[int] = Counter()
        self.bodies: list[dict] = []
        self.headers: list[dict] = []
        self.images: dict[int, np.ndarray] = {}
        self.times: list[float] = []
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def __enter__(self) -> CaptionServer:
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server.lock:
                    server.under_way += 1
                    server.most_under_way = max(server.most_under_way, server.under_way)
                with contextlib.suppress(ConnectionError):
                    server._answer(self, body)
                with server.lock:
                    server.under_way -= 1

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler

    def _answer(self, handler: BaseHTTPRequestHandler, body: dict) -> None:
        url = body["messages"][1]["content"][0]["image_url"]["url"]
        image = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,")))))
        index = round(float(np.median(image))) // STEP - 1
        with self.lock:
            self.times.append(time.monotonic())
            self.bodies.append(body)
            self.headers.append(dict(handler.headers))
            self.images[index] = image
            self.asked[index] += 1
            plan = self.plans.get(index, [])
            behaviour = plan.pop(0) if plan else "good"
        time.sleep(self.slow if behaviour == "slow" else self.delay)
        if behaviour == "drop":
            handler.connection.close()
            return
        if behaviour.isdigit():
            key = handler.headers.get("Authorization", "").removeprefix("Bearer ")
            _send(handler, int(behaviour), {"error": {"message": f"refused key {key}", "type": "x", "code": behaviour}})
            return
        contents = {
            "good": json.dumps(CAPTION), "slow": json.dumps(CAPTION), "broken": '{"scene": "dark op',
            "fenced": f"```json\n{json.dumps(CAPTION)}\n```", "list": "[1]",
            "schema": json.dumps(CAPTION | {"scene_class": "space", "objects": ["one"]}),
            "form": json.dumps(CAPTION | {"scene": "quiet lake"}),
            "leak": json.dumps(CAPTION | {"text": CAPTION["text"].replace("rough water", "one bright spot")}),
        }
        if behaviour in ("html", "torn", "empty"):
            content = {"html": b"<html>welcome</html>", "torn": b'{"id": "1", "choi', "empty": b'{"choices": null}'}
            _send_bytes(handler, 200, content[behaviour], "text/html" if behaviour == "html" else "application/json")
            return
        with self.lock:
            self.answered[index] += 1
        _send(handler, 200, {
            "id": "1", "object": "chat.completion", "created": 0, "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": contents[behaviour]}}],
            "usage": {"prompt_tokens": 700, "completion_tokens": 90, "total_tokens": 790}})


def _send(handler: BaseHTTPRequestHandler, status: int, content: dict) -> None:
    _send_bytes(handler, status, json.dumps(content).encode(), "application/json")


def _send_bytes(handler: BaseHTTPRequestHandler, status: int, data: bytes, kind: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(data)))
    if status == 429:
        handler.send_header("Retry-After-Ms", "30")
    handler.end_headers()
    handler.wfile.write(data)
