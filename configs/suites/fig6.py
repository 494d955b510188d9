"""Figure 6 of the paper: what the prompts of CLIP, CoOp and SR-CLIP make of the same scenes."""
suite = dict(
    name="fig6",
    title="Maps behind the prompts of CLIP, CoOp and SR-CLIP",
    datasets=("nuaa-sirst",),
    kind="figure",
    metrics=("iou", "fa"),
    methods=(
        dict(name="clip", base="saist", title="CLIP", type="CLIP", set={
            "model.prompts": dict(type="CLIPPrompts", _delete_=True)}),
        dict(name="coop", base="saist", title="CoOp", type="CoOp", set={
            "model.prompts": dict(type="CoOpPrompts", _delete_=True)}),
        dict(name="sr_clip", base="saist", title="SR-CLIP", type="SR-CLIP"),
    ),
    figures=("prompts",),
)
