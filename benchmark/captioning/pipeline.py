"""Captioning a set of images: several at once, every answer kept the moment it is there, nothing paid for twice."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from benchmark.captioning.scenes import SceneFile, sent_size
from benchmark.errors import BenchError, DataError
from benchmark.json_text import parse

OUR_START = b'{"image":'
STOP_AFTER = 5
"""So many images in a row without one success, and the rest is not tried."""
CHARACTERS_A_TOKEN = 4
ANSWER_TOKENS = 110
IMAGE_BASE_TOKENS, TILE_TOKENS, TILE = 85, 170, 512
"""How OpenAI's models count an image; others differ, so an estimate is an order of size."""

Describe = Callable[[SceneFile], dict[str, Any]]


class CaptionFailed(BenchError):
    """One image got no caption; others may. ``tokens`` (input, output) were paid all the same."""

    def __init__(self, message: str, tokens: Sequence[int] = (0, 0)) -> None:
        super().__init__(message)
        self.tokens = list(tokens)


class EndpointStop(BenchError):
    """No image can get a caption until something is put right."""


@dataclass(frozen=True)
class Estimate:
    """What captioning will take; order of size."""

    images: int
    input_tokens: int
    output_tokens: int
    minutes: float
    cost: float | None
    """In the currency of the prices; None without prices."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    made: int
    failed: int
    left: int
    """Not tried."""
    reason: str = ""
    """Why it stopped early."""


class Journal:
    """A JSONL file that grows by whole lines, each on disk before ``add`` returns; one line an image.

    A last line that a kill cut off is passed over, and dropped when the next one is added.

    Raises:
        DataError: For a file that is not JSON lines with ``image``.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._lock, self._ended = path, threading.Lock(), False
        self.entries: dict[str, dict[str, Any]] = {}
        lines = (path.read_bytes() if path.exists() else b"").split(b"\n")
        for number, line in enumerate(lines, start=1):
            entry = _parsed(line)
            if entry is not None:
                self.entries[entry["image"]] = entry
            elif line.strip() and not (number == len(lines) and line.startswith(OUR_START)):
                raise DataError(f"{path}, line {number}: not a JSON object with an image; move it away")

    def add(self, entry: dict[str, Any]) -> None:
        """Keep one entry. Safe from several threads."""
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self._ended:
                self._end_last_line()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            self.entries[entry["image"]] = entry

    def forget_all(self) -> None:
        """Empty it."""
        self.path.unlink(missing_ok=True)
        self.entries.clear()

    def _end_last_line(self) -> None:
        content = self.path.read_bytes() if self.path.exists() else b""
        tail = content[content.rfind(b"\n") + 1:]
        if tail and _parsed(tail) is None:
            os.truncate(self.path, len(content) - len(tail))
        elif tail:
            with self.path.open("ab") as file:
                file.write(b"\n")
        self._ended = True


def failures_of(out: Path) -> Path:
    """Where images are kept that got no caption, with reasons, beside the caption file."""
    return out.with_name(out.stem + ".failed.jsonl")


def open_tasks(scenes: Iterable[SceneFile], captions: Journal, failed: Collection[str]) -> list[SceneFile]:
    """Scenes that have no caption and are not among those that failed."""
    return [scene for scene in scenes if scene.id not in captions.entries and scene.id not in failed]


def caption_scenes(scenes: Sequence[SceneFile], describe: Describe, captions: Journal, failures: Journal, workers: int,
                   progress: Callable[[str, str], None] = lambda sample_id, message: None) -> Outcome:
    """Describe every scene, ``workers`` at once; what is finished is on disk whatever happens then.

    Args:
        scenes: Those still to do.
        describe: Gives a caption, or raises ``CaptionFailed``, ``DataError`` or ``EndpointStop``.
        captions: Takes captions, each with ``review: pending``.
        failures: Takes ``image``, ``reason`` and ``tokens`` of images whose answers were all unusable. Images that
            failed without an answer are left out, so that the next run tries them.
        workers: Requests under way at once.
        progress: Hears each image's id and, where it failed, the reason (else an empty string).
    """
    made = failed = in_a_row = 0
    reason = ""
    waiting = iter(scenes)
    pool = ThreadPoolExecutor(workers)
    running: dict[Future[dict[str, Any]], SceneFile] = {}

    def fill() -> None:
        # no more than are running: those that wait in a pool would still be paid for after a stop
        while not reason and len(running) < workers and (scene := next(waiting, None)) is not None:
            running[pool.submit(describe, scene)] = scene

    try:
        fill()
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                scene, message = running.pop(future), ""
                try:
                    captions.add(future.result() | {"review": "pending"})
                    made, in_a_row = made + 1, 0
                except EndpointStop as error:
                    reason = message = str(error)
                    failed += 1
                except (CaptionFailed, DataError) as error:
                    message = str(error)
                    failed, in_a_row = failed + 1, in_a_row + 1
                    if any(getattr(error, "tokens", ())):
                        failures.add({"image": scene.id, "reason": message, "tokens": error.tokens})
                    if in_a_row >= STOP_AFTER:
                        reason = f"{in_a_row} images in a row failed, the last: {message}"
                progress(scene.id, message)
            fill()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        # What was answered while an interrupt was on its way is paid for too.
        for future in running:
            if future.done() and not future.cancelled() and future.exception() is None:
                captions.add(future.result() | {"review": "pending"})
    return Outcome(made, failed, len(scenes) - made - failed, reason)


def estimate(scenes: Sequence[SceneFile], prompt_characters: int, requests_per_minute: float,
             prices: tuple[float, float] | None) -> Estimate:
    """What asking once for each scene will take.

    Args:
        scenes: Those still to do; only the sizes of the images are read.
        prompt_characters: Of the instructions.
        requests_per_minute: The pace.
        prices: Of a million input and a million output tokens, or None.
    """
    image_tokens = sum(_image_tokens(scene.image) for scene in scenes)
    into = image_tokens + len(scenes) * math.ceil(prompt_characters / CHARACTERS_A_TOKEN)
    out = len(scenes) * ANSWER_TOKENS
    cost = None if prices is None else (into * prices[0] + out * prices[1]) / 1e6
    return Estimate(len(scenes), into, out, len(scenes) / requests_per_minute, cost)


def paid(*journals: Journal) -> tuple[int, int]:
    """Input and output tokens of everything in these journals."""
    counts = [entry.get("tokens", (0, 0)) for journal in journals for entry in journal.entries.values()]
    return sum(count[0] for count in counts), sum(count[1] for count in counts)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = parse(line)
    except ValueError:
        return None
    usable = isinstance(entry, dict) and isinstance(entry.get("image"), str)
    return entry if usable and _are_tokens(entry.get("tokens", (0, 0))) else None


def _are_tokens(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(count, int) for count in value)


def _image_tokens(path: Path) -> int:
    try:
        with Image.open(path) as image:
            width, height = image.size
    except Exception as error:  # Pillow's readers raise half a dozen types
        raise DataError(f"{path}: not an image") from error
    tiles = math.prod(math.ceil(side / TILE) for side in sent_size((height, width)))
    return IMAGE_BASE_TOKENS + TILE_TOKENS * tiles
