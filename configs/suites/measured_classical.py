"""The classical methods of Table 1, complete on the three sets."""
suite = dict(
    name="measured_classical",
    title="Classical methods",
    published="table1",
    datasets=("nudt-sirst", "irstd-1k", "nuaa-sirst"),
    metrics=("iou", "niou", "pd", "fa"),
    methods=("ipi", "top_hat", "mslstipt"),
)
