"""The training loop: open_clip's model and loss, AdamW, cosine decay; resumes at its last epoch, bit for bit on CPU."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.loss import ClipLoss
from torch import Tensor

from benchmark.pretraining.batches import augment, batches
from benchmark.pretraining.pairs import Pairs
from models.sr_clip.clip import FrozenCLIP

MAX_LOGIT_SCALE = math.log(100)  # as CLIP's authors clip it
CHECKPOINT = "last.pt"


@dataclass(frozen=True)
class Recipe:
    """How the towers are trained."""

    architecture: str = "IR-CLIP-tiny"
    init: str | None = None
    """Official name or path of weights to start from; None for random ones."""
    quick_gelu: bool = False
    epochs: int = 40
    batch: int = 64
    rate: float = 1e-3
    weight_decay: float = 0.2
    warmup_epochs: float = 2.0
    hard_share: float = 0.5
    seed: int = 0
    datasets: tuple[str, ...] = ("nuaa-sirst", "nudt-sirst", "irstd-1k")


def train(pairs: Pairs, recipe: Recipe, folder: Path, device: str = "cpu",
          heard: Callable[[dict[str, Any]], None] = lambda event: None) -> tuple[FrozenCLIP, list[dict[str, float]]]:
    """The trained CLIP, and for each epoch ``loss``, ``rate`` and ``seconds``.

    Args:
        pairs: Training pairs.
        recipe: How.
        folder: Keeps a checkpoint of each finished epoch; a training of the same recipe and pairs goes on from it.
        device: Of torch.
        heard: Hears ``{'epoch', 'done', 'total', 'loss'}`` after each step.
    """
    clip = FrozenCLIP(recipe.architecture, recipe.init, recipe.quick_gelu, cache=False).to(device)
    model = clip.clip.requires_grad_(True).train()
    model.visual.output_tokens = False
    optimizer = _optimizer(model, recipe)
    identity = _identity(recipe, pairs)
    curve = _resume(folder / CHECKPOINT, identity, model, optimizer)
    tokens = _Tokens(clip)
    per_epoch = max(1, len(batches(pairs.classes, recipe.batch, recipe.hard_share, np.random.default_rng(0))))
    total = recipe.epochs * per_epoch
    for epoch in range(len(curve), recipe.epochs):
        started, losses = time.perf_counter(), []
        # One generator an epoch: a resumed training draws what an uninterrupted one would have drawn.
        random = np.random.default_rng([recipe.seed, epoch])
        rate = recipe.rate
        for index, rows in enumerate(batches(pairs.classes, recipe.batch, recipe.hard_share, random)):
            step = epoch * per_epoch + index
            rate = _rate(recipe, step / total, step / per_epoch)
            for group in optimizer.param_groups:
                group["lr"] = rate
            views, texts = augment(pairs.scenes[rows], [pairs.captions[row] for row in rows], clip.image_size, random)
            losses.append(_step(clip, optimizer, views.to(device), tokens(texts).to(device)))
            heard({"epoch": epoch + 1, "done": step + 1, "total": total, "loss": losses[-1]})
        curve.append({"loss": float(np.mean(losses)), "rate": rate, "seconds": time.perf_counter() - started})
        _save(folder / CHECKPOINT, identity, model, optimizer, curve)
    model.eval().requires_grad_(False)
    model.visual.output_tokens = True
    return clip, curve


def _step(clip: FrozenCLIP, optimizer: torch.optim.Optimizer, views: Tensor, tokens: Tensor) -> float:
    mean, std = clip.pixel_scale
    pixels = (views.unsqueeze(1).expand(-1, 3, -1, -1) - mean) / std
    with torch.autocast(views.device.type, dtype=torch.bfloat16, enabled=views.device.type == "cuda"):
        image, text, scale = clip.clip(pixels, tokens)
    loss = ClipLoss()(image.float(), text.float(), scale.float())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(clip.clip.parameters(), 1.0)
    optimizer.step()
    with torch.no_grad():
        clip.clip.logit_scale.clamp_(0, MAX_LOGIT_SCALE)
    return float(loss.detach())


def _optimizer(model: torch.nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    # Gains, biases and embeddings do not decay: most words of the vocabulary never occur and would fade to nothing.
    plain = {name for name, value in model.named_parameters() if value.ndim < 2 or "embedding" in name}
    groups = [{"params": [value for name, value in model.named_parameters() if (name in plain) == is_plain],
               "weight_decay": 0.0 if is_plain else recipe.weight_decay} for is_plain in (True, False)]
    return torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98), eps=1e-6)


def _rate(recipe: Recipe, progress: float, epochs: float) -> float:
    warm = min(1.0, (epochs + 1e-3) / recipe.warmup_epochs) if recipe.warmup_epochs else 1.0
    return recipe.rate * warm * 0.5 * (1 + math.cos(math.pi * progress))


class _Tokens:
    """Token ids of texts, remembered: the same few thousand sentences come again and again."""

    def __init__(self, clip: FrozenCLIP) -> None:
        self._tokenizer: open_clip.SimpleTokenizer = clip.tokenizer
        self._known: dict[str, Tensor] = {}

    def __call__(self, texts: list[str]) -> Tensor:
        for text in texts:
            if text not in self._known:
                self._known[text] = self._tokenizer([text])[0]
        return torch.stack([self._known[text] for text in texts])


def _identity(recipe: Recipe, pairs: Pairs) -> str:
    digest = hashlib.sha256(json.dumps(asdict(recipe), sort_keys=True).encode())
    digest.update("\n".join(pairs.ids + pairs.texts).encode())
    digest.update(pairs.scenes.tobytes())
    return digest.hexdigest()[:16]


def _resume(path: Path, identity: str, model: torch.nn.Module,
            optimizer: torch.optim.Optimizer) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["identity"] != identity:
        return []
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["curve"]


def _save(path: Path, identity: str, model: torch.nn.Module, optimizer: torch.optim.Optimizer,
          curve: list[dict[str, float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save({"identity": identity, "model": model.state_dict(), "optimizer": optimizer.state_dict(), "curve": curve},
               temporary)
    temporary.replace(path)
