"""Small targets: their shape, their place, and the amplitude that gives each a set signal-to-clutter ratio.

**Signal-to-clutter ratio.** ``SCR = |mean_t - mean_b| / std_b``, with ``mean_t`` over the pixels of the target's mask
and ``mean_b``, ``std_b`` over its neighbourhood: the mask's bounding box grown by ``NEIGHBOURHOOD`` = 20 pixels on each
side and clipped to the image (the definition and size of Gao et al., "Infrared Patch-Image Model for Small Target
Detection in a Single Image", IEEE TIP 2013). Two things the usual definition leaves open are fixed here: a guard of the
box grown by its own size, at least ``MIN_GUARD`` pixels, is left out so that the flanks of the target are not counted
as clutter; and the guards of all other targets in the image are left out too. All of it follows from the mask alone, so
it can be measured on any annotated image. The amplitude is solved on the noisy image before quantisation, to
``SCR_TOLERANCE``.

**Mask.** Pixels at whose centre the target's Gaussian is at least half of its continuous peak, and always the pixel
that holds the peak, so that no mask is empty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from benchmark.datasets.synthetic.sensor import Sensor

NEIGHBOURHOOD = 20
MIN_GUARD = 2
SCR_TOLERANCE = 0.01
"""Largest relative error before quantisation. Rounding to 8 bits adds up to 6 %, for an SCR of 4 or more."""

AREA_MEDIAN, AREA_SPREAD, AREA_RANGE = 20.0, 0.7, (3.0, 110.0)
"""Log-normal half-peak area in pixels, about the distribution of NUAA-SIRST and NUDT-SIRST (both median 20)."""
COUNT_SHARES = (0.74, 0.19, 0.05, 0.02)
"""Shares of images with one to four targets; mean 1.35, the real sets have 1.25 to 1.49."""

_HALF_PEAK_AREA = 2 * np.pi * np.log(2)  # of a Gaussian, in units of sigma_major * sigma_minor
_HEADROOM = 246.0  # brightest allowed peak: the rest is room for noise below 255
_CANDIDATES = 32


@dataclass(frozen=True)
class Target:
    """One target at its place; ``patch`` is its unit-peak Gaussian on ``window`` of the image."""

    center_xy: tuple[float, float]
    sigma: tuple[float, float]
    """Standard deviations along and across its axis, pixels."""
    angle: float
    window: tuple[slice, slice]
    patch: np.ndarray
    mask: np.ndarray
    """(H, W) bool."""
    scr: float
    """The set signal-to-clutter ratio."""


def draw_targets(
    rng: np.random.Generator,
    sensor: Sensor,
    signal: np.ndarray,
    prior: np.ndarray,
    count: int,
    scr_range: tuple[float, float],
) -> list[Target] | None:
    """Targets apart from each other, from the border and from saturation.

    Args:
        signal: (H, W) noise-free output of the sensor without targets.
        prior: (H, W) weight of each pixel as a target's place.
        count: At least 1; fewer are returned only when a small image has no room left.
        scr_range: Lowest and highest SCR, drawn log-uniformly.

    Returns:
        The targets, or None when the scene is too bright or too rich in contrast for one of the SCRs drawn.
    """
    clean = sensor.expose(signal)
    spread = _local_spread(clean)
    targets: list[Target] = []
    for _ in range(count):
        area = float(np.clip(AREA_MEDIAN * np.exp(AREA_SPREAD * rng.standard_normal()), *AREA_RANGE))
        aspect = float(rng.uniform(1.0, 1.7))
        sigma_minor = float(np.sqrt(area / _HALF_PEAK_AREA / aspect))
        sigma, angle = (aspect * sigma_minor, sigma_minor), float(rng.uniform(0, np.pi))
        scr = float(np.exp(rng.uniform(*np.log(scr_range))))
        room = _room(prior, sigma, targets)
        if not room.any():
            break
        target = _place(rng, clean, spread, room, targets, sigma, angle, scr)
        if target is None:
            return None
        targets.append(target)
    return targets


def add_targets(sensor: Sensor, signal: np.ndarray, targets: list[Target]) -> tuple[np.ndarray, list[float]]:
    """The noisy image with every target at its set SCR, and the amplitudes in grey levels.

    The shot noise of a target grows with its amplitude and targets may lie in each other's neighbourhood, so the
    amplitudes are found together, by repeating the linear solution until all meet ``SCR_TOLERANCE``.
    """
    amplitudes = [0.0] * len(targets)
    guards = [guard_box(t.mask) for t in targets]
    image = sensor.expose(signal)
    for _ in range(12):
        errors = []
        for k, target in enumerate(targets):
            mean_t, mean_b, std_b = local_statistics(image, target.mask, guards)
            amplitudes[k] += (target.scr * std_b + mean_b - mean_t) / target.patch[target.mask[target.window]].mean()
            errors.append(abs((mean_t - mean_b) / std_b / target.scr - 1))
        if max(errors, default=0.0) < 0.1 * SCR_TOLERANCE:
            break
        total = signal.copy()
        for amplitude, target in zip(amplitudes, targets, strict=True):
            total[target.window] += amplitude * target.patch
        image = sensor.expose(total)
    return image, amplitudes


def measure_scr(image: np.ndarray, masks: list[np.ndarray]) -> list[float]:
    """The SCR of each target by the definition above; NaN where the neighbourhood is empty or constant."""
    guards = [guard_box(mask) for mask in masks]
    out = []
    for mask in masks:
        mean_t, mean_b, std_b = local_statistics(image.astype(np.float64), mask, guards)
        out.append(float(abs(mean_t - mean_b) / std_b) if std_b > 0 else float("nan"))
    return out


def local_statistics(
    image: np.ndarray, mask: np.ndarray, guards: list[tuple[slice, slice]]
) -> tuple[float, float, float]:
    """Mean over the target, mean and standard deviation over its neighbourhood without any of the guards."""
    box = _grown(bounding_box(mask), NEIGHBOURHOOD, NEIGHBOURHOOD, image.shape)
    region = image[box]
    keep = np.ones(region.shape, dtype=bool)
    for rows, columns in guards:
        top, left = rows.start - box[0].start, columns.start - box[1].start
        keep[max(top, 0) : max(rows.stop - box[0].start, 0), max(left, 0) : max(columns.stop - box[1].start, 0)] = False
    around = region[keep]
    if around.size == 0:
        return float(region[mask[box]].mean()), float("nan"), float("nan")
    return float(region[mask[box]].mean()), float(around.mean()), float(around.std())


def guard_box(mask: np.ndarray) -> tuple[slice, slice]:
    """The mask's bounding box grown on each side by its own size, at least ``MIN_GUARD``, clipped to the image."""
    rows, columns = box = bounding_box(mask)
    grow_y = max(rows.stop - rows.start, MIN_GUARD)
    grow_x = max(columns.stop - columns.start, MIN_GUARD)
    return _grown(box, grow_y, grow_x, mask.shape)


def bounding_box(mask: np.ndarray) -> tuple[slice, slice]:
    """Row and column slices around a mask that is not empty."""
    return ndimage.find_objects(mask.astype(np.int8))[0]


def gaussian_target(
    shape: tuple[int, int], center_xy: tuple[float, float], sigma: tuple[float, float], angle: float
) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
    """Window, unit-peak Gaussian sampled at the pixel centres of the window, and (H, W) bool mask."""
    x, y = center_xy
    reach = int(np.ceil(5 * max(sigma))) + 1  # beyond five sigma a target adds less than a hundredth of a grey level
    window = _grown((slice(int(y), int(y) + 1), slice(int(x), int(x) + 1)), reach, reach, shape)
    dy = np.arange(window[0].start, window[0].stop)[:, None] - y
    dx = np.arange(window[1].start, window[1].stop)[None, :] - x
    along = (dx * np.cos(angle) + dy * np.sin(angle)) / sigma[0]
    across = (dy * np.cos(angle) - dx * np.sin(angle)) / sigma[1]
    patch = np.exp(-0.5 * (along**2 + across**2))
    mask = np.zeros(shape, dtype=bool)
    mask[window] = patch >= 0.5
    mask[int(round(y)), int(round(x))] = True
    return window, patch, mask


def _room(prior: np.ndarray, sigma: tuple[float, float], placed: list[Target]) -> np.ndarray:
    """The prior without the border and the surroundings of the targets already there."""
    height, width = prior.shape
    margin = int(np.ceil(3 * sigma[0])) + 2
    inner = np.s_[margin : height - margin, margin : width - margin]
    room = np.zeros(prior.shape)
    room[inner] = np.maximum(prior[inner], 1e-6)
    for other in placed:  # flanks of two targets never meet, so their masks stay two components
        apart = 4 * (sigma[0] + other.sigma[0]) + 4
        x, y = other.center_xy
        room[max(int(y - apart), 0) : int(y + apart) + 1, max(int(x - apart), 0) : int(x + apart) + 1] = 0
    return room


def _place(
    rng: np.random.Generator,
    clean: np.ndarray,
    spread: np.ndarray,
    room: np.ndarray,
    placed: list[Target],
    sigma: tuple[float, float],
    angle: float,
    scr: float,
) -> Target | None:
    """A target where it reaches its SCR without saturating, or None."""
    # A Gaussian's peak is about 1.4 times its mean over the mask: a first guess at the peak at every pixel.
    cumulative = np.cumsum((room * (clean + 1.4 * scr * spread <= _HEADROOM)).ravel())
    if cumulative[-1] == 0:
        return None
    picks = np.searchsorted(cumulative, rng.uniform(0, cumulative[-1], size=_CANDIDATES), side="right")
    shifts = rng.uniform(-0.5, 0.5, size=(_CANDIDATES, 2))
    guards = [guard_box(target.mask) for target in placed]
    for pick, (shift_x, shift_y) in zip(picks.tolist(), shifts.tolist(), strict=True):
        center_xy = (pick % clean.shape[1] + shift_x, pick // clean.shape[1] + shift_y)
        window, patch, mask = gaussian_target(clean.shape, center_xy, sigma, angle)
        mean_t, mean_b, std_b = local_statistics(clean, mask, [*guards, guard_box(mask)])
        # Not true as well where the guards leave no neighbourhood and the statistics are NaN.
        if clean[mask].max() + (scr * std_b + mean_b - mean_t) / patch[mask[window]].mean() <= _HEADROOM:
            return Target(center_xy, sigma, angle, window, patch, mask, scr)
    return None


def _local_spread(image: np.ndarray) -> np.ndarray:
    """(H, W) standard deviation over a window of about a neighbourhood's size around each pixel."""
    side = 2 * NEIGHBOURHOOD + 5
    mean = ndimage.uniform_filter(image, side)
    return np.sqrt(np.maximum(ndimage.uniform_filter(image**2, side) - mean**2, 0))


def _grown(box: tuple[slice, slice], grow_y: int, grow_x: int, shape: tuple[int, int]) -> tuple[slice, slice]:
    rows, columns = box
    return (
        slice(max(rows.start - grow_y, 0), min(rows.stop + grow_y, shape[0])),
        slice(max(columns.start - grow_x, 0), min(columns.stop + grow_x, shape[1])),
    )
