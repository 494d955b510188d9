"""SAIST on MobileSAM (TinyViT-5M and SAM's decoder, real weights) and IR-CLIP-tiny: for two CPU cores or any GPU.

Fast profile: the whole image at 512×512, since targets of a few pixels need the size; 1024×1024 in the paper's.
Parameters: 23,828,166
"""
_base_ = "../_base_/saist.py"

method = dict(name="saist_mobile", title="SAIST-Mobile")
model = dict(
    sam=dict(encoder="tiny_vit", checkpoint="mobile_sam"),
    clip=dict(architecture="IR-CLIP-tiny", checkpoint="ir_clip_tiny"),
)
profiles = dict(
    fast=dict(
        view=dict(size=(512, 512), train="resize", test="resize"),
        optim_wrapper=dict(optimizer=dict(lr=3e-4), clip_grad=dict(max_norm=1.0)),
    ),
)
