"""FC3-Net as its authors released it, the twice-called unit of the third branch included.

Parameters: 7,043,864, of which 147,840 belong to the unit that is never called. Multiply-accumulates at 256×256:
2.64 G.

No training code, loss or recipe was published: soft IoU, the loss of most methods here, and the recipe common to all.
"""
method = dict(
    name="fc3net", title="FC3-Net", type="CNN", year=2022, trainable=True, reconstruction=False,
    paper="Zhang et al., Exploring Feature Compensation and Cross-level Correlation for Infrared Small Target "
          "Detection, ACM Multimedia 2022",
)
custom_imports = dict(imports=["baselines.segmentor", "baselines.losses", "baselines.fc3net"])
model = dict(
    type="BaselineSegmentor",
    network=dict(type="FC3Net", in_channels=3, faithful=True),
    loss=dict(type="SoftIoULoss", per_image=False),
    channels_last=True,
)
weights = dict(kind="random")
