"""One synthetic sample from its seed: backdrop, camera, targets, caption and metadata put together."""

from __future__ import annotations

import numpy as np

from benchmark.datasets.sample import PARTS, Sample
from benchmark.datasets.synthetic.backgrounds import draw_backdrop
from benchmark.datasets.synthetic.captions import describe
from benchmark.datasets.synthetic.sensor import draw_sensor, quantise
from benchmark.datasets.synthetic.targets import COUNT_SHARES, add_targets, draw_targets, measure_scr

# The plastic number makes (k / p, k / p**2) mod 1 fill the unit square evenly: any run of consecutive samples has its
# due share of every family with every number of targets, and yet each sample depends on its own index only.
_PLASTIC = 1.32471795724474602596

# Like the automatic gain of a camera, the gain falls step by step until no target saturates; most scenes need no step,
# and at the last one the clutter is below the noise.
_GAIN_STEP, _MAX_STEPS = 0.8, 24


def generate(
    *,
    seed: int,
    part: str,
    index: int,
    size: tuple[int, int],
    scr_range: tuple[float, float],
    scenes: dict[str, float],
) -> Sample:
    """The sample number ``index`` of a part; the same arguments always give the same sample.

    Args:
        seed: Seed of the dataset, >= 0.
        part: One of ``PARTS``. Parts share no random numbers.
        index: >= 0; samples do not depend on one another.
        size: Height and width in pixels, each at least 64.
        scr_range: Lowest and highest SCR of a target.
        scenes: Weight of each family of ``backgrounds.FAMILIES``, not all zero.
    """
    # Each stage has its own stream, so that a change in one leaves the others' draws as they are.
    key = (seed, PARTS.index(part), index)
    offsets = np.random.default_rng([seed, PARTS.index(part)]).uniform(size=2)
    u, v = (float((offsets[k] + index / _PLASTIC ** (k + 1)) % 1.0) for k in range(2))
    family = _pick(u, scenes)
    count = int(_pick(v, {str(k + 1): share for k, share in enumerate(COUNT_SHARES)}))

    backdrop = draw_backdrop(np.random.default_rng([*key, 0]), size, family)
    sensor = draw_sensor(np.random.default_rng([*key, 1]), size)
    for step in range(_MAX_STEPS):
        scene = backdrop.dimmed(_GAIN_STEP**step)
        signal = sensor.signal(scene.radiance)
        targets = draw_targets(np.random.default_rng([*key, 2]), sensor, signal, scene.prior, count, scr_range)
        if targets:
            break
    else:
        raise AssertionError(f"no gain gives the targets of {part}-{index:05d} room below saturation")
    exposed, amplitudes = add_targets(sensor, signal, targets)
    image = quantise(exposed)

    masks = [target.mask for target in targets]
    meta = {
        "scene": family,
        "params": scene.params,
        "sensor": {
            "vignetting": sensor.vignetting,
            "read_noise": sensor.read_noise,
            "shot_noise": sensor.shot_noise,
        },
        "targets": [
            {
                "center_xy": list(target.center_xy),
                "sigma": list(target.sigma),
                "angle": target.angle,
                "area": int(target.mask.sum()),
                "amplitude": float(amplitude),
                "scr": target.scr,
                "scr_exposed": before,
                "scr_realised": after,
            }
            for target, amplitude, before, after in zip(
                targets, amplitudes, measure_scr(exposed, masks), measure_scr(image, masks), strict=True
            )
        ],
    }
    return Sample(
        id=f"{part}-{index:05d}",
        image=image,
        mask=np.logical_or.reduce(masks),
        text=describe(family, scene.params),
        meta=meta,
    )


def _pick(u: float, weights: dict[str, float]) -> str:
    """The key whose share of the weights, laid end to end, contains ``u`` in [0, 1)."""
    names = [name for name, weight in weights.items() if weight > 0]
    edges = np.cumsum([weights[name] for name in names])
    return names[min(int(np.searchsorted(edges, u * edges[-1], side="right")), len(names) - 1)]
