"""Table 5 of the paper: mask decoders of SAM, HQ-SAM and CG-SAM, all with SR-CLIP, on NUAA-SIRST."""
suite = dict(
    name="table5",
    title="Mask decoders of SAM, HQ-SAM and CG-SAM, all with SR-CLIP",
    published="table5",
    datasets=("nuaa-sirst",),
    metrics=("iou", "niou", "pd", "fa"),
    methods=(
        dict(name="sam", base="saist", title="SAM + SR-CLIP", type="SAM", set={
            "model.decoder": dict(type="SAMDecoder", _delete_=True)}),
        dict(name="hq_sam", base="saist", title="HQ-SAM + SR-CLIP", type="HQ-SAM", set={
            "model.decoder": dict(type="HQSAMDecoder", _delete_=True)}),
        dict(name="cg_sam", base="saist", title="CG-SAM + SR-CLIP", type="CG-SAM"),
    ),
    figures=("iou", "roc_target", "errors"),
    notes=("SAM + SR-CLIP is the cell of Table 2's row without CG-SAM; the paper prints two Fa for it, 8.53 there and "
           "5.23 here.",),
)
