"""SAIST on SAM ViT-L and CLIP ViT-L/14, official weights, for GPUs of 80 GB.

Decoders are narrower here, so that SAIST adds no more over SAM + CLIP than with ViT-B.
Parameters: 747,178,162
"""
_base_ = "../_base_/saist.py"

method = dict(name="saist_l", title="SAIST-L")
model = dict(
    sam=dict(encoder="vit_l", checkpoint="sam_vit_l", gradient_checkpointing=True),
    clip=dict(architecture="ViT-L-14", checkpoint="clip_vit_l_14", quick_gelu=True),
    prompts=dict(mlp_ratio=1.0), decoder=dict(background_mlp=256),
)
