"""ISNet with its authors' depth and widths, without the modules that their network never calls.

Parameters: 986,962. Multiply-accumulates at 256×256: 31.27 G.

The official network counts 1,090,671 parameters, 103,709 of them dead, and 31.13 G, which tables print as 30.62 G by a
counter that leaves out gates and deformable convolutions. 98 % of the cost is the edge branch at full resolution; the
demonstration runs it a quarter as wide.

The authors' recipe: Adagrad, lr 0.05, weight decay 1e-4; in the paper profile batch 12, 480×480 crops, 500 epochs (the
paper; 3000 in the code) under a cosine of period 60 epochs that rises again as often as it falls, as their code steps
it. A shorter profile keeps its own single decay.
"""
method = dict(
    name="isnet", title="ISNet", type="CNN", year=2022, trainable=True, reconstruction=False,
    paper="Zhang et al., ISNet: Shape Matters for Infrared Small Target Detection, CVPR 2022",
)
custom_imports = dict(imports=["baselines.segmentor", "baselines.isnet"])
model = dict(
    type="BaselineSegmentor",
    network=dict(type="ISNet", blocks=4, in_channels=3, edge_width=64),
    loss=None,
)
weights = dict(kind="random")
recipes = dict(authors=dict(
    optim_wrapper=dict(optimizer=dict(_delete_=True, type="Adagrad", lr=0.05, weight_decay=1e-4)),
    profiles=dict(paper=dict(
        view=dict(size=(480, 480), train="crop", test="native"),
        train_cfg=dict(max_epochs=500), train_dataloader=dict(batch_size=12),
        param_scheduler=[dict(type="CosineAnnealingLR", T_max=30, by_epoch=True)],
    )),
))
profiles = dict(demo=dict(model=dict(network=dict(edge_width=16))))
