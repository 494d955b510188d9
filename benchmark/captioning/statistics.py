"""Figures about a set of captions: lengths, words, classes, near-duplicates, words that could give a target away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from benchmark.datasets.caption_schema import SCENE_CLASSES, leaks, words

NEAR = 0.5
"""Two captions are near-duplicates when they share at least this part of the words that either has (Jaccard)."""
# Big things of the scene, and noise, that a caption may well name; shown because they deserve a second look.
WATCHED = ("ship", "vessel", "car", "cars", "truck", "vehicle", "vehicles", "trail", "plume", "specks", "speckle",
           "flecks", "sun", "moon", "lamp", "light", "lights", "glow", "tiny", "small")
FORM_WORDS = frozenset(("a", "an", "and", "of", "photo", "with"))
SMALL_WORDS = frozenset(("the", "at", "in", "on", "by", "to", "from", "under", "over", "above", "below", "across"))
"""Counted, but not shown among the most frequent."""
TOP, SHOWN_PAIRS = 25, 10
MAX_PHRASE_WORDS = 4
"""Longer phrases are left out of the vocabulary: four of them would fill a caption."""


def statistics(name: str, captions: Sequence[Mapping[str, Any]], forbidden: Collection[str]) -> dict[str, Any]:
    """Everything the page and the terminal show of one set, in JSON types.

    Args:
        name: Of the dataset.
        captions: Valid captions, one an image.
        forbidden: Words that no caption may hold.
    """
    texts = [caption["text"] for caption in captions]
    lengths = [len(text.split()) for text in texts]
    vocabulary = Counter(word for text in texts for word in words(text) if word not in FORM_WORDS)
    telling = Counter({word: count for word, count in vocabulary.items() if word not in SMALL_WORDS})
    pairs, share = near_duplicates(texts)
    found = {caption["image"]: leaks(caption["text"], forbidden) for caption in captions}
    classes = Counter(caption["scene_class"] for caption in captions)
    return {
        "name": name, "captions": len(captions), "distinct_texts": len(set(texts)),
        "words": {"total": sum(vocabulary.values()), "vocabulary": len(vocabulary),
                  "once": sum(count == 1 for count in vocabulary.values()), "top": telling.most_common(TOP)},
        "length": {"min": min(lengths, default=0), "mean": float(np.mean(lengths)) if lengths else None,
                   "max": max(lengths, default=0), "counts": sorted(Counter(lengths).items())},
        "scenes": len({caption["scene"] for caption in captions}),
        "objects": len({phrase for caption in captions for phrase in caption["objects"]}),
        "classes": {scene_class: classes[scene_class] for scene_class in SCENE_CLASSES},
        "near_duplicates": {
            "threshold": NEAR, "pairs": len(pairs), "captions": share,
            "closest": [{"images": [captions[a]["image"], captions[b]["image"]], "similarity": similarity,
                         "texts": [texts[a], texts[b]]} for a, b, similarity in pairs[:SHOWN_PAIRS]]},
        "leaks": {image: words for image, words in found.items() if words},
        "watched": {word: vocabulary[word] for word in WATCHED if vocabulary[word]},
    }


def near_duplicates(texts: Sequence[str]) -> tuple[list[tuple[int, int, float]], int]:
    """Pairs of texts that share most of their words, most alike first, and how many texts have such a partner."""
    from sklearn.feature_extraction.text import CountVectorizer

    telling = [set(words(text)) - FORM_WORDS for text in texts]
    if len(texts) < 2 or not any(telling):  # texts of another script have no words of ours
        return [], 0
    matrix = CountVectorizer(analyzer=lambda own: own, dtype=np.int32).fit_transform(telling)
    sizes = np.asarray(matrix.sum(axis=1)).ravel()
    common = (matrix @ matrix.T).tocoo()
    similarity = common.data / np.maximum(sizes[common.row] + sizes[common.col] - common.data, 1)
    kept = (common.row < common.col) & (similarity >= NEAR)
    pairs = sorted(zip(common.row[kept].tolist(), common.col[kept].tolist(), similarity[kept].tolist(), strict=True),
                   key=lambda pair: (-pair[2], pair[0], pair[1]))
    return pairs, len({index for pair in pairs for index in pair[:2]})


def build_vocabulary(captions: Sequence[Mapping[str, Any]], scenes: int = 24, objects: int = 48) -> dict[str, Any]:
    """The most frequent phrases by scene class: ``scenes`` and ``objects``, each a dict of lists, frequent first."""
    by_class: dict[str, dict[str, Counter[str]]] = {}
    for caption in captions:
        counters = by_class.setdefault(caption["scene_class"], {"scenes": Counter(), "objects": Counter()})
        counters["scenes"][caption["scene"]] += 1
        counters["objects"].update(caption["objects"])
    return {kind: {scene_class: _frequent(by_class[scene_class][kind], limit)
                   for scene_class in SCENE_CLASSES if scene_class in by_class}
            for kind, limit in (("scenes", scenes), ("objects", objects))}


def _frequent(counter: Counter[str], limit: int) -> list[str]:
    short = [item for item in counter.items() if len(item[0].split()) <= MAX_PHRASE_WORDS]
    return [phrase for phrase, _ in sorted(short, key=lambda item: (-item[1], item[0]))[:limit]]
