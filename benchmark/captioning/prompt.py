"""What a vision model is asked, and what is made of its answer."""

from __future__ import annotations

import re
from typing import Any

from benchmark.datasets.caption_schema import (
    MAX_WORDS,
    MIN_WORDS,
    OBJECTS,
    SCENE_CLASSES,
    form_problems,
    leaks,
    problems,
)
from benchmark.datasets.mirstd import leak_words
from benchmark.json_text import parse

FIELDS = ("scene", "scene_class", "objects", "text")

INSTRUCTIONS = f"""\
You are an expert in thermal infrared imagery. Describe the background of one infrared image.

Answer with one JSON object and nothing else. Its fields:
- "scene": a noun phrase without article that names the scene ("overcast sky above treetops").
- "scene_class": one of {", ".join(SCENE_CLASSES)}.
- "objects": exactly {OBJECTS} noun phrases, the largest things or textures of the background.
- "text": one sentence of {MIN_WORDS} to {MAX_WORDS} words, about 25, that reads
  "a photo of a <scene> with <object>, <object>, and <object>, <clause>."
  with the scene and the objects worded as in their own fields, and a short clause about layout or brightness.

Describe only what is visible: land, water, sky, clouds, vegetation, buildings, tones, noise. Do not guess the time of
day, the weather or the place. Say nothing of small bright or dark points, of flying or moving things, or of anything
that might have been removed from the image.

Example of "text": "a photo of a dark open sea with sharp horizon line, pale wave crests, and plain grey sky, the \
rough-textured water filling the lower half of the view."
"""

SCHEMA: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "required": list(FIELDS),
    "properties": {
        "scene": {"type": "string"}, "scene_class": {"type": "string", "enum": list(SCENE_CLASSES)},
        "objects": {"type": "array", "items": {"type": "string"}, "minItems": OBJECTS, "maxItems": OBJECTS},
        "text": {"type": "string"},
    },
}
RESPONSE_FORMATS: dict[str, dict[str, Any] | None] = {
    "json_object": {"type": "json_object"},
    "json_schema": {"type": "json_schema", "json_schema": {"name": "caption", "strict": True, "schema": SCHEMA}},
    "none": None,
}
"""What the endpoint is told about the form of an answer; servers differ in what they accept."""


def first_messages(data_url: str) -> list[dict[str, Any]]:
    """The conversation's beginning for one image."""
    return [{"role": "system", "content": INSTRUCTIONS},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": data_url, "detail": "high"}}]}]


def again_messages(answer: str, found: list[str]) -> list[dict[str, Any]]:
    """What is added to the conversation after an answer that cannot be used."""
    return [{"role": "assistant", "content": answer or "(empty)"},
            {"role": "user", "content": f"That cannot be used: {'; '.join(found)}. Answer again with the JSON object "
                                        "alone."}]


def read_answer(answer: str, image: str) -> tuple[dict[str, Any], list[str]]:
    """The caption that an answer holds, and everything that is wrong with it; the caption is empty where it is none."""
    fenced = re.fullmatch(r"\s*```(?:json)?\s*(.*?)\s*```\s*", answer, re.DOTALL)
    try:
        content = parse(fenced[1] if fenced else answer)
    except ValueError:
        return {}, ["the answer is not JSON"]
    if not isinstance(content, dict):
        return {}, ["the answer is not a JSON object"]
    caption = {"image": image} | {name: content.get(name) for name in FIELDS}
    found = problems(caption)
    if not found:
        found = form_problems(caption)
        if leaking := leaks(caption["text"], leak_words()):
            found.append(f"text must not hold {', '.join(dict.fromkeys(leaking))}")
    return caption, found
