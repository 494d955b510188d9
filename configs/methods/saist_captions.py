"""SAIST from scratch, each image with its own caption; a row of the suite ``captions``.

Half the layers of ``saist_t``, so that the suite's nine trainings end within an hour on two cores.
"""
_base_ = "../_base_/saist.py"

method = dict(name="saist_captions", title="SAIST (captions)", variant_of="saist_t")
model = dict(
    sam=dict(encoder="vit_t_conv", checkpoint=None, tune="full"),
    clip=dict(architecture="IR-CLIP-tiny", checkpoint="ir_clip_tiny"),
    loss=dict(positive=50.0),
)
texts = dict(captions="file")
profiles = dict(
    fast=dict(optim_wrapper=dict(optimizer=dict(lr=5e-4), clip_grad=dict(max_norm=1.0))),
    demo=dict(train_cfg=dict(max_epochs=20), optim_wrapper=dict(optimizer=dict(lr=5e-4), clip_grad=dict(max_norm=1.0))),
)
