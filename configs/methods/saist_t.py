"""SAIST from scratch, small enough for a CPU: SAM's ViT in ViT-Tiny's width and depth, behind a ``ConvStem``.

SR-CLIP and CG-SAM shrink with the encoder, so that they add less than a tenth to the time of SAM + CLIP.
Parameters: 21,592,762
"""
_base_ = "../_base_/saist_scratch.py"

method = dict(name="saist_t", title="SAIST-T")
model = dict(
    sam=dict(encoder="vit_t12_conv"),
    prompts=dict(mlp_ratio=1.0),
    decoder=dict(background_depth=0, early_hidden=16, depth=dict(bins=8, width=8, blocks=1)),
)
