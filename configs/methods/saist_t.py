"""SAIST from scratch, small enough for a CPU and for tests: SAM ViT of width 192 and depth 6, and IR-CLIP-tiny.

Its SAM part is not pre-trained: the whole image encoder trains, behind a convolutional stem (see ``ConvStem``), and
target pixels weigh fifty times more in the loss: with weight 1 the network stays at "all background".
Parameters: 21,678,410
"""
_base_ = "../_base_/saist.py"

method = dict(name="saist_t", title="SAIST-T")
model = dict(
    sam=dict(encoder="vit_t_conv", checkpoint=None, tune="full"),
    clip=dict(architecture="IR-CLIP-tiny", checkpoint="ir_clip_tiny"),
    loss=dict(positive=50.0),
)
profiles = dict(
    fast=dict(optim_wrapper=dict(optimizer=dict(lr=5e-4), clip_grad=dict(max_norm=1.0))),
    demo=dict(train_cfg=dict(max_epochs=20), optim_wrapper=dict(optimizer=dict(lr=5e-4), clip_grad=dict(max_norm=1.0))),
)
