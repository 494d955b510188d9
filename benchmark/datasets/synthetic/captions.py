"""Captions of synthetic scenes, in the form of the real sets' captions.

A caption reads "a photo of a <scene> with <object>, <object>, and <object>, <clause>." in 20 to 28 words. Every phrase
follows from the parameters the scene was made from, and none of those belongs to a target: a caption can help to tell
clutter from targets but cannot give a target away.
"""

from __future__ import annotations

from typing import Any, TypeVar

MIN_WORDS, MAX_WORDS = 20, 28

T = TypeVar("T")
Phrases = tuple[str, tuple[str, str, str], str]


def describe(family: str, params: dict[str, Any]) -> str:
    """The caption of a scene. Raises ``KeyError`` for a family that does not exist."""
    scene, objects, clause = _WRITERS[family](params)
    return f"a photo of a {scene} with {objects[0]}, {objects[1]}, and {objects[2]}, {clause}."


def _step(value: float, limits: tuple[float, ...], words: tuple[T, ...]) -> T:
    """The entry for the interval of ``limits`` that ``value`` falls in; ``words`` has one more entry."""
    return words[sum(value >= limit for limit in limits)]


def _tone(level: float) -> str:
    return _step(level, (30, 60, 95), ("black", "dark", "grey", "pale"))


def _sky(p: dict[str, Any]) -> Phrases:
    tone = _tone(p["top"])
    graded = p["rise"] >= 15
    scene = f"{tone} sky graded downward" if graded else f"nearly uniform {tone} sky"
    grain = _step(p["haze"], (1.2, 2.6), ("a smooth surface", "a faint haze", "broad haze patches"))
    lower = "a brighter lower edge" if graded else "hardly any gradient"
    if p["treetops"] is None:
        return scene, (grain, lower, "no cloud anywhere"), "empty from top to bottom"
    where = {"left": "at lower left", "right": "at lower right", "bottom": "along the bottom"}[p["treetops"]]
    return scene, (grain, lower, f"bright treetops {where}"), "the rest left open"


def _cloud(p: dict[str, Any]) -> Phrases:
    tone = _tone(p["top"])
    amount = _step(p["cover"], (0.3, 0.6), ("thinly", "partly", "heavily"))
    gaps = _step(p["cover"], (0.3, 0.6), (f"wide {tone} gaps", f"{tone} openings between", f"few {tone} gaps"))
    light = _step(p["contrast"], (60, 105), ("dull", "bright", "white"))
    body, edges = {
        "cumulus": ("rounded cloud heaps", "ragged billowing edges"),
        "stratus": ("level cloud bands", "soft blurred edges"),
        "cirrus": ("drawn-out cloud streaks", "feathered wispy edges"),
    }[p["kind"]]
    x, y = p["mass_x"] - 0.5, p["mass_y"] - 0.5
    if max(abs(x), abs(y)) < 0.06:
        clause = "spread evenly across the frame"
    elif abs(x) >= abs(y):
        clause = f"thickest towards the {'right' if x > 0 else 'left'} side"
    else:
        clause = f"thickest towards the {'lower' if y > 0 else 'upper'} side"
    return f"{amount} clouded {tone} sky", (f"{light} {body}", gaps, edges), clause


def _sea(p: dict[str, Any]) -> Phrases:
    state, waves = _step(
        p["roughness"],
        (4.5, 8.5),
        (("calm", "fine low ripples"), ("rippled", "short wave crests"), ("rough", "steep broken crests")),
    )
    scene = f"{state} {_tone(p['tone'])} sea"
    shine = "a glittering reflection lane" if p["glint"] else "an even matt surface"
    if p["horizon"] is None:
        return scene, (waves, shine, "no visible horizon"), "water filling the whole frame"
    sky = "brighter sky above" if p["bright_sky"] else "darker sky above"
    return scene, (waves, shine, "a low coast strip" if p["coast"] else sky), f"the horizon {_height(p['horizon'])}"


def _terrain(p: dict[str, Any]) -> Phrases:
    if p["view"] == "ridges":
        kind, crests = _step(
            p["relief"], (0.04, 0.065), (("rolling", "gentle"), ("hilly", "uneven"), ("rugged", "steep"))
        )
        number = ("one long ridge", "two overlapping ridges", "three overlapping ridges")[p["ridges"] - 1]
        objects = (number, f"{crests} crests", f"a {_tone(p['top'])} sky above")
        return f"{kind} mountain landscape", objects, f"the skyline {_height(p['crest'])}"
    scene = f"{_tone(p['tone'])} stretch of open ground"
    amount = _step(p["growth"], (0.22, 0.4), ("few", "scattered", "dense"))
    growth = f"{amount} {'dark' if p['dark_growth'] else 'bright'} growth clumps"
    objects = (growth, "mottled rough soil", "a bright winding road" if p["road"] else "no road anywhere")
    return scene, objects, "seen from above without sky"


def _urban(p: dict[str, Any]) -> Phrases:
    if p["close"]:
        scene, blocks = "tall building seen close", f"straight edges at {p['side']}"
        clause = f"the roof reaching {'high' if p['roof'] < 0.3 else 'halfway'} up the frame"
    else:
        scene = f"{'crowded' if p['buildings'] >= 5 else 'sparse'} row of buildings"
        blocks = f"{'tall' if p['roof'] < 0.72 else 'low'} flat-roofed blocks"
        clause = "the skyline filling the lower view"
    mast = "a thin mast" if p["mast"] else "no mast visible"
    if p["wires"]:
        mast = "sagging wires overhead"
    return scene, (blocks, mast, f"a {_tone(p['top'])} sky above"), clause


def _height(fraction: float) -> str:
    words = ("high in", "above the middle of", "near the middle of")
    return f"{_step(fraction, (0.3, 0.45), words)} the frame"


_WRITERS = {"sky": _sky, "cloud": _cloud, "sea": _sea, "terrain": _terrain, "urban": _urban}
