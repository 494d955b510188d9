"""IPI as its authors' code has it (patch 50, step 10, lambda from the image's size, APG with their stopping rules).

Their code has no decision rule. It was chosen on training images only: every 10th, 24th and 32nd of the official
training lists of NUAA-SIRST, NUDT-SIRST and IRSTD-1k (75 images), fourteen rules. Above 0.3 of the maximum has the best
mean IoU (0.376, 0.449, 0.380; mean 0.402), measured 2026-11-24; the inexact ALM solver with mean + 20 standard
deviations reached 0.425. ``max_patches`` widens the step on large images (to about 22 at 512×512), where the published
step would take minutes an image; None is the published setting.
"""
method = dict(
    name="ipi", title="IPI", type="Traditional", year=2013, trainable=False, reconstruction=False,
    paper="Gao et al., Infrared patch-image model for small target detection in a single image, IEEE TIP 22(12), 2013",
)
custom_imports = dict(imports=["baselines.classical.registered"])
model = dict(
    type="IPI", patch=50, step=10, max_patches=500, lam="image", solver="apg", rank_stop=0.3, rule="max", level=0.3,
)
