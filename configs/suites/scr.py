"""Beyond the paper: Pd against the signal-to-clutter ratio, which the synthetic set sets for every target."""
suite = dict(
    name="scr",
    title="Targets found at a set signal-to-clutter ratio",
    kind="scr",
    datasets=("synth-sirst",),
    metrics=("pd",),
    methods=("top_hat", "ipi", "acm", "dnanet", "saist"),
    labels=dict(dnanet=("DNA-Net", "CNN")),
    figures=("scr",),
)
