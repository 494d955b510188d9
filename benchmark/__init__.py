"""The harness of saist-bench. ``from benchmark import load_detector`` gives a detector for images of one's own."""

from typing import Any


def __getattr__(name: str) -> Any:
    # Not imported until asked for: the commands that only plan must not import torch.
    if name == "load_detector":
        from benchmark.engine.detector import load_detector

        return load_detector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
