"""The learned methods of Table 1 below 15 GMACs at 256×256, SAM, SAM-HQ and SAIST, on NUAA-SIRST.

UIU-Net, ISNet and IAANet are left to GPUs and shown as not run, unless asked for by ``--methods``.
"""
_LEFT_OUT = "left to a GPU: {} GMACs an image of 256×256 where the suite's limit is 15"

suite = dict(
    name="measured_networks",
    title="Networks under one recipe with one budget",
    published="table1",
    datasets=("nuaa-sirst",),
    metrics=("iou", "niou", "pd", "fa"),
    methods=("acm", "alcnet", "fc3net", "isnet", "dnanet", "uiunet", "dim2clear", "gcinet", "iaanet", "sctransnet",
             "sam", "sam_hq", "saist"),
    left_out={"isnet": _LEFT_OUT.format(31), "uiunet": _LEFT_OUT.format(54), "iaanet": _LEFT_OUT.format(430)},
)
