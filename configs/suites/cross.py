"""Beyond the paper: trained on one dataset, tested on the others; one training serves a whole row."""
suite = dict(
    name="cross",
    title="Trained on one dataset, tested on all",
    kind="cross",
    metrics=("iou", "pd", "fa"),
    methods=("acm", "dnanet", "saist"),
    labels=dict(dnanet=("DNA-Net", "CNN")),
    figures=("cross",),
)
