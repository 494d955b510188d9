"""SAIST whose SAM part is not pre-trained: the whole image encoder trains, with IR-CLIP-tiny beside it.

Target pixels weigh fifty times more in the loss: with weight 1 the network stays at "all background".
"""
_base_ = "./saist.py"

model = dict(
    sam=dict(checkpoint=None, tune="full"),
    clip=dict(architecture="IR-CLIP-tiny", checkpoint="ir_clip_tiny"),
    loss=dict(positive=50.0),
)
profiles = dict(
    fast=dict(optim_wrapper=dict(optimizer=dict(lr=5e-4), clip_grad=dict(max_norm=1.0))),
    demo=dict(train_cfg=dict(max_epochs=20), optim_wrapper=dict(optimizer=dict(lr=5e-4), clip_grad=dict(max_norm=1.0))),
)
