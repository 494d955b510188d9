"""Backdrops without targets: five families of infrared scenes as radiance fields in grey levels.

A backdrop is what the optics deliver before the sensor adds its own defects. Each family draws its physical
parameters first, builds the field from them, and hands the parameters on, so that captions and metadata describe
the very scene that was made. Sky is cold and warms towards the horizon, ground and masonry are warm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import ndimage

from benchmark.datasets.synthetic import structures
from benchmark.datasets.synthetic.fields import (
    pixel_grid,
    power_law_field,
    power_law_profile,
    relief_shading,
    sample_texture,
    smooth_step,
)

# Grey levels kept free for noise at the dark end and for targets at the bright end.
DARKEST, BRIGHTEST = 12.0, 215.0
# Parameters in grey levels, and those that are differences of them: both follow the gain.
_LEVELS, _DIFFERENCES = frozenset(("top", "tone", "base")), frozenset(("rise", "haze", "contrast"))


@dataclass(frozen=True)
class Backdrop:
    """One scene without targets."""

    family: str
    radiance: np.ndarray
    """(H, W) float64 in [DARKEST, BRIGHTEST], grey levels of an 8-bit camera."""
    prior: np.ndarray
    """(H, W) float64 >= 0, where targets are plausible; not normalised."""
    params: dict[str, Any]
    """What the scene was made from; JSON types only."""

    def dimmed(self, gain: float) -> Backdrop:
        """The same scene at a lower gain about the darkest level; 1 changes nothing."""
        if gain == 1:
            return self
        params = dict(self.params)
        for key, value in self.params.items():
            if key in _LEVELS:
                params[key] = DARKEST + gain * (value - DARKEST)
            elif key in _DIFFERENCES:
                params[key] = gain * value
        return replace(self, radiance=DARKEST + gain * (self.radiance - DARKEST), params=params)


def draw_backdrop(rng: np.random.Generator, shape: tuple[int, int], family: str) -> Backdrop:
    """A random scene of one of ``FAMILIES``. Raises ``KeyError`` for another family."""
    radiance, prior, params = FAMILIES[family](rng, shape)
    # Optics: about the diffraction blur of a matched detector, the same for everything in the scene.
    radiance = ndimage.gaussian_filter(radiance, rng.uniform(0.5, 0.9))
    return Backdrop(family, np.clip(radiance, DARKEST, BRIGHTEST), prior, params)


Parts = tuple[np.ndarray, np.ndarray, dict[str, Any]]


def _sky(rng: np.random.Generator, shape: tuple[int, int], top: float, bottom: float, haze: float) -> np.ndarray:
    """A sky that brightens from ``top`` to ``bottom`` along a slightly slanted line, with faint haze on it."""
    y, x = pixel_grid(shape)
    t = np.clip(y + rng.uniform(-0.25, 0.25) * (x - 0.5), 0, None) ** rng.uniform(1.0, 2.2)
    drift = power_law_field(rng, shape, beta=3.4, stretch=rng.uniform(1, 3))
    return top + (bottom - top) * t + haze * drift


def _clear_sky(rng: np.random.Generator, shape: tuple[int, int]) -> Parts:
    top = rng.uniform(14, 110)
    rise = float(rng.choice([rng.uniform(2, 10), rng.uniform(20, 70)]))
    haze = rng.uniform(0.4, 4.0)
    field = _sky(rng, shape, top, top + rise, haze)
    prior = np.ones(shape)
    foreground = bool(rng.random() < 0.45)
    side = str(rng.choice(["left", "right", "bottom"]))
    if foreground:
        cover, texture = structures.treetops(rng, shape, side)
        field += cover * (top + rise + rng.uniform(35, 100) + 11 * texture - field)
        prior = 1 - 0.97 * ndimage.maximum_filter(cover, 5)
    return field, prior, {
        "top": float(top), "rise": rise, "haze": float(haze), "treetops": side if foreground else None,
    }  # fmt: skip


def _cloud_layer(rng: np.random.Generator, shape: tuple[int, int], kind: str, cover: float) -> np.ndarray:
    """(H, W) opacity in [0, 1] of one layer of clouds that covers about the fraction ``cover``."""
    beta, stretch, width = {
        "cumulus": (rng.uniform(3.2, 3.7), rng.uniform(1.0, 1.6), rng.uniform(1.2, 2.4)),
        "stratus": (rng.uniform(2.9, 3.5), rng.uniform(2.0, 4.0), rng.uniform(1.6, 2.6)),
        "cirrus": (rng.uniform(2.5, 2.9), rng.uniform(3.5, 6.0), rng.uniform(1.4, 2.2)),
    }[kind]
    tilt = rng.uniform(-0.6, 0.6) if kind == "cirrus" else rng.uniform(-0.2, 0.2)
    density = power_law_field(rng, shape, beta, stretch, tilt)
    if kind == "cumulus":  # folded noise gives the rounded, cauliflower-like outline
        density = density - 0.3 * np.abs(power_law_field(rng, shape, 3.2, corner=4))
    return smooth_step(density, float(np.quantile(density, 1 - cover)), width)


def _clouds(rng: np.random.Generator, shape: tuple[int, int]) -> Parts:
    kind = str(rng.choice(["cumulus", "stratus", "cirrus"], p=[0.5, 0.3, 0.2]))
    cover = rng.uniform(0.2, 0.85)
    top = rng.uniform(14, 90)
    contrast = rng.uniform(60, 190 - top) if kind == "cumulus" else rng.uniform(30, 90)
    field = _sky(rng, shape, top, top + rng.uniform(5, 45), haze=1.5)
    far = _cloud_layer(rng, shape, "stratus", rng.uniform(0.3, 0.8))
    near = _cloud_layer(rng, shape, kind, cover)
    body = power_law_field(rng, shape, beta=2.7)
    field += far * contrast * rng.uniform(0.08, 0.25)
    field += near * contrast * (1 + 0.14 * body)
    rows, columns = np.indices(shape)
    weight = near.sum() + 1e-9
    centre = {"y": float((near * rows).sum() / weight / (shape[0] - 1)),
              "x": float((near * columns).sum() / weight / (shape[1] - 1))}  # fmt: skip
    return field, np.ones(shape), {
        "kind": kind, "cover": float((near > 0.5).mean()), "top": float(top), "contrast": float(contrast),
        "mass_x": centre["x"], "mass_y": centre["y"],
    }  # fmt: skip


def _sea(rng: np.random.Generator, shape: tuple[int, int]) -> Parts:
    height, width = shape
    # A horizon far above the frame means that the camera looks down on open water.
    horizon = float(rng.uniform(0.15, 0.6)) if rng.random() < 0.8 else None
    level = -0.35 if horizon is None else horizon
    tilt = float(rng.normal(0, 0.03))
    rough = float(rng.uniform(2.5, 13))
    tone = float(rng.uniform(35, 120))
    glint = bool(rng.random() < 0.35)

    y, x = pixel_grid(shape)
    below = (y - level - tilt * (x - 0.5)) * np.ones(shape)  # 0 on the horizon, 1 a frame height below it
    depth = 0.12 / np.maximum(below, 1.5 / height)  # distance along the water, as in a pinhole camera
    texture = power_law_field(rng, (256, 256), 2.4, rng.uniform(1.5, 3.0), rng.uniform(-0.4, 0.4), corner=6, pad=1)
    # Waves are a fixed size on the water: they shrink towards the horizon and grow fine below what a pixel resolves.
    rows, columns = 470 * depth, 360 * depth * (x - 0.5) / 0.35
    waves = sample_texture(texture, rows + rng.uniform(0, 256), columns + rng.uniform(0, 256))
    waves = np.expm1(0.55 * waves)  # crests are sharper than troughs
    resolved = np.clip(below / 0.35, 0.12, 1.0)
    water = tone + rng.uniform(-35, 25) * np.clip(below, 0, 1) + rough * resolved * waves
    if glint:
        lane = np.exp(-0.5 * ((x - rng.uniform(0.15, 0.85)) / rng.uniform(0.05, 0.13)) ** 2)
        water += lane * (8 + rough * 2.2 * np.clip(waves - 0.4, 0, None))

    bright_sky = bool(rng.random() < 0.55)
    edge = tone + rng.uniform(18, 75) * (1 if bright_sky else -0.45)
    field = _sky(rng, shape, edge - rng.uniform(0, 40), edge, haze=rng.uniform(0.5, 3))
    coast = bool(horizon is not None and rng.random() < 0.35)
    on_water = smooth_step(below * height, 0.0, rng.uniform(1.5, 4))
    if coast:
        relief = 0.012 + 0.014 * np.abs(power_law_profile(rng, width, 2.2, corner=3))
        strip = smooth_step((below + relief[None, :]) * height, 0.0, 2) * (1 - on_water)
        field += strip * (tone + rng.uniform(25, 60) + 5 * power_law_field(rng, shape, 1.8) - field)
    field += on_water * (water - field)
    # Two in three of the targets float; those in the sky stay clear of the horizon.
    sky_share = 0.0 if horizon is None else 0.5
    prior = np.where(below > 0.03, 1.0, np.where(below < -0.06, sky_share, 0.05))
    return field, prior, {
        "horizon": horizon, "tilt": tilt, "roughness": rough, "tone": tone, "glint": glint, "coast": coast,
        "bright_sky": bright_sky,
    }  # fmt: skip


def _terrain(rng: np.random.Generator, shape: tuple[int, int]) -> Parts:
    ridges = int(rng.integers(1, 4)) if rng.random() < 0.6 else 0
    return _mountains(rng, shape, ridges) if ridges else _ground(rng, shape)


def _mountains(rng: np.random.Generator, shape: tuple[int, int], ridges: int) -> Parts:
    height, width = shape
    top = rng.uniform(14, 100)
    field = _sky(rng, shape, top, top + rng.uniform(8, 40), haze=rng.uniform(0.5, 5))
    rows = np.arange(height)[:, None]
    tone = top + rng.uniform(25, 80)
    crest = float(rng.uniform(0.3, 0.62))
    relief = float(rng.uniform(0.02, 0.09))
    line = crest
    prior = np.ones(shape)
    for nearness in range(1, ridges + 1):
        profile = (line - relief * power_law_profile(rng, width, rng.uniform(2.6, 3.3), corner=1.5)) * height
        inside = smooth_step(rows - profile[None, :], 0.0, 1.5)
        # Nearer slopes are warmer and show more of their texture.
        slopes = relief_shading(power_law_field(rng, shape, rng.uniform(3.6, 4.2), corner=4), rng.uniform(-np.pi, 0))
        growth = power_law_field(rng, shape, 1.8, corner=12)
        surface = tone + 9 * slopes + (1 + nearness) * growth
        field += inside * (surface - field)
        prior = np.where(inside > 0.5, 0.45, prior)
        line += rng.uniform(0.10, 0.22)
        tone += rng.uniform(10, 32)
    return field, prior, {
        "view": "ridges", "ridges": ridges, "crest": crest, "relief": relief, "top": float(top), "tone": float(tone),
        "road": False,
    }  # fmt: skip


def _ground(rng: np.random.Generator, shape: tuple[int, int]) -> Parts:
    """Ground seen obliquely from above: fractal soil, dark clumps of growth, perhaps a road."""
    tone = rng.uniform(60, 130)
    growth = float(rng.uniform(0.1, 0.55))
    soil = power_law_field(rng, shape, rng.uniform(2.0, 2.8), rng.uniform(1.5, 3.0), rng.uniform(-0.25, 0.25))
    field = tone + rng.uniform(5, 13) * soil
    clumps = power_law_field(rng, shape, 2.5, rng.uniform(1, 2), corner=5)
    clump = smooth_step(clumps, float(np.quantile(clumps, 1 - growth)), 0.35)
    leaves = power_law_field(rng, shape, 1.4, corner=20)
    dark = bool(rng.random() < 0.65)
    field += clump * ((-1 if dark else 1) * rng.uniform(15, 40) + 6 * leaves)
    road = bool(rng.random() < 0.6)
    on_road = np.zeros(shape)
    if road:
        on_road = structures.road(rng, shape)
        field += on_road * (tone + rng.uniform(40, 80) - field)
    return field, np.where(on_road > 0.2, 0.2, 1.0), {
        "view": "ground", "ridges": 0, "growth": growth, "dark_growth": dark, "tone": float(tone), "road": road,
    }  # fmt: skip


def _urban(rng: np.random.Generator, shape: tuple[int, int]) -> Parts:
    top = rng.uniform(14, 85)
    field = _sky(rng, shape, top, top + rng.uniform(3, 35), haze=rng.uniform(0.5, 4))
    base = top + rng.uniform(35, 100)
    field, built, params = structures.skyline(rng, field, base)
    prior = np.where(ndimage.maximum_filter(built, 5), 0.08, 1.0)
    return field, prior, {"top": float(top), "base": float(base), **params}


FAMILIES: dict[str, Callable[[np.random.Generator, tuple[int, int]], Parts]] = {
    "sky": _clear_sky,
    "cloud": _clouds,
    "sea": _sea,
    "terrain": _terrain,
    "urban": _urban,
}
