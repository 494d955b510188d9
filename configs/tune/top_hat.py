"""Top-Hat: the ring, the eroding box (odd), and how many standard deviations above the mean a target is.

The ranges of ``inner`` and ``outer`` do not meet, since the hole must be smaller than the ring.
"""
space = {
    "model.outer": dict(low=11, high=18),
    "model.inner": dict(low=3, high=10),
    "model.box": dict(low=3, high=31, step=2),
    "model.level": dict(low=3.0, high=40.0, log=True),
}
