"""Table 2 of the paper: SAIST without SR-CLIP, without CG-SAM, and without both, on NUAA-SIRST."""
suite = dict(
    name="table2",
    title="Ablation of SR-CLIP and CG-SAM",
    published="table2",
    datasets=("nuaa-sirst",),
    metrics=("iou", "niou", "pd", "fa"),
    methods=(
        "saist",
        dict(name="wo_sr_clip", base="saist", title="w/o SR-CLIP", type="CLIP + CG-SAM", set={
            "model.prompts": dict(type="CLIPPrompts", _delete_=True)}),
        dict(name="wo_cg_sam", base="saist", title="w/o CG-SAM", type="SR-CLIP + SAM", set={
            "model.decoder": dict(type="SAMDecoder", _delete_=True)}),
        dict(name="wo_both", base="saist", title="w/o CG-SAM & SR-CLIP", type="CLIP + SAM", set={
            "model.prompts": dict(type="CLIPPrompts", _delete_=True),
            "model.decoder": dict(type="SAMDecoder", _delete_=True)}),
    ),
    figures=("iou", "roc_target", "training", "sizes", "errors"),
)
