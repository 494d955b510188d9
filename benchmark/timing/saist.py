"""What SAIST costs beside SAM + CLIP, its own segmentor with plain CLIP prompts and SAM's decoder (paper, Table 3)."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import configs
from benchmark.engine import compat
from benchmark.engine.cost import peak_memory_mb

SIZES = (("saist_t", 256), ("saist_mobile", 512), ("saist_b", 1024))
BASE = {"prompts": {"type": "CLIPPrompts"}, "decoder": {"type": "SAMDecoder"}}
CAPTION = "a photo of a dark sea under haze with bright hazy sky, faint ripple streaks, and black lower corners"
WARM_UP = 1
GPU_GB = 80


def rows(rounds: int) -> list[dict[str, Any]]:
    """SAIST and SAM + CLIP at each size, alternating; then what caches, adapters and checkpointing save.

    Weights are random: neither size nor time depends on them. Latency is of one image that was not seen before, CLIP's
    image encoder included, under a caption that was: its text path is kept. Adapters are merged.
    """
    compat.apply()
    import torch

    torch.manual_seed(0)
    found = []
    for name, side in SIZES:
        found += _compare(name, side, rounds)
    found.append(_clip_features(rounds))
    found += [_training_memory("saist_b", 1024, checkpointing) for checkpointing in (False, True)]
    return found


def _compare(name: str, side: int, rounds: int) -> list[dict[str, Any]]:
    import torch

    pair = {"SAM + CLIP": _build(name, **BASE), "SAIST": _build(name)}
    image, samples = _batch(side)
    times: dict[str, list[float]] = {title: [] for title in pair}
    with torch.no_grad():
        for model in pair.values():
            model.eval().sam.merge_adapters()
        for number in range(WARM_UP + rounds):
            for title, model in pair.items():
                spent = _timed(lambda: model.logits(image, samples))  # noqa: B023 - called at once
                times[title] += [spent] if number >= WARM_UP else []
    sizes = {title: [parameter.numel() for parameter in model.parameters()] for title, model in pair.items()}
    ratios = np.asarray(times["SAIST"]) / np.asarray(times["SAM + CLIP"])
    found = []
    for title, model in pair.items():
        row = {
            "what": f"{name} at {side}: {title}", "parameters": sum(sizes[title]),
            "trainable": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
            "milliseconds": 1e3 * float(np.median(times[title])),
        }
        if title == "SAIST":
            row |= {"added_parameters": sum(sizes["SAIST"]) - sum(sizes["SAM + CLIP"]),
                    "ratio": float(np.median(ratios)), "note": f"time over SAM + CLIP, {rounds} rounds, "
                    f"{ratios.min():.3f} to {ratios.max():.3f}"}
        found.append(row)
    return found


def _clip_features(rounds: int) -> dict[str, Any]:
    """Time of one scene through CLIP's image encoder, and from the cache on disk instead."""
    import torch

    from models.sr_clip.clip import FrozenCLIP
    from models.sr_clip.feature_cache import FeatureCache

    clip = FrozenCLIP("ViT-B-16", quick_gelu=True)
    scene = torch.randint(0, 256, (1, 224, 224), dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder:
        clip.cache = FeatureCache(lambda: "timing", base=Path(folder))
        clip.encode_image(scene)
        computed = [_timed(lambda: clip.encode_image(scene, cached=False)) for _ in range(rounds)]
        cached = [_timed(lambda: clip.encode_image(scene)) for _ in range(rounds)]
    return {"what": "CLIP ViT-B/16 image features from the cache", "milliseconds": 1e3 * float(np.median(cached)),
            "ratio": float(np.median(cached) / np.median(computed)),
            "note": f"computed: {1e3 * np.median(computed):.0f} ms an image, saved in every epoch but the first"}


def _training_memory(name: str, side: int, checkpointing: bool) -> dict[str, Any]:
    """Memory and time of one training step at batch 1, in a process of its own, and what batch 4 would take."""
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_step_in_child, args=(name, side, checkpointing, sender))
    process.start()
    sender.close()
    base, peak, seconds = receiver.recv()
    process.join()
    batch_of_four = (base + 4 * (peak - base)) / 1024
    return {"what": f"{name} at {side}: training step, batch 1" + (", checkpointing" if checkpointing else ""),
            "milliseconds": 1e3 * seconds, "peak_memory_mb": peak,
            "note": f"{base:.0f} MB before the step; batch 4 would take {batch_of_four:.0f} GB, "
                    f"{'less' if batch_of_four < GPU_GB else 'MORE'} than {GPU_GB} GB"}


def _step_in_child(name: str, side: int, checkpointing: bool, pipe: Any) -> None:
    compat.apply()
    with contextlib.redirect_stdout(sys.stderr):  # as in the parent, whose redirection ends at the process
        model = _build(name, sam={"gradient_checkpointing": checkpointing}).train()
    image, samples = _batch(side)
    before = peak_memory_mb()
    seconds = _timed(lambda: sum(model.loss(image, samples).values()).backward())
    pipe.send((before, peak_memory_mb(), seconds))


def _build(name: str, **parts: dict[str, Any]) -> Any:
    from mmseg.registry import MODELS

    import models.saist  # noqa: F401  - registers

    config = configs.without_checkpoints(configs.load("methods", name)["model"])
    config["clip"]["cache"] = False
    for part, change in parts.items():
        config[part] = change if "type" in change else config[part] | change
    return MODELS.build(config)


def _batch(side: int) -> tuple[Any, list[Any]]:
    import torch
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    mask = torch.zeros(1, side, side, dtype=torch.uint8)
    mask[:, side // 2:side // 2 + 6, side // 2:side // 2 + 6] = 1
    sample = SegDataSample(gt_sem_seg=PixelData(data=mask))
    sample.set_metainfo(dict(text=CAPTION, scene=np.zeros((224, 224), np.uint8), img_shape=(side, side),
                             count_shape=(side, side)))
    return 255 * torch.rand(1, 1, side, side), [sample]


def _timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
