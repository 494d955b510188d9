"""The convolutional and hybrid networks of Table 1, all ten, on the three sets."""
suite = dict(
    name="measured_gpu_networks",
    title="Networks",
    published="table1",
    datasets=("nudt-sirst", "irstd-1k", "nuaa-sirst"),
    metrics=("iou", "niou", "pd", "fa"),
    methods=(
        "acm", "alcnet", "fc3net", "isnet", "dnanet", "uiunet", "dim2clear", "gcinet", "iaanet", "sctransnet",
    ),
)
