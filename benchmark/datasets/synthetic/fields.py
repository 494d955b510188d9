"""The raw material of the backdrops: random fields with a power-law spectrum, fractal profiles and smooth steps.

Everything takes a generator and returns float64; nothing here knows about scenes, sensors or targets.
"""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

PAD = 1.2
"""Fields are synthesised this much larger than asked and cropped: the spectrum makes them periodic, and without
the margin the top of a cloud field would continue at its bottom."""


def power_law_field(
    rng: np.random.Generator,
    shape: tuple[int, int],
    beta: float,
    stretch: float = 1.0,
    angle: float = 0.0,
    corner: float = 1.0,
    pad: float = PAD,
) -> np.ndarray:
    """(H, W) random field of mean 0 and standard deviation 1 whose power falls as ``frequency ** -beta``.

    White noise is filtered in the Fourier domain. ``stretch`` > 1 draws the structures out along ``angle``
    (radians, 0 is horizontal, turning from x towards y); below ``corner`` cycles per image side the spectrum is
    flat. ``pad`` = 1 keeps the field periodic, for use as a texture.
    """
    rows, columns = (fft.next_fast_len(int(np.ceil(n * pad)), real=True) for n in shape)
    fy = np.fft.fftfreq(rows)[:, None]
    fx = np.fft.rfftfreq(columns)[None, :]
    along = stretch * (fx * np.cos(angle) + fy * np.sin(angle))
    across = fy * np.cos(angle) - fx * np.sin(angle)
    squared = along**2 + across**2 + (corner / max(rows, columns)) ** 2
    spectrum = fft.rfft2(rng.standard_normal((rows, columns))) * squared ** (-beta / 4)
    spectrum[0, 0] = 0
    field = fft.irfft2(spectrum, s=(rows, columns))[: shape[0], : shape[1]]
    return standardise(field)


def power_law_profile(rng: np.random.Generator, length: int, beta: float, corner: float = 1.0) -> np.ndarray:
    """(length,) random line of mean 0 and standard deviation 1 with a power-law spectrum: a ridge or a coast."""
    padded = fft.next_fast_len(int(np.ceil(length * PAD)), real=True)
    frequency = np.fft.rfftfreq(padded)
    spectrum = fft.rfft(rng.standard_normal(padded)) * (frequency**2 + (corner / padded) ** 2) ** (-beta / 4)
    spectrum[0] = 0
    return standardise(fft.irfft(spectrum, n=padded)[:length])


def standardise(field: np.ndarray) -> np.ndarray:
    """The field shifted and scaled to mean 0 and standard deviation 1."""
    centred = field - field.mean()
    return centred / centred.std()


def smooth_step(field: np.ndarray, threshold: float | np.ndarray, width: float) -> np.ndarray:
    """0 well below the threshold, 1 well above it, with a cubic rise over ``width``."""
    t = np.clip((field - threshold) / width + 0.5, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def relief_shading(height: np.ndarray, azimuth: float) -> np.ndarray:
    """(H, W) brightness of a height field warmed from direction ``azimuth``; mean 0, standard deviation 1."""
    slope_y, slope_x = np.gradient(height)
    return standardise(slope_x * np.cos(azimuth) + slope_y * np.sin(azimuth))


def pixel_grid(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Column vector y and row vector x, both in [0, 1] from the first to the last pixel."""
    return np.linspace(0, 1, shape[0])[:, None], np.linspace(0, 1, shape[1])[None, :]


def sample_texture(texture: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Bilinear look-up in a periodic texture at fractional pixel coordinates."""
    return ndimage.map_coordinates(texture, [rows, columns], order=1, mode="grid-wrap")
