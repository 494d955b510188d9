"""What every network costs: parameters, multiply-accumulates at 256×256, latency, training images a second."""

from __future__ import annotations

import copy
import sys
import time
from typing import Any

import numpy as np

from benchmark import configs
from benchmark.engine import compat

SIDE, BATCH, WARM_UP = 256, 4, 1
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
    """One row for each trainable method, sorted by MACs; latency at batch 1, training at batch ``BATCH``."""
    compat.apply()
    methods = {name: configs.load("methods", name) for name in configs.known("methods")}
    trained = {name: config for name, config in methods.items() if config["method"]["trainable"]}
    found = []
    for name, config in trained.items():
        print(f"[{len(found) + 1}/{len(trained)}] {config['method']['title']}", file=sys.stderr, flush=True)
        found.append(_row(name, config, rounds))
    return sorted(found, key=lambda row: row["gmacs"] or np.inf)


def _row(name: str, config: dict[str, Any], rounds: int) -> dict[str, Any]:
    import torch
    from mmengine.utils import import_modules_from_strings
    from mmseg.registry import MODELS

    from benchmark.engine.cost import network_cost

    import_modules_from_strings(config["custom_imports"]["imports"])
    model_config = configs.without_checkpoints(config["model"])
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in MODELS.build(copy.deepcopy(model_config)).parameters())
    row = {"method": config["method"]["title"], "parameters_M": count / 1e6, "official_M": None, "gmacs": None,
           "official_gmacs": None, "latency_ms": None, "train_images_per_s": None, "note": NOTES.get(name, "")}
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
