"""Table 4 of the paper: prompts of CLIP, CoOp and SR-CLIP, all with CG-SAM, on NUAA-SIRST."""
suite = dict(
    name="table4",
    title="Prompts of CLIP, CoOp and SR-CLIP, all with CG-SAM",
    published="table4",
    datasets=("nuaa-sirst",),
    metrics=("iou", "niou", "pd", "fa"),
    methods=(
        dict(name="clip", base="saist", title="CLIP + CG-SAM", type="CLIP", set={
            "model.prompts": dict(type="CLIPPrompts", _delete_=True)}),
        dict(name="coop", base="saist", title="CoOp + CG-SAM", type="CoOp", set={
            "model.prompts": dict(type="CoOpPrompts", _delete_=True)}),
        dict(name="sr_clip", base="saist", title="SR-CLIP + CG-SAM", type="SR-CLIP"),
    ),
    figures=("iou", "roc_target", "errors"),
)
