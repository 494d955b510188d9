"""Beyond the paper: test scores with and without near-duplicates of training images."""
suite = dict(
    name="leakage",
    title="Test scores without near-duplicates of training images",
    kind="leakage",
    metrics=("iou", "pd", "fa"),
    methods=("top_hat", "ipi", "acm", "dnanet", "saist"),
    labels=dict(dnanet=("DNA-Net", "CNN")),
    figures=(),
)
