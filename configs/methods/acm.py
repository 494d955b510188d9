"""ACM-FPN as its authors released it: full-resolution stem, four blocks a stage.

Parameters: 385,637. Multiply-accumulates at 256×256: 3.94 G.

The authors' recipe: Adagrad, lr 0.05, weight decay 1e-4; in the paper profile constant, batch 8, 300 epochs, 480×480
crops; in a shorter profile with its cosine decay, which a short run needs to settle.
"""
method = dict(
    name="acm", title="ACM", type="CNN", year=2021, trainable=True, reconstruction=False,
    paper="Dai et al., Asymmetric Contextual Modulation for Infrared Small Target Detection, WACV 2021",
)
custom_imports = dict(imports=["baselines.segmentor", "baselines.losses", "baselines.acm"])
model = dict(
    type="BaselineSegmentor",
    network=dict(type="ACM", form="fpn", stem="full", blocks=4, in_channels=3),
    loss=dict(type="SoftIoULoss", per_image=False),
    channels_last=True,
)
weights = dict(kind="random")
recipes = dict(authors=dict(
    optim_wrapper=dict(optimizer=dict(_delete_=True, type="Adagrad", lr=0.05, weight_decay=1e-4)),
    profiles=dict(paper=dict(
        view=dict(size=(480, 480), train="crop", test="native"),
        train_cfg=dict(max_epochs=300), train_dataloader=dict(batch_size=8), param_scheduler=[],
    )),
))
