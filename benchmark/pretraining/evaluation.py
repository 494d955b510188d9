"""Features of pairs from both towers, the report made of them, and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.datasets.caption_schema import SCENE_CLASSES
from benchmark.pretraining.pairs import Pairs
from benchmark.pretraining.retrieval import (
    CLASS_NAMES,
    by_dataset,
    caption_votes,
    majority,
    prototypes_of,
    retrieval,
    scene_accuracy,
)
from models.sr_clip.clip import FrozenCLIP

AT_ONCE = 64


def image_features(clip: FrozenCLIP, scenes: np.ndarray) -> np.ndarray:
    """(N, C) features of unit length of (N, S, S) uint8 scenes, made as SAIST makes them."""
    made = [clip.encode_image(torch.from_numpy(scenes[start:start + AT_ONCE]), cached=False).scene
            for start in range(0, len(scenes), AT_ONCE)]
    return _unit(torch.cat(made))


@torch.no_grad()
def text_features(clip: FrozenCLIP, texts: list[str]) -> np.ndarray:
    """(N, C) features of unit length."""
    device = clip.pixel_scale.device
    made = [clip.clip.encode_text(clip.tokenizer(texts[start:start + AT_ONCE]).to(device))
            for start in range(0, len(texts), AT_ONCE)]
    return _unit(torch.cat(made))


def evaluate(clip: FrozenCLIP, training: Pairs, test: Pairs) -> tuple[dict[str, Any], tuple[np.ndarray, np.ndarray]]:
    """The report on the test pairs, and their features (images, texts) for a figure.

    ``scene_class`` has three ways of asking for a class in words, and none sees a labelled image: ``captions``, all
    training captions vote for their class (see ``caption_votes``); ``prototypes``, the mean of a class's training
    captions, all classes alike; ``names``, "a photo of a <name>".
    """
    images, texts = image_features(clip, test.scenes), text_features(clip, test.texts)
    known, scale = text_features(clip, training.texts), float(clip.clip.logit_scale.exp())
    names = text_features(clip, [f"a photo of a {CLASS_NAMES[name]}" for name in SCENE_CLASSES])
    scores = {
        "captions": caption_votes(images, known, training.classes, scale),
        "prototypes": images @ prototypes_of(known, training.classes).T,
        "names": images @ names.T,
    }
    report = {
        "retrieval": retrieval(images, texts),
        "scene_class": {name: scene_accuracy(found, test.classes) for name, found in scores.items()},
        "by_dataset": {name: {"retrieval": retrieval(images[rows], texts[rows]),
                              "scene_class": scene_accuracy(scores["captions"][rows], test.classes[rows])}
                       for name, rows in by_dataset(test.ids).items()},
    }
    return report, (images, texts)


def baselines(training: Pairs, test: Pairs) -> dict[str, Any]:
    """What needs no CLIP: guessing, and always naming the most frequent training class."""
    return {"chance": 1 / len(SCENE_CLASSES), "majority": majority(training.classes, test.classes)}


def draw(features: tuple[np.ndarray, np.ndarray], classes: np.ndarray, path: Path, title: str) -> None:
    """t-SNE of both towers' test features together: images at the left, captions at the right, a colour a class."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.lines import Line2D
    from sklearn.manifold import TSNE

    # The towers lie apart on the sphere, whatever they have learned; each about its own mean, they can be compared.
    centred = np.concatenate([side - side.mean(axis=0) for side in features])
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    perplexity = min(30.0, (len(centred) - 1) / 3)
    places = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=0).fit_transform(centred)
    colours = pyplot.get_cmap("tab20").colors
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 5.2), constrained_layout=True, sharex=True, sharey=True)
    count = len(classes)
    for axis, name, side in zip(axes, ("images", "captions"), (places[:count], places[count:]), strict=True):
        for kind in np.unique(classes):
            axis.scatter(*side[classes == kind].T, s=9, linewidths=0, color=colours[kind])
        axis.set(title=name, xticks=[], yticks=[])
    handles = [Line2D([], [], marker="o", linestyle="", color=colours[kind], label=SCENE_CLASSES[kind])
               for kind in np.unique(classes)]
    figure.legend(handles=handles, loc="outside lower center", ncols=6, frameon=False)
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _unit(features: Tensor) -> np.ndarray:
    array = features.float().cpu().numpy().astype(np.float64)
    return array / np.linalg.norm(array, axis=1, keepdims=True)
