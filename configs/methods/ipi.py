"""IPI with the authors' patch (50), step (10) and lambda, the inexact ALM solver, and one decision rule for all sets.

Solver and rule were chosen on training images only: every 10th, 24th and 32nd of the official training lists of
NUAA-SIRST, NUDT-SIRST and IRSTD-1k (75 images), both solvers and fourteen rules. Inexact ALM with mean + 20 standard
deviations has the best mean IoU (0.364, 0.499, 0.412; mean 0.425; the authors' APG at its best rule 0.402), measured
2026-11-24. ``max_patches`` widens the step on large images (to 22 or so at 512×512), where the published step would
take minutes an image; set it to None for the published setting.
"""
method = dict(
    name="ipi", title="IPI", type="Traditional", year=2013, trainable=False, reconstruction=False,
    paper="Gao et al., Infrared patch-image model for small target detection in a single image, IEEE TIP 22(12), 2013",
)
custom_imports = dict(imports=["baselines.classical.registered"])
model = dict(
    type="IPI", patch=50, step=10, max_patches=500, lam="image", solver="ialm", rule="std", level=20.0,
)
