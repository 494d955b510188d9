"""What SAM and HQ-SAM share in every size; the protocol is ``model.sam.tune``: full, lora or frozen (decoder only).

The recipe is ours, since none was published for this task without prompts: AdamW, 1e-4 for the decoder and a tenth of
it for the encoder, weight decay 0.01, cosine decay.
"""
method = dict(type="SAM", year=2023, trainable=True, reconstruction=False, greys=True)
weights = dict(kind="auto")
recipes = dict(authors=dict(
    optim_wrapper=dict(
        optimizer=dict(_delete_=True, type="AdamW", lr=1e-4, weight_decay=0.01), clip_grad=dict(max_norm=1.0),
        paramwise_cfg=dict(custom_keys={"sam.encoder": dict(lr_mult=0.1)}),
    ),
))
