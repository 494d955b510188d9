"""What others printed: the paper's figures (``published.yaml``), those of methods' authors (``originals.yaml``).

Never mixed into a column of ours.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

PATH = Path(__file__).with_name("published.yaml")
ORIGINALS = Path(__file__).with_name("originals.yaml")
DATASETS = {"nudt-sirst": "NUDT-SIRST", "irstd-1k": "IRSTD-1k", "nuaa-sirst": "NUAA-SIRST"}
# Columns that only the paper has: table 3 averages over its three datasets.
HEADS = {"trainable_params_m": "Trainable (M)", "inference_s": "Inference (s)", "avg_iou": "Mean IoU ↑",
         "avg_pd": "Mean Pd ↑", "avg_fa": "Mean Fa ↓"}


def load_published() -> dict[str, Any]:
    """``{'table1': {method: {dataset: {'iou', 'pd', 'fa'}}}, ...}``; IoU and Pd in 10⁻², Fa in 10⁻⁶.

    Tables 2, 4 and 5 have the same shape, table 3 has one level less: ``{row: {column: figure}}``.
    """
    return yaml.safe_load(PATH.read_text(encoding="utf-8"))


def load_originals() -> dict[str, list[dict[str, str]]]:
    """By method: IoU as its authors or others print it (dataset → text), with ``by`` and ``source``."""
    return yaml.load(ORIGINALS.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


@functools.cache  # a report of all suites asks for it once a suite
def load_printed() -> dict[str, Any]:
    """The same as strings, so that a trailing zero of the paper stays."""
    return yaml.load(PATH.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
