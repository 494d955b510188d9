"""Figure 5 of the paper: ROC curves on NUAA-SIRST, of pixels and of targets."""
suite = dict(
    name="fig5",
    title="ROC curves",
    datasets=("nuaa-sirst",),
    metrics=("pixel_auc", "target_auc", "target_pauc"),
    methods=(
        "ipi", "top_hat", "mslstipt", "acm", "alcnet", "fc3net", "isnet", "dnanet", "uiunet", "dim2clear", "gcinet",
        "iaanet", "sctransnet", "sam", "sam_hq", "saist",
    ),
    # Title and type of methods that have no config of their own yet, so that their rows can be shown as not run.
    labels=dict(
        mslstipt=("MSLSTIPT", "Traditional"), alcnet=("ALCNet", "CNN"), fc3net=("FC3-Net", "CNN"),
        isnet=("ISNet", "CNN"), dnanet=("DNA-Net", "CNN"), uiunet=("UIU-Net", "CNN"),
        dim2clear=("Dim2Clear", "CNN"), gcinet=("GCI-Net", "CNN"), iaanet=("IAANet", "Hybrid"),
        sctransnet=("SCTransNet", "Hybrid"), sam=("SAM", "SAM"), sam_hq=("SAM-HQ", "SAM"),
        saist=("SAIST", "CLIP + SAM"),
    ),
    figures=("roc_pixel", "roc_target"),
)
