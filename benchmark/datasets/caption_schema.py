"""What a caption of MIRSTD is, and what is wrong with one; standard library only.

A caption reads "a photo of a <scene> with <object>, <object>, and <object>, <clause>." (the paper, section 3.4: about
25 words in the form "a photo of a scene with [object], [object], and [object]").
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

SCENE_CLASSES = ("clear-sky", "cloudy-sky", "sea", "coast", "mountain", "field", "forest", "urban", "road", "indoor",
                 "other")
MIN_WORDS, MAX_WORDS = 20, 28
BEGINNING = "a photo of a"
OBJECTS = 3
REVIEWS = ("pending", "accepted", "edited", "rejected")
"""Values of the optional field ``review``; a rejected caption is not used."""

_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")


def problems(entry: Any) -> list[str]:
    """Everything that is wrong with a caption, one clause each; empty where it may be used."""
    if not isinstance(entry, Mapping):
        return ["a caption is an object"]
    found = [f"{key} must be a string with something in it" for key in ("image", "scene", "scene_class", "text")
             if not _is_phrase(entry.get(key))]
    if _is_phrase(entry.get("scene_class")) and entry["scene_class"] not in SCENE_CLASSES:
        found.append(f"scene_class {entry['scene_class']!r} is none of {', '.join(SCENE_CLASSES)}")
    objects = entry.get("objects")
    if not isinstance(objects, (list, tuple)) or len(objects) != OBJECTS or not all(map(_is_phrase, objects)):
        found.append(f"objects must be a list of {OBJECTS} phrases")
    if "review" in entry and entry["review"] not in REVIEWS:
        found.append(f"review {entry['review']!r} is none of {', '.join(REVIEWS)}")
    return found + (_text_problems(entry["text"]) if _is_phrase(entry.get("text")) else [])


def form_problems(entry: Mapping[str, Any]) -> list[str]:
    """Where a valid caption's text departs from its own scene and objects; captions made here must have none."""
    objects = ", ".join(re.escape(phrase) for phrase in entry["objects"][:-1])
    form = rf"a photo of an? {re.escape(entry['scene'])} with {objects}, and {re.escape(entry['objects'][-1])}, .+\."
    return [] if re.fullmatch(form, entry["text"]) else [
        "text must read 'a photo of a <scene> with <object>, <object>, and <object>, <clause>.' with the scene and the "
        "objects worded as in their own fields"]


def leaks(text: str, forbidden: Collection[str]) -> list[str]:
    """Forbidden words of a text, in order; a hyphenated compound is one word."""
    return [word for word in words(text) if word in forbidden]


def words(text: str) -> list[str]:
    """Words in lower case without punctuation; a hyphenated compound is one word."""
    return _WORD.findall(text.lower())


def _text_problems(text: str) -> list[str]:
    found = [] if text.startswith(BEGINNING) else [f"text must begin {BEGINNING!r}"]
    count = len(text.split())
    if not MIN_WORDS <= count <= MAX_WORDS:
        found.append(f"text has {count} words, not {MIN_WORDS} to {MAX_WORDS}")
    return found


def _is_phrase(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()
