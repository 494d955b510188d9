"""SCTransNet with its authors' widths and depth, without the weights that their network never uses.

Parameters: 11,202,995. Multiply-accumulates at 256×256: 10.57 G.

The official network counts 11,325,939 parameters, 122,944 of them dead, and 10.56 G by the same counter, of which
convolutions and matrix products are 10.49 G. The paper prints 11.19 M and "20.24 GFLOPs", twice the 10.12 G of a
counter that leaves out matrix products and norms.

The authors' recipe: Adam, lr 1e-3; in the paper profile batch 16, 256×256 crops, 1000 epochs, of which ten warm up
before a cosine decay to 1e-5. Theirs trains one network on NUAA-SIRST, NUDT-SIRST and IRSTD-1k merged; here each
dataset has its own, which others report to cost about two points of IoU on NUAA-SIRST.
"""
method = dict(
    name="sctransnet", title="SCTransNet", type="Hybrid", year=2024, trainable=True, reconstruction=False,
    paper="Yuan et al., SCTransNet: Spatial-channel Cross Transformer Network for Infrared Small Target Detection, "
          "IEEE TGRS 2024",
)
custom_imports = dict(imports=["baselines.segmentor", "baselines.losses", "baselines.sctransnet"])
model = dict(
    type="BaselineSegmentor",
    network=dict(type="SCTransNet", layers=4, in_channels=1),
    loss=dict(type="BCELoss"),
    channels_last=True,
)
weights = dict(kind="random")
recipes = dict(authors=dict(
    optim_wrapper=dict(optimizer=dict(_delete_=True, type="Adam", lr=1e-3)),
    profiles=dict(paper=dict(
        view=dict(size=(256, 256), train="crop", test="native"),
        train_cfg=dict(max_epochs=1000), train_dataloader=dict(batch_size=16),
        param_scheduler=[
            dict(type="LinearLR", start_factor=1e-3, begin=0, end=11, by_epoch=True),
            dict(type="CosineAnnealingLR", eta_min=1e-5, begin=11, end=1000, T_max=990, by_epoch=True),
        ],
    )),
))
