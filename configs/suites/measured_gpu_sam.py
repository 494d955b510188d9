"""SAM, SAM-HQ and SAIST from official ViT-B weights at 1024×1024, batch 4, Adam 1e-4 for SAIST: the paper's setting.

The epochs are the profile's; the paper trains 400.
"""
_WHOLE = {"view.size": (1024, 1024), "view.train": "resize", "view.test": "resize", "train_dataloader.batch_size": 4}

suite = dict(
    name="measured_gpu_sam",
    title="SAM, SAM-HQ and SAIST at 1024×1024",
    published="table1",
    datasets=("nudt-sirst", "irstd-1k", "nuaa-sirst"),
    metrics=("iou", "niou", "pd", "fa"),
    methods=(
        dict(name="sam", base="sam", title="SAM", type="SAM", set=_WHOLE),
        dict(name="sam_hq", base="sam_hq", title="SAM-HQ", type="SAM", set=_WHOLE),
        dict(name="saist", base="saist", title="SAIST", type="CLIP + SAM",
             set=_WHOLE | {"optim_wrapper.optimizer.lr": 1e-4}),
    ),
)
