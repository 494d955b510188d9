"""SAM's automatic masks, the small bright ones, nothing trained: the honest lower row. MobileSAM's weights.

A grid of 16×16 points instead of the official 32×32 keeps an image to half a minute on a CPU core; a GPU takes
``--set model.points_per_side=32``. Filters are the generator's defaults; the largest area is half a percent of the
image.
"""
method = dict(
    name="sam_zero_shot", title="SAM (zero-shot)", type="SAM", year=2023, trainable=False, reconstruction=False,
    paper="Kirillov et al., Segment Anything, ICCV 2023",
)
custom_imports = dict(imports=["baselines.sam_zero_shot"])
model = dict(type="SAMZeroShot", sam=dict(encoder="tiny_vit", checkpoint="mobile_sam"), points_per_side=16)
weights = dict(kind="auto")
