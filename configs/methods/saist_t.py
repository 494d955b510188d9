"""SAIST from scratch, small enough for a CPU and for tests: SAM ViT of width 192 and depth 6, a small random CLIP.

Nothing is pre-trained, so the whole image encoder trains.
Parameters: 30,683,378
"""
_base_ = "../_base_/saist.py"

method = dict(name="saist_t", title="SAIST-T")
model = dict(
    sam=dict(encoder="vit_t", checkpoint=None, tune="full"),
    clip=dict(architecture="ViT-tiny", checkpoint=None),
)
profiles = dict(
    # From scratch its transformers stop learning at the rates that convolutional networks take.
    fast=dict(optim_wrapper=dict(optimizer=dict(lr=2e-4), clip_grad=dict(max_norm=1.0))),
    demo=dict(train_cfg=dict(max_epochs=20), optim_wrapper=dict(optimizer=dict(lr=2e-4), clip_grad=dict(max_norm=1.0))),
)
