"""What the camera adds to a scene: vignetting, fixed-pattern noise, temporal noise and 8-bit quantisation.

There are no hot or dead pixels: a single hot pixel cannot be told from the smallest targets, and real cameras
replace theirs before the image is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.datasets.synthetic.fields import pixel_grid


@dataclass(frozen=True)
class Sensor:
    """One exposure of one camera: every random quantity is drawn, so exposing twice gives the same image."""

    gain: np.ndarray
    """(H, W) vignetting times pixel gain."""
    offset: np.ndarray
    """(H, W) row and column pattern, grey levels."""
    noise: np.ndarray
    """(H, W) standard normal, the draw behind the temporal noise."""
    read_noise: float
    """Standard deviation at zero signal, grey levels."""
    shot_noise: float
    """Variance added per grey level of signal."""
    vignetting: float
    """Fraction of the signal lost in the farthest corner."""

    def signal(self, radiance: np.ndarray) -> np.ndarray:
        """The noise-free output for a scene, with vignetting and fixed pattern, float64 grey levels."""
        return self.gain * radiance + self.offset

    def expose(self, signal: np.ndarray) -> np.ndarray:
        """The noisy output before quantisation, float64 grey levels."""
        return signal + self.noise * np.sqrt(self.read_noise**2 + self.shot_noise * np.maximum(signal, 0))


def draw_sensor(rng: np.random.Generator, shape: tuple[int, int]) -> Sensor:
    """A random camera and exposure for images of this shape."""
    y, x = pixel_grid(shape)
    centre_y, centre_x = rng.uniform(0.4, 0.6, size=2)
    radius = (y - centre_y) ** 2 + (x - centre_x) ** 2
    radius = radius / radius.max()
    vignetting = float(rng.uniform(0.02, 0.3))
    # Close to the fourth power of the cosine for the small field of view of such cameras.
    falloff = 1 - vignetting * radius
    pixel_gain = 1 + rng.uniform(0.001, 0.004) * rng.standard_normal(shape)
    columns = rng.uniform(0.2, 0.9) * rng.standard_normal((1, shape[1]))
    rows = rng.uniform(0.1, 0.5) * rng.standard_normal((shape[0], 1))
    return Sensor(
        gain=falloff * pixel_gain,
        offset=rows + columns,
        noise=rng.standard_normal(shape),
        read_noise=float(rng.uniform(0.7, 1.6)),
        shot_noise=float(rng.uniform(0.002, 0.012)),
        vignetting=vignetting,
    )


def quantise(image: np.ndarray) -> np.ndarray:
    """(H, W) uint8: rounded to the nearest grey level, clipped to 0..255."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
