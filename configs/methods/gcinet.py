"""A reconstruction in the manner of GCI-Net from its abstract; its numbers are not those of the authors' network.

Parameters: 573,288. Multiply-accumulates at 256×256: 1.38 G.
The authors' figures are not known. Neither is their recipe, so that the common one applies. The network brings its
own loss: soft IoU of the mask, and the distance of its curvature map from the mask's curvature.
"""
method = dict(
    name="gcinet", title="GCI-Net", type="CNN", year=2024, trainable=True, reconstruction=True,
    paper="Zhang et al., Single-Frame Infrared Small Target Detection via Gaussian Curvature Inspired Network, "
          "IEEE TGRS 2024",
)
custom_imports = dict(imports=["baselines.segmentor", "baselines.gcinet"])
model = dict(
    type="BaselineSegmentor",
    network=dict(type="GCINet", blocks=4, in_channels=1),
    loss=None,
    channels_last=True,
)
weights = dict(kind="random")
