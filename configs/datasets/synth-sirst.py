"""synth-sirst: the built-in synthetic set, made when it is read; nothing to download.

Five families of scenes with one to four Gaussian targets at a set signal-to-clutter ratio, at 256x256 about 15 ms an
image. It shows that everything works and in what order of size the costs lie; it ranks nothing. A change of ``size``
changes the scenes' resolution and leaves the targets' sizes in pixels as they are.

``mean`` and ``std`` are grey levels (0 to 255) over the training part as configured here.
Contact sheet: ``python -m benchmark.datasets.synthetic.contact_sheet --out docs/synth-sirst.png``.
"""

dataset = dict(
    name="synth-sirst",
    title="synth-sirst",
    layout="synthetic",
    real=False,
    default_split="generated",
    size=(256, 256),  # height, width; at least 64
    counts=dict(train=96, val=24, test=48),
    scr=(4.0, 30.0),  # log-uniform; the middle half of NUAA-SIRST, NUDT-SIRST and IRSTD-1k is 2.5 to 25
    scenes=dict(cloud=0.28, sea=0.18, terrain=0.18, urban=0.18, sky=0.18),
    seed=2025,
    mean=87.3,
    std=41.1,
)
