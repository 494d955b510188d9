"""Tables 2, 4 and 5 of the paper on SAIST-T, which two cores can train several times; two seeds."""
_PROMPTS = {name: {"model.prompts": dict(type=f"{name}Prompts", _delete_=True)} for name in ("CLIP", "CoOp")}
_DECODERS = {name: {"model.decoder": dict(type=f"{name}Decoder", _delete_=True)} for name in ("SAM", "HQSAM")}

suite = dict(
    name="measured_ablations",
    title="Ablations of SAIST-T: prompts and mask decoders",
    datasets=("nuaa-sirst",),
    seeds=(0, 1),
    metrics=("iou", "niou", "pd", "fa"),
    methods=(
        "saist_t",
        dict(name="clip", base="saist_t", title="w/o SR-CLIP", type="CLIP + CG-SAM", set=_PROMPTS["CLIP"]),
        dict(name="coop", base="saist_t", title="CoOp for SR-CLIP", type="CoOp + CG-SAM", set=_PROMPTS["CoOp"]),
        dict(name="sam", base="saist_t", title="w/o CG-SAM", type="SR-CLIP + SAM", set=_DECODERS["SAM"]),
        dict(name="hq_sam", base="saist_t", title="HQ-SAM for CG-SAM", type="SR-CLIP + HQ-SAM", set=_DECODERS["HQSAM"]),
        dict(name="sam_clip", base="saist_t", title="w/o both", type="CLIP + SAM",
             set=_PROMPTS["CLIP"] | _DECODERS["SAM"]),
    ),
    notes=("The rows of the paper's Tables 2, 4 and 5, on a network of 21.6 M parameters trained from scratch.",),
)
