"""Scene captions of a dataset: one JSON object a line, by image id, and the template where one is missing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmark.errors import DataError

REQUIRED = ("image", "text")


class Captions:
    """Texts of a dataset's images.

    Args:
        config: ``captions``, a path below the data root, and ``scene``, what the template says of an image that has no
            caption. None or an empty dict: no image has a text.
        root: Data root.

    Raises:
        DataError: For a caption file that is not JSON lines with ``image`` and ``text``, or names an image twice. That
            there is no file is not an error: every image falls back to the template.
    """

    def __init__(self, config: Mapping[str, Any] | None, root: Path) -> None:
        self.template = f"a photo of a {config['scene']}" if config and config.get("scene") else None
        self.path = Path(root) / config["captions"] if config and config.get("captions") else None
        self.texts = _read(self.path) if self.path is not None and self.path.is_file() else {}

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


def _read(path: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number}: not JSON") from error
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) and entry[key] for key in REQUIRED):
            raise DataError(f"{path}, line {number}: a caption is an object with the strings {' and '.join(REQUIRED)}")
        if entry["image"] in texts:
            raise DataError(f"{path}, line {number}: a second caption for image {entry['image']!r}")
        texts[entry["image"]] = entry["text"]
    return texts
