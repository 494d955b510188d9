"""SAM without prompts, fine-tuned whole: ViT-B in the paper profile, MobileSAM's TinyViT in fast, a tiny ViT in demo.

Parameters: 93,735,472
"""
_base_ = "../_base_/sam.py"

method = dict(
    name="sam", title="SAM", paper="Kirillov et al., Segment Anything, ICCV 2023",
)
custom_imports = dict(imports=["baselines.sam"])
model = dict(
    type="SAMSegmentor", sam=dict(encoder="vit_b", checkpoint="sam_vit_b", tune="full", gradient_checkpointing=False),
)
profiles = dict(
    fast=dict(
        model=dict(sam=dict(encoder="tiny_vit", checkpoint="mobile_sam")),
        view=dict(size=(512, 512), train="resize", test="resize"),
        optim_wrapper=dict(optimizer=dict(lr=1e-4)),
    ),
    demo=dict(
        model=dict(sam=dict(encoder="vit_t_conv", checkpoint=None), loss=dict(positive=50.0)),
        train_cfg=dict(max_epochs=10),
        optim_wrapper=dict(optimizer=dict(lr=5e-4), clip_grad=dict(max_norm=1.0)),
    ),
)
