"""Table 1 of the paper: sixteen methods on three datasets, IoU, nIoU, Pd and Fa."""
suite = dict(
    name="table1",
    title="Comparison with existing infrared small target detection methods",
    published="table1",
    metrics=("iou", "niou", "pd", "fa"),
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
)
