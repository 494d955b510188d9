"""Figure 4 of the paper: what each method finds in the same images, with close-ups."""
suite = dict(
    name="fig4",
    title="Qualitative comparison",
    kind="figure",
    metrics=("iou", "pd", "fa"),
    methods=(
        "top_hat", "ipi", "acm", "alcnet", "isnet", "dnanet", "uiunet", "sctransnet", "sam", "saist",
    ),
    # Title and type of methods that have no config of their own yet, so that their rows can be shown as not run.
    labels=dict(
        alcnet=("ALCNet", "CNN"),
        isnet=("ISNet", "CNN"), dnanet=("DNA-Net", "CNN"), uiunet=("UIU-Net", "CNN"),
        sctransnet=("SCTransNet", "Hybrid"), sam=("SAM", "SAM"),
        saist=("SAIST", "CLIP + SAM"),
    ),
    figures=("qualitative",),
)
