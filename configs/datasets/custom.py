"""A set of the user's own: a folder with ``images/`` and ``masks/``, given by its path.

Images and masks share their stem (a mask may end in ``_pixels0``) and are PNG, JPEG, BMP or TIFF, 8 or 16 bits. There
are no lists, so the ``paper`` split is the default; ``--split`` takes the path of a folder of lists. ``mean`` and
``std`` are rounded averages of the three public sets' grey levels (0-255). ``captions.jsonl`` in the folder, which
``python benchmark/data.py caption`` makes, is where captions are looked for.
"""
dataset = dict(
    name="custom", title="custom", layout="folder", real=True, folder="custom", images="images", masks="masks",
    default_split="paper", splits=dict(), mean=98.0, std=36.0,
    text=dict(captions="file", file="", scene=""),
)
