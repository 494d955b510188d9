"""Beyond the paper: the same predictions counted by every protocol of the field."""
suite = dict(
    name="protocols",
    title="The same predictions, counted by six protocols",
    kind="protocols",
    metrics=("iou", "pd", "fa"),
    methods=("top_hat", "ipi", "acm", "dnanet", "saist"),
    labels=dict(dnanet=("DNA-Net", "CNN")),
    figures=(),
    notes=("All protocols count at the original size of the images.",),
)
