"""SAIST as the paper's setting runs it: SAM ViT-B and CLIP ViT-B/16, official weights, 1024×1024.

Parameters: 249,854,386
"""
_base_ = "../_base_/saist.py"

method = dict(name="saist_b", title="SAIST-B")
model = dict(
    sam=dict(encoder="vit_b", checkpoint="sam_vit_b"),
    clip=dict(architecture="ViT-B-16", checkpoint="clip_vit_b_16", quick_gelu=True),
)
