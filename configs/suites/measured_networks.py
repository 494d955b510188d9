"""The learned methods of Table 1 below 15 GMACs at 256×256, SAM, SAM-HQ and SAIST, on NUAA-SIRST.

UIU-Net, ISNet and IAANet take 54, 31 and 430 GMACs an image: they are left to GPUs.
"""
suite = dict(
    name="measured_networks",
    title="Networks under one recipe with one budget",
    published="table1",
    datasets=("nuaa-sirst",),
    metrics=("iou", "niou", "pd", "fa"),
    methods=("acm", "alcnet", "fc3net", "dnanet", "dim2clear", "gcinet", "sctransnet", "sam", "sam_hq", "saist"),
)
