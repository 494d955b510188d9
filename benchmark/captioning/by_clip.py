"""Captions without a vision endpoint: CLIP picks a scene and objects from MIRSTD's training vocabulary.

The class is the one whose scenes are most like the image on average; scene and objects are that class's most similar
ones. The closing clause is measured, not guessed: where the image is bright and how strong its contrast is.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.captioning.scenes import SceneFile, background
from benchmark.datasets.caption_schema import MAX_WORDS, MIN_WORDS, OBJECTS
from benchmark.datasets.mirstd import vocabulary
from models.sr_clip.clip import FrozenCLIP, weights_name

CLEAR_STEP = 0.06
"""Difference of mean brightness between two halves of an image that is worth a word."""


class ClipDescriber:
    """Describes scenes by zero-shot similarity.

    Args:
        clip: The CLIP to compare with; with random weights its choices mean nothing.
        words: As ``mirstd.vocabulary``.
    """

    def __init__(self, clip: FrozenCLIP, words: dict[str, Any] | None = None) -> None:
        words = words or vocabulary()
        self.clip, self.name = clip, f"clip:{weights_name(clip)}"
        self.scenes = {scene_class: phrases for scene_class, phrases in words["scenes"].items() if phrases}
        self.objects = {scene_class: words["objects"][scene_class] for scene_class in self.scenes}
        self._scene_features = {name: self._texts([f"a photo of a {scene}" for scene in phrases])
                                for name, phrases in self.scenes.items()}
        self._object_features: dict[tuple[str, str], Tensor] = {}

    def describe(self, scene: SceneFile) -> dict[str, Any]:
        """The scene's caption with ``by``. Raises ``DataError`` if the image or its mask cannot be read."""
        image = background(scene)
        scene_class, phrase, objects = self.choose(image)
        text = compose(phrase, objects, image)
        return {"image": scene.id, "scene": phrase, "scene_class": scene_class, "objects": objects, "text": text,
                "by": self.name}

    def choose(self, image: np.ndarray) -> tuple[str, str, list[str]]:
        """Scene class, scene and three objects of an (H, W) uint8 image."""
        size = self.clip.image_size
        pixels = torch.from_numpy(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA))
        feature = F.normalize(self.clip.encode_image(pixels[None], cached=False).scene[0], dim=-1)
        similarities = {name: features @ feature for name, features in self._scene_features.items()}
        scene_class = max(similarities, key=lambda name: float(similarities[name].mean()))
        scene = self.scenes[scene_class][int(similarities[scene_class].argmax())]
        key = (scene_class, scene)
        if key not in self._object_features:
            self._object_features[key] = self._texts([f"a photo of a {scene} with {phrase}"
                                                      for phrase in self.objects[scene_class]])
        ranking = (self._object_features[key] @ feature).argsort(descending=True).tolist()
        return scene_class, scene, _distinct([self.objects[scene_class][index] for index in ranking])

    def _texts(self, texts: list[str]) -> Tensor:
        return F.normalize(torch.stack([self.clip.encode_text(text) for text in texts]), dim=-1)


def compose(scene: str, objects: list[str], image: np.ndarray) -> str:
    """The caption of the paper's form, with a clause that follows from the image's brightness."""
    article = "an" if scene[0].lower() in "aeiou" else "a"
    start = f"a photo of {article} {scene} with {objects[0]}, {objects[1]}, and {objects[2]},"
    room = MAX_WORDS - len(start.split())
    clause = ""
    for addition in _remarks(image):
        longer = f"{clause}, {addition}" if clause else addition
        if len(longer.split()) <= room and (not clause or len((start + " " + clause).split()) < MIN_WORDS):
            clause = longer
    return f"{start} {clause}."


def _remarks(image: np.ndarray) -> list[str]:
    # From the most telling to mere filling; each is true of the image.
    levels = image.astype(np.float64) / 255
    height, width = (side // 2 for side in levels.shape)
    down = levels[height:].mean() - levels[:height].mean()
    right = levels[:, width:].mean() - levels[:, :width].mean()
    vertical = abs(down) >= abs(right)
    if max(abs(down), abs(right)) < CLEAR_STEP:
        where = "evenly bright from side to side"
    elif vertical:
        where = "brighter toward the bottom" if down > 0 else "brighter toward the top"
    else:
        where = "brighter toward the right side" if right > 0 else "brighter toward the left side"
    mean, spread = levels.mean(), levels.std()
    tone = "dark" if mean < 0.25 else "mid-grey" if mean < 0.55 else "pale"
    contrast = "low" if spread < 0.08 else "moderate" if spread < 0.18 else "strong"
    return [where, f"{tone} on the whole", f"{contrast} in contrast across the whole frame"]


def _distinct(phrases: list[str]) -> list[str]:
    # No two objects with the same last word: "a grey sky" and "a dark sky" say one thing.
    chosen: list[str] = []
    for phrase in phrases:
        if phrase.split()[-1] not in {other.split()[-1] for other in chosen}:
            chosen.append(phrase)
    chosen += [phrase for phrase in phrases if phrase not in chosen]
    return chosen[:OBJECTS]
