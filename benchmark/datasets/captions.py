"""Scene captions of a dataset: one JSON object a line, by image id, and the template where one is missing."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.datasets.caption_schema import problems
from benchmark.datasets.fingerprints import file_hashes
from benchmark.datasets.mirstd import FOLDER, caption_file
from benchmark.datasets.sample import PARTS
from benchmark.errors import ConfigError, DataError, unknown_name
from benchmark.json_text import parse

MODES = ("file", "template", "shuffled")
PROJECT = Path(__file__).resolve().parents[2]


class Captions:
    """Texts of a dataset's images.

    A caption file is looked for in this order: the config's own ``file``, ``MIRSTD/<dataset>.jsonl`` below the data
    root, the captions that this repository holds.

    Args:
        config: ``captions``: ``'file'``, ``'template'`` (every image takes the template), or ``'shuffled'`` (see
            ``shuffle``); ``file``: a path, below the data root unless absolute; ``scene``: what the template says of an
            image. None or an empty dict: no image has a text.
        root: Data root.
        dataset: Name of the dataset.

    Attributes:
        mode: One of ``MODES``.
        path: The caption file, or None without one.

    Raises:
        ConfigError: For another mode.
        DataError: If the config's own file is missing; for a caption file that is not JSON lines, breaks the schema or
            names an image twice.
    """

    def __init__(self, config: Mapping[str, Any] | None, root: Path, dataset: str) -> None:
        config, self.root = config or {}, Path(root)
        self.mode = config.get("captions") or "file"
        if self.mode not in MODES:
            raise ConfigError(f"text.captions: {unknown_name('mode', str(self.mode), MODES)}")
        self.template = f"a photo of a {config['scene']}" if config.get("scene") else None
        self.path = _find(config, self.root, dataset) if config and self.mode != "template" else None
        self.texts = {entry["image"]: entry["text"] for entry in read_captions(self.path)} if self.path else {}

    def shuffle(self, parts: Mapping[str, Sequence[str]], seed: int) -> None:
        """In mode ``'shuffled'`` give every image the caption of another image of its part; else do nothing."""
        if self.mode == "shuffled":
            texts = {}
            for part in PARTS:
                having = [sample_id for sample_id in parts[part] if sample_id in self.texts]
                texts |= {sample_id: self.texts[donor] for sample_id, donor in donors(having, seed).items()}
            self.texts = texts

    def text(self, sample_id: str) -> str | None:
        """The image's caption, else the template, else None."""
        return self.texts.get(sample_id, self.template)

    def origins(self, ids: Iterable[str]) -> dict[str, int]:
        """How many of these images have a ``caption`` and how many fall back to the ``template`` or to ``none``."""
        counts = dict.fromkeys(("caption", "template", "none"), 0)
        for sample_id in ids:
            fallback = "none" if self.template is None else "template"
            counts["caption" if sample_id in self.texts else fallback] += 1
        return counts

    def source(self) -> dict[str, str | None]:
        """``mode``, ``file`` (below the project or the data root, if it is) and its ``sha256``; None without a file."""
        if self.path is None:
            return {"mode": self.mode, "file": None, "sha256": None}
        base = PROJECT if self.path.parent == FOLDER else self.root
        name = self.path.relative_to(base) if self.path.is_relative_to(base) else self.path
        return {"mode": self.mode, "file": name.as_posix(), "sha256": file_hashes([self.path])[self.path]}


def donors(ids: Sequence[str], seed: int) -> dict[str, str]:
    """For each id another one, whose caption it takes: a random cycle through all of them, the same on every machine.

    A cycle leaves no image its own caption. A single id has nobody to take one from and keeps its own.
    """
    order = sorted(ids, key=lambda sample_id: hashlib.sha256(f"{seed}|{sample_id}".encode()).hexdigest())
    return dict(zip(order, order[1:] + order[:1], strict=True))


def read_captions(path: Path, every: bool = False) -> list[dict[str, Any]]:
    """The captions of a file in its order; those that a reviewer rejected only with ``every``.

    Raises:
        DataError: With file and line, for what is no caption (see ``caption_schema.problems``) or describes an image a
            second time.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # not splitlines: JSON strings may hold U+2028
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    entries: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = parse(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number}: not JSON") from error
        if found := problems(entry):
            raise DataError(f"{path}, line {number}: {'; '.join(found)}")
        if entry["image"] in entries:
            raise DataError(f"{path}, line {number}: a second caption for image {entry['image']!r}")
        entries[entry["image"]] = entry
    return [entry for entry in entries.values() if every or entry.get("review") != "rejected"]


def _find(config: Mapping[str, Any], root: Path, dataset: str) -> Path | None:
    if config.get("file"):
        if not isinstance(config["file"], str):
            raise ConfigError(f"text.file: expected the path of a caption file, got {config['file']!r}")
        path = root / config["file"]
        found = False
        with contextlib.suppress(OSError):  # too long for the name of a file, for one
            found = path.is_file()
        if not found:
            raise DataError(f"{path}: no such caption file; make one with `python benchmark/data.py caption`, or leave "
                            "text.file empty")
        return path
    candidates = (root / "MIRSTD" / f"{dataset}.jsonl", caption_file(dataset))
    return next((path for path in candidates if path is not None and path.is_file()), None)
