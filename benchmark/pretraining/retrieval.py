"""What a CLIP is worth on pairs: retrieval both ways, zero-shot scene classes, with intervals; NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmark.datasets.caption_schema import SCENE_CLASSES

KS = (1, 5, 10)
CLASS_NAMES = {"clear-sky": "clear sky", "cloudy-sky": "cloudy sky", "indoor": "room indoors", "other": "plain surface",
               "coast": "coast", "field": "field", "forest": "forest", "mountain": "mountain", "road": "road",
               "sea": "sea", "urban": "city building"}
assert set(CLASS_NAMES) == set(SCENE_CLASSES)


def ranks(similarity: np.ndarray) -> np.ndarray:
    """For each row of (N, N) how many columns are at least as similar as its own, itself left out: 0 is best.

    Ties count against: a tower that says the same of everything finds nothing.
    """
    own = np.diagonal(similarity)[:, None]
    return (similarity >= own).sum(axis=1) - 1


def share(hits: np.ndarray, resamples: int = 2000, seed: int = 0) -> dict[str, float]:
    """Mean of (N,) hits as ``value``, with a 95 % bootstrap interval over rows as ``low`` and ``high``."""
    random = np.random.default_rng(seed)
    draws = random.multinomial(len(hits), np.full(len(hits), 1 / len(hits)), size=resamples) @ hits / len(hits)
    low, high = np.percentile(draws, [2.5, 97.5])
    return {"value": float(np.mean(hits)), "low": float(low), "high": float(high)}


def retrieval(images: np.ndarray, texts: np.ndarray) -> dict[str, Any]:
    """``image_to_text`` and ``text_to_image``: R@1, R@5 and R@10 with intervals; ``chance``: what guessing gives.

    Args:
        images: (N, C) features of unit length.
        texts: (N, C) features of their captions.
    """
    found: dict[str, Any] = {"pairs": len(images)}
    similarity = images @ texts.T
    for name, matrix in (("image_to_text", similarity), ("text_to_image", similarity.T)):
        rank = ranks(matrix)
        found[name] = {f"R@{k}": share((rank < k).astype(float)) for k in KS}
    found["chance"] = {f"R@{k}": min(1.0, k / len(images)) for k in KS}
    return found


def scene_accuracy(scores: np.ndarray, classes: np.ndarray) -> dict[str, Any]:
    """Accuracy of taking the class with the highest score.

    Args:
        scores: (N, K) of each image and class; NaN for a class that cannot be chosen.
        classes: (N,) true classes.

    Returns:
        ``accuracy`` with its interval, and ``balanced``, the mean over the classes that occur.
    """
    hits = np.where(np.isnan(scores), -np.inf, scores).argmax(axis=1) == classes
    balanced = float(np.mean([hits[classes == kind].mean() for kind in np.unique(classes)]))
    return {"accuracy": share(hits.astype(float)), "balanced": balanced}


def caption_votes(images: np.ndarray, texts: np.ndarray, classes: np.ndarray, scale: float) -> np.ndarray:
    """(N, K) probability of each class: that CLIP chooses one of its captions for the image, among all captions.

    Args:
        images: (N, C) features of unit length.
        texts: (M, C) features of captions whose class is known.
        classes: (M,) their classes.
        scale: By which CLIP multiplies cosines.
    """
    logits = scale * images @ texts.T
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights @ np.eye(len(SCENE_CLASSES))[classes]


def prototypes_of(texts: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(K, C) mean direction of the captions of each scene class; NaN for a class that has none."""
    found = np.full((len(SCENE_CLASSES), texts.shape[1]), np.nan)
    for kind in np.unique(classes):
        mean = texts[classes == kind].mean(axis=0)
        found[kind] = mean / np.linalg.norm(mean)
    return found


def majority(training: np.ndarray, test: np.ndarray) -> dict[str, Any]:
    """The most frequent class of the training pairs, and the ``accuracy`` of always naming it on the test pairs."""
    kind = int(np.bincount(training, minlength=len(SCENE_CLASSES)).argmax())
    return {"class": SCENE_CLASSES[kind], "accuracy": float(np.mean(test == kind))}


def by_dataset(ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Rows of each dataset, for ids that read ``dataset/image``."""
    names = np.array([sample_id.partition("/")[0] for sample_id in ids])
    return {str(name): np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())}
