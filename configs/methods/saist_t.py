"""SAIST from scratch, small enough for a CPU and for tests: SAM ViT of width 192 and depth 6, a small random CLIP.

Nothing is pre-trained, so the whole image encoder trains, behind a convolutional stem (see ``ConvStem``), and target
pixels weigh fifty times more in the loss: with weight 1 the network stays at "all background".
Parameters: 30,791,882
"""
_base_ = "../_base_/saist.py"

method = dict(name="saist_t", title="SAIST-T")
model = dict(
    sam=dict(encoder="vit_t_conv", checkpoint=None, tune="full"),
    clip=dict(architecture="ViT-tiny", checkpoint=None),
    loss=dict(positive=50.0),
)
profiles = dict(
    fast=dict(optim_wrapper=dict(optimizer=dict(lr=5e-4), clip_grad=dict(max_norm=1.0))),
    demo=dict(train_cfg=dict(max_epochs=20), optim_wrapper=dict(optimizer=dict(lr=5e-4), clip_grad=dict(max_norm=1.0))),
)
