"""Things with edges that stand in a scene: treetops, roads, buildings, masts and wires.

Each takes a generator and works on whole (H, W) float64 fields; sizes are fractions of the frame, so that a scene
looks alike at every image size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.datasets.synthetic.fields import pixel_grid, power_law_field, power_law_profile, smooth_step


def treetops(rng: np.random.Generator, shape: tuple[int, int], side: str) -> tuple[np.ndarray, np.ndarray]:
    """Opacity in [0, 1] and leaf texture (mean 0) of foliage that rises from the left, right or bottom edge."""
    y, x = pixel_grid(shape)
    reach = {"left": (0.35 - x) * 1.1, "right": (x - 0.65) * 1.1, "bottom": np.zeros_like(x)}[side]
    outline = 1 - rng.uniform(0.06, 0.22) - reach + 0.05 * power_law_profile(rng, shape[1], 2.0, corner=3)[None, :]
    leaves = power_law_field(rng, shape, 2.7, corner=10)
    cover = smooth_step(y - outline + 0.04 * leaves, 0.0, 0.035)
    return cover, power_law_field(rng, shape, 1.8, corner=20)


def road(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Opacity in [0, 1] of one winding road across the frame, wider where it is nearer to the camera."""
    height, width = shape
    y, x = pixel_grid(shape)
    if rng.random() < 0.5:  # across
        course = rng.uniform(0.25, 0.8) + rng.uniform(-0.4, 0.4) * (x - 0.5)
        course = course + 0.04 * power_law_profile(rng, width, 3.2)[None, :]
        distance = np.abs(y - course)
    else:  # away from the camera
        course = rng.uniform(0.25, 0.75) + rng.uniform(-0.6, 0.6) * (y - 0.5)
        course = course + 0.05 * power_law_profile(rng, height, 3.2)[:, None]
        distance = np.abs(x - course)
    half_width = rng.uniform(0.008, 0.025) * (0.4 + 1.2 * y)
    return 1 - smooth_step(distance, half_width, 2.0 / min(shape))


def skyline(rng: np.random.Generator, sky: np.ndarray, base: float) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """A row of buildings, perhaps with a mast and wires, before the sky.

    Returns the (H, W) field, a bool map of what is built, and the parameters of the scene.
    """
    shape = sky.shape
    field, built = sky.copy(), np.zeros(shape, dtype=bool)
    # Above a row of blocks stands the sky; a single wall seen close by fills one side of the frame.
    close = bool(rng.random() < 0.3)
    count = int(rng.integers(1, 3)) if close else int(rng.integers(3, 8))
    side = str(rng.choice(["left", "right"]))
    roof = 1.0
    for _ in range(count):
        wide = rng.uniform(0.3, 0.5) if close else rng.uniform(0.10, 0.24)
        tall = rng.uniform(0.45, 0.9) if close else rng.uniform(0.08, 0.42)
        left = rng.uniform(-0.1, 0.08) if close else rng.uniform(-0.1, 0.95)
        if close and side == "right":
            left = 1 - wide - left
        _building(rng, field, built, (left, 1 - tall, wide), base + rng.uniform(-18, 45), windows=rng.random() < 0.75)
        roof = min(roof, 1 - tall)
    mast = bool(rng.random() < 0.5)
    wires = int(rng.integers(2, 5)) if mast and rng.random() < 0.6 else 0
    if mast:
        _mast(rng, field, built, base + rng.uniform(25, 70), wires)
    return field, built, {
        "buildings": count, "close": close, "side": side, "roof": float(roof), "mast": mast, "wires": wires,
    }  # fmt: skip


def _building(
    rng: np.random.Generator,
    field: np.ndarray,
    built: np.ndarray,
    box: tuple[float, float, float],
    tone: float,
    *,
    windows: bool,
) -> None:
    """Draw one block; ``box`` is left, top and width as fractions, the block reaches down to the frame."""
    height, width = field.shape
    x0, x1 = (int(round(v * width)) for v in (box[0], box[0] + box[2]))
    y0 = int(round(box[1] * height))
    x0, x1 = max(x0, 0), min(x1, width)
    if x1 - x0 < max(3, width // 24):  # a sliver at the edge of the frame
        return
    wall = np.s_[y0:, x0:x1]
    rows, columns = field[wall].shape
    shade = tone + rng.uniform(-15, 15) * np.linspace(-0.5, 0.5, columns)[None, :]
    shade = shade + 4 * power_law_field(rng, (rows, columns), 2.4)
    if windows:
        pitch_y, pitch_x = rng.integers(max(4, height // 40), max(6, height // 16), size=2)
        grid = ((np.arange(rows)[:, None] % pitch_y) >= pitch_y // 2) & (
            (np.arange(columns)[None, :] % pitch_x) >= pitch_x // 2
        )
        grid[: pitch_y // 2 + 1] = False
        # Rooms are warm or cold one by one: neighbouring panes differ.
        panes = rng.normal(0, 1, size=(rows // pitch_y + 1, columns // pitch_x + 1))
        lit = panes[np.arange(rows)[:, None] // pitch_y, np.arange(columns)[None, :] // pitch_x]
        shade = np.where(grid, shade + rng.choice([-22.0, 16.0]) + 7 * lit, shade)
    field[wall] = shade
    field[y0 : y0 + 2, x0:x1] += rng.uniform(8, 30)  # the parapet faces the sky and the sun
    built[wall] = True


def _mast(rng: np.random.Generator, field: np.ndarray, built: np.ndarray, tone: float, wires: int) -> None:
    """Draw an upright mast with a crossarm and, if any, sagging wires from it to both edges of the frame."""
    shape = field.shape
    y, x = pixel_grid(shape)
    foot, tip = rng.uniform(0.15, 0.85), rng.uniform(0.2, 0.5)
    pixel = 1 / max(shape)
    arm = tip + 0.03
    half = rng.uniform(1.0, 2.2) * pixel
    cover = (1 - smooth_step(np.abs(x - foot), half, pixel)) * (y > tip)
    cover = np.maximum(cover, (np.abs(y - arm) < half) & (np.abs(x - foot) < 0.06))
    for k in range(wires):
        start = arm + 0.02 * k
        sag = rng.uniform(0.05, 0.2)
        line = start + sag * (x - foot) * (1.0 - np.abs(x - foot)) * np.sign(x - foot)
        cover = np.maximum(cover, 0.6 * (1 - smooth_step(np.abs(y - line), 0.5 * pixel, pixel)))
    field += cover * (tone - field)
    built |= cover > 0.3
