"""Figure 7 of the paper: masks of the decoders of SAM, HQ-SAM and CG-SAM."""
suite = dict(
    name="fig7",
    title="Masks of the decoders of SAM, HQ-SAM and CG-SAM",
    datasets=("nuaa-sirst",),
    kind="figure",
    metrics=("iou", "fa"),
    methods=(
        dict(name="sam", base="saist", title="SAM", type="SAM", set={
            "model.decoder": dict(type="SAMDecoder", _delete_=True)}),
        dict(name="hq_sam", base="saist", title="HQ-SAM", type="HQ-SAM", set={
            "model.decoder": dict(type="HQSAMDecoder", _delete_=True)}),
        dict(name="cg_sam", base="saist", title="CG-SAM", type="CG-SAM"),
    ),
    figures=("decoders",),
)
