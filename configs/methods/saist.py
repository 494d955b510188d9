"""SAIST in the size that a profile can carry: ``saist_b`` in paper, ``saist_mobile`` in fast, ``saist_t`` in demo.

Parameters: 249,854,386
"""
_base_ = "./saist_b.py"

method = dict(name="saist", title="SAIST")
profiles = dict(
    fast=dict(
        model=dict(
            sam=dict(encoder="tiny_vit", checkpoint="mobile_sam"),
            clip=dict(architecture="IR-CLIP-tiny", checkpoint="ir_clip_tiny", quick_gelu=False),
        ),
        view=dict(size=(512, 512), train="resize", test="resize"),
        optim_wrapper=dict(optimizer=dict(lr=3e-4), clip_grad=dict(max_norm=1.0)),
    ),
    demo=dict(
        model=dict(
            sam=dict(encoder="vit_t_conv", checkpoint=None, tune="full"),
            clip=dict(architecture="IR-CLIP-tiny", checkpoint="ir_clip_tiny", quick_gelu=False),
            loss=dict(positive=50.0),
        ),
        train_cfg=dict(max_epochs=16),
        optim_wrapper=dict(optimizer=dict(lr=5e-4), clip_grad=dict(max_norm=1.0)),
    ),
)
