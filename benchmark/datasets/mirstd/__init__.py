"""MIRSTD: our scene captions for three public datasets, as files of this folder. README.md is the dataset card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VERSION = "1.0"
FOLDER = Path(__file__).resolve().parent
DATASETS = ("nuaa-sirst", "nudt-sirst", "irstd-1k")


def caption_file(dataset: str) -> Path | None:
    """The dataset's caption file, or None where MIRSTD does not describe it."""
    return FOLDER / f"{dataset}.jsonl" if dataset in DATASETS else None


def leak_words() -> frozenset[str]:
    """Words that would name a target or how one looks; no caption holds one of them."""
    lines = (FOLDER / "leak_words.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def vocabulary() -> dict[str, Any]:
    """Frequent phrases of the official training captions: ``scenes`` and ``objects``, each by scene class."""
    return json.loads((FOLDER / "vocabulary.json").read_text(encoding="utf-8"))
