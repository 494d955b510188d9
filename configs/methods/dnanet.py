"""DNA-Net with its ResNet-18 blocks, the form of the paper's main tables.

Parameters: 4,696,888. Multiply-accumulates at 256×256: 14.07 G.
Elsewhere 4.697 M and 14.26 G (table of XinyiYing/BasicIRSTD, another counter of operations).

The authors' recipe: Adagrad, lr 0.05, batch 16; in the paper profile 1500 epochs of 256×256 crops at a constant rate,
since the official code makes a cosine schedule and never steps it; in a shorter profile with that profile's decay.
The official test resizes to 256×256; images are tested here at the resolution at which they were cropped.
"""
method = dict(
    name="dnanet", title="DNA-Net", type="CNN", year=2022, trainable=True, reconstruction=False,
    paper="Li et al., Dense Nested Attention Network for Infrared Small Target Detection, IEEE TIP 2022",
)
custom_imports = dict(imports=["baselines.segmentor", "baselines.losses", "baselines.dnanet"])
model = dict(
    type="BaselineSegmentor",
    network=dict(type="DNANet", blocks=(2, 2, 2, 2), in_channels=3),
    loss=dict(type="SoftIoULoss", per_image=False),
    channels_last=True,
)
weights = dict(kind="random")
recipes = dict(authors=dict(
    optim_wrapper=dict(optimizer=dict(_delete_=True, type="Adagrad", lr=0.05)),
    profiles=dict(paper=dict(
        view=dict(size=(256, 256), train="crop", test="native"),
        train_cfg=dict(max_epochs=1500), train_dataloader=dict(batch_size=16), param_scheduler=[],
    )),
))
