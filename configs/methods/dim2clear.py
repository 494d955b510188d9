"""A reconstruction in the manner of Dim2Clear from its abstract; its numbers are not those of the authors' network.

Parameters: 474,789. Multiply-accumulates at 256×256: 1.63 G.
The authors' figures are not known. Neither is their recipe, so that the common one applies; soft IoU is the loss of
the same group's published networks.
"""
method = dict(
    name="dim2clear", title="Dim2Clear", type="CNN", year=2023, trainable=True, reconstruction=True,
    paper="Zhang et al., Dim2Clear Network for Infrared Small Target Detection, IEEE TGRS 2023",
)
custom_imports = dict(imports=["baselines.segmentor", "baselines.losses", "baselines.dim2clear"])
model = dict(
    type="BaselineSegmentor",
    network=dict(type="Dim2Clear", blocks=4, in_channels=1),
    loss=dict(type="SoftIoULoss", per_image=False),
    channels_last=True,
)
weights = dict(kind="random")
