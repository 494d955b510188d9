"""ALCNet as its authors released it: full-resolution stem, four blocks a stage, contrast at 13 and 17 cells.

Parameters: 372,573. Multiply-accumulates at 256×256: 3.66 G. The local contrast itself, which has no weights and only
adds, multiplies and compares, is not in that figure.

The authors' recipe: Adagrad, lr 0.1, weight decay 1e-4; in the paper profile constant, batch 2, 300 epochs. They train
on 480×480 crops of images scaled at random and test at 512×512. The dilations are counted in cells and so tied to the
scale of the image: without random scaling, training and test see the whole image at 512×512.
"""
method = dict(
    name="alcnet", title="ALCNet", type="CNN", year=2021, trainable=True, reconstruction=False,
    paper="Dai et al., Attentional Local Contrast Networks for Infrared Small Target Detection, IEEE TGRS 2021",
)
custom_imports = dict(imports=["baselines.segmentor", "baselines.losses", "baselines.alcnet"])
model = dict(
    type="BaselineSegmentor",
    network=dict(type="ALCNet", blocks=4, in_channels=3),
    loss=dict(type="SoftIoULoss", per_image=False),
)
weights = dict(kind="random")
recipes = dict(authors=dict(
    optim_wrapper=dict(optimizer=dict(_delete_=True, type="Adagrad", lr=0.1, weight_decay=1e-4)),
    profiles=dict(paper=dict(
        view=dict(size=(512, 512), train="resize", test="resize"),
        train_cfg=dict(max_epochs=300), train_dataloader=dict(batch_size=2), param_scheduler=[],
    )),
))
