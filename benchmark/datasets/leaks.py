"""Which test images look like a training image, found once for each data fingerprint and kept in the store."""

from __future__ import annotations

import json
from pathlib import Path

from benchmark.datasets.audit import NEAR_DUPLICATE, near_duplicates, thumbnail
from benchmark.datasets.sample import SampleSource
from benchmark.json_text import parse
from benchmark.records import AUDITS_FOLDER, write_atomically


def keep_leaks(store_root: Path, source: SampleSource, fingerprint: str) -> Path:
    """The file that lists the test images with a near-duplicate among the training images; made if it is not there."""
    path = store_root / AUDITS_FOLDER / f"{fingerprint}.json"
    if not path.is_file():
        ids = source.ids("train") + source.ids("test")
        thumbnails = {name: thumbnail(source.read(name).image) for name in ids}
        found = near_duplicates(source, thumbnails).get("test", {"ids": []})
        content = {"dataset": source.name, "correlation": NEAR_DUPLICATE, "train_images": len(source.ids("train")),
                   "test_images": len(source.ids("test")), "near_duplicates": found["ids"]}
        write_atomically(path, json.dumps(content, indent=1) + "\n")
    return path


def read_leaks(store_root: Path, fingerprint: str) -> list[str] | None:
    """Ids of those test images, or None where nobody has looked for them."""
    try:
        content = parse((store_root / AUDITS_FOLDER / f"{fingerprint}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found = content.get("near_duplicates") if isinstance(content, dict) else None
    return found if isinstance(found, list) and all(isinstance(name, str) for name in found) else None
