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
)
