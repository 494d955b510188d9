"""What every method costs: parameters, multiply-accumulates at 256×256, latency, training images a second."""

from __future__ import annotations

import copy
import sys
import time
from typing import Any

import numpy as np

from benchmark import configs, load_detector
from benchmark.engine import compat
from benchmark.timing.ipi import example_image

SIDE, BATCH, WARM_UP = 256, 4, 1
CLASSICAL = "Traditional"
EMPTY = dict.fromkeys(("method", "parameters_M", "official_M", "gmacs", "official_gmacs", "latency_ms",
                       "train_images_per_s", "note"))
LARGE = 60_000_000
"""Parameters; larger networks are for GPUs and are counted, not run."""
STATED = {
    "acm": (0.385637, 3.94), "alcnet": (0.372573, 3.61), "fc3net": (7.043864, 2.61), "isnet": (0.986962, 31.13),
    "dnanet": (4.697, 13.91), "uiunet": (50.540, 54.22), "iaanet": (18.248326, 429.8), "sctransnet": (11.203, 10.49),
}
"""Millions of parameters and GMACs at 256×256 of the official code, counted by running it; ISNet and SCTransNet without
the weights that theirs never uses, IAANet with its semantic generator on the whole image."""
NOTES = {"iaanet": "of regions that an untrained detector proposes; the official figure is of the whole image"}


def rows(rounds: int) -> list[dict[str, Any]]:
    """One row for each method, sorted by MACs, classical ones first; latency of one image, training at batch ``BATCH``.

    Zero-shot SAM has no row of its own: its network is SAM's.
    """
    compat.apply()
    found, methods = [], {}
    for name in configs.known("methods"):
        config = configs.load("methods", name)
        if config["method"]["trainable"]:
            methods[name] = config, _row
        elif config["method"]["type"] == CLASSICAL:
            methods[name] = config, _classical_row
    for name, (config, measure) in methods.items():
        print(f"[{len(found) + 1}/{len(methods)}] {config['method']['title']}", file=sys.stderr, flush=True)
        found.append(measure(name, config, rounds))
    return sorted(found, key=lambda row: np.inf if row["gmacs"] is None else row["gmacs"])


def _classical_row(name: str, config: dict[str, Any], rounds: int) -> dict[str, Any]:
    detector = load_detector(name)
    image = (example_image() * 255).astype(np.uint8)
    detector(image)
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        detector(image)
        seconds.append(time.perf_counter() - start)
    return EMPTY | {"method": config["method"]["title"], "parameters_M": 0.0, "gmacs": 0.0,
                    "latency_ms": float(np.median(seconds)) * 1e3, "note": "classical: nothing to train"}


def _row(name: str, config: dict[str, Any], rounds: int) -> dict[str, Any]:
    import torch
    from mmengine.utils import import_modules_from_strings
    from mmseg.registry import MODELS

    from benchmark.engine.cost import network_cost

    import_modules_from_strings(config["custom_imports"]["imports"])
    model_config = configs.without_checkpoints(config["model"])
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in MODELS.build(copy.deepcopy(model_config)).parameters())
    row = EMPTY | {"method": config["method"]["title"], "parameters_M": count / 1e6, "note": NOTES.get(name, "")}
    row["official_M"], row["official_gmacs"] = STATED.get(name, (None, None))
    if config["method"]["reconstruction"]:
        row["note"] = "reconstruction: no official code"
    if count >= LARGE:
        return row | {"note": "for GPUs: counted, not run"}
    torch.manual_seed(0)
    model = MODELS.build(model_config)
    cost = network_cost(model, (SIDE, SIDE))
    return row | {"gmacs": cost["macs"] / 1e9, "latency_ms": cost["latency_ms"],
                  "train_images_per_s": _training_speed(model, rounds, config["method"].get("greys", False))}


def _training_speed(model: Any, rounds: int, greys: bool) -> float:
    import torch
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    mask = torch.zeros(1, SIDE, SIDE, dtype=torch.uint8)
    mask[:, 100:105, 100:105] = 1
    samples = [SegDataSample(gt_sem_seg=PixelData(data=mask)) for _ in range(BATCH)]
    images = torch.randn(BATCH, 1, SIDE, SIDE)
    images = (images * 20 + 100).clip(0, 255) if greys else images
    optimizer = torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=1e-6)
    model.train()
    seconds = []
    for _ in range(WARM_UP + rounds):
        start = time.perf_counter()
        optimizer.zero_grad()
        sum(model(images, samples, mode="loss").values()).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    return BATCH / float(np.median(seconds[WARM_UP:]))
