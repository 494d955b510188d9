"""Table 3 of the paper: SAM + CLIP against SAIST, trainable parameters, time an image, and means over the sets."""
suite = dict(
    name="table3",
    title="SAM + CLIP against SAIST: cost, and means over all datasets",
    published="table3",
    kind="average",
    metrics=("trainable_params_m", "inference_s", "iou", "pd", "fa"),
    methods=(
        dict(name="sam_clip", base="saist", title="SAM + CLIP", type="CLIP + SAM", set={
            "model.prompts": dict(type="CLIPPrompts", _delete_=True),
            "model.decoder": dict(type="SAMDecoder", _delete_=True)}),
        "saist",
    ),
    figures=("speed",),
)
