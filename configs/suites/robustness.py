"""Beyond the paper: test images with noise, blur, low contrast, stripes and bad pixels, at five severities."""
suite = dict(
    name="robustness",
    title="Robustness: IoU on corrupted test images",
    kind="robustness",
    datasets=("nuaa-sirst",),
    metrics=("iou",),
    methods=("top_hat", "acm", "dnanet", "saist"),
    labels=dict(dnanet=("DNA-Net", "CNN")),
    figures=("severity",),
)
