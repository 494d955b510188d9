"""IAANet with its authors' widths; its detector starts at random, theirs with ImageNet weights (``checkpoint``).

Parameters: 18,248,326. Multiply-accumulates at 256×256: 23.24 G.

That is for the five boxes of 11×11 pixels that an untrained network proposes; the cost follows the area of the boxes.
The counter misses the detector (1.73 G), whose output leaves the graph as numbers, and the products inside attention.
Over the whole image, as in training, it is 429.8 G, so that CPU cores are no place to train it: the demonstration gives
it at most 16 channels, one head and a rate at which its boxes stay small. A batch of four at 256×256 needs about 5 GB
for activations; ``gradient_checkpointing`` halves that.

The authors' recipe: plain SGD without momentum or weight decay, constant, lr 0.01 for the detector and 0.001 for the
rest, 128×128 crops, batch 8; theirs is 10 epochs of 10,000 crops, which is 150 epochs of the 660 images of NUDT-SIRST.
"""
method = dict(
    name="iaanet", title="IAANet", type="Hybrid", year=2022, trainable=True, reconstruction=False, greys=True,
    paper="Wang et al., Interior Attention-Aware Network for Infrared Small Target Detection, IEEE TGRS 2022",
)
custom_imports = dict(imports=["baselines.segmentor", "baselines.iaanet"])
model = dict(
    type="BaselineSegmentor",
    network=dict(
        type="IAANet", widths=(64, 128, 256, 512, 512, 512), token_channels=512, layers=4, heads=4, dropout=0.1,
        confidence=0.2, max_overlap=0.6, fallback_boxes=5, train_boxes=5, max_boxes=50, margin=8, checkpoint=None,
        gradient_checkpointing=False,
    ),
    loss=None,
)
weights = dict(kind="random")
recipes = dict(authors=dict(
    optim_wrapper=dict(
        optimizer=dict(_delete_=True, type="SGD", lr=1e-3),
        paramwise_cfg=dict(custom_keys=dict(detector=dict(lr_mult=10))),
    ),
    profiles=dict(paper=dict(
        view=dict(size=(128, 128), train="crop", test="native"),
        train_cfg=dict(max_epochs=150), train_dataloader=dict(batch_size=8), param_scheduler=[],
    )),
))
profiles = dict(demo=dict(
    model=dict(network=dict(widths=(8, 16, 16, 16, 16, 16), token_channels=32, layers=2, heads=1)),
    optim_wrapper=dict(optimizer=dict(lr=5e-4)),
))
