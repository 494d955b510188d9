"""SAIST from scratch, small enough for a CPU: SAM's ViT in ViT-Tiny's width and depth, and IR-CLIP-tiny.

Its SAM part is not pre-trained: the whole image encoder trains, behind a convolutional stem (see ``ConvStem``), and
target pixels weigh fifty times more in the loss: with weight 1 the network stays at "all background". SR-CLIP and
CG-SAM shrink with the encoder, so that they add no larger a share to its time than they do to ViT-B's.
Parameters: 21,592,762
"""
_base_ = "../_base_/saist.py"

method = dict(name="saist_t", title="SAIST-T")
model = dict(
    sam=dict(encoder="vit_t12_conv", checkpoint=None, tune="full"),
    clip=dict(architecture="IR-CLIP-tiny", checkpoint="ir_clip_tiny"),
    prompts=dict(mlp_ratio=1.0),
    decoder=dict(background_depth=0, early_hidden=16, depth=dict(bins=8, width=8, blocks=1)),
    loss=dict(positive=50.0),
)
profiles = dict(
    fast=dict(optim_wrapper=dict(optimizer=dict(lr=5e-4), clip_grad=dict(max_norm=1.0))),
    demo=dict(train_cfg=dict(max_epochs=20), optim_wrapper=dict(optimizer=dict(lr=5e-4), clip_grad=dict(max_norm=1.0))),
)
