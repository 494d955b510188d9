"""UIU-Net as its authors released it.

Parameters: 50,541,461. Multiply-accumulates at 256×256: 54.46 G.
Elsewhere 50.54 M and 54.43 G (table of XinyiYing/BasicIRSTD, a grey input and another counter of operations).

The authors' recipe: Adam, lr 1e-3, batch 3, 500 epochs at a constant rate on images resized to 320×320, of which they
crop 288×288 for training only; in a shorter profile with that profile's decay.
"""
method = dict(
    name="uiunet", title="UIU-Net", type="CNN", year=2023, trainable=True, reconstruction=False,
    paper="Wu et al., UIU-Net: U-Net in U-Net for Infrared Small Object Detection, IEEE TIP 2023",
)
custom_imports = dict(imports=["baselines.segmentor", "baselines.losses", "baselines.uiunet"])
model = dict(
    type="BaselineSegmentor",
    network=dict(type="UIUNet", in_channels=3),
    loss=dict(type="BCELoss"),
    channels_last=True,
)
weights = dict(kind="random")
recipes = dict(authors=dict(
    optim_wrapper=dict(optimizer=dict(_delete_=True, type="Adam", lr=1e-3)),
    profiles=dict(paper=dict(
        view=dict(size=(320, 320), train="resize", test="resize"),
        train_cfg=dict(max_epochs=500), train_dataloader=dict(batch_size=3), param_scheduler=[],
    )),
))
