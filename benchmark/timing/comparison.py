"""Timing two implementations against each other in one process, interleaved, so that their ratio means something."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Comparison:
    """Seconds per call of ours and of a reference, and how many times faster ours is.

    Without seconds on either side it was not run, and the note says why.
    """

    name: str
    ours: str
    reference: str
    ours_seconds: list[float]
    reference_seconds: list[float]
    note: str = ""

    @property
    def ratios(self) -> np.ndarray:
        """(rounds,) reference time divided by our time, round by round; above 1 means ours is faster."""
        return np.asarray(self.reference_seconds) / np.asarray(self.ours_seconds)

    def to_dict(self) -> dict[str, Any]:
        """JSON types: both labels and times, the median ratio and its range over the rounds (None where not run)."""
        ratios = self.ratios if self.ours_seconds else None
        figures = {"ratio": np.median, "ratio_min": np.min, "ratio_max": np.max}
        return asdict(self) | {name: None if ratios is None else float(figure(ratios))
                               for name, figure in figures.items()}


def compare(name: str, ours: tuple[str, Callable[[], Any]], reference: tuple[str, Callable[[], Any]],
            rounds: int = 5, note: str = "", warm_up: bool = True) -> Comparison:
    """Time both callables ``rounds`` times in turn, after one untimed call of each.

    Args:
        name: What is being compared.
        ours: Label and callable of our implementation.
        reference: Label and callable to compare with.
        rounds: Timed calls of each; the two alternate, so a slow spell of the machine meets both.
        note: Printed beside the ratio, for instance the size of the input.
        warm_up: False leaves the untimed calls out, for calls of minutes.
    """
    if warm_up:
        ours[1]()
        reference[1]()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for record, (_, call) in zip(times, (ours, reference), strict=True):
            start = time.perf_counter()
            call()
            record.append(time.perf_counter() - start)
    return Comparison(name, ours[0], reference[0], *times, note=note)
