"""MSLSTIPT as its authors' code (V1) has it, on one image at a time: patch 100, C = 1e-4, p = 0.8, their solvers.

Their decision rule, above 0.7 of the maximum, keeps a few pixels of each target. Ours was chosen on training images
only: every 10th, 24th and 32nd of the official training lists of NUAA-SIRST, NUDT-SIRST and IRSTD-1k (75 images),
sixteen rules (mean + 5, 8, 10, 12, 15, 20, 25 standard deviations; above 0.2, 0.3, 0.4, 0.5, 0.7 of the maximum; above
10, 20, 30, 40 grey values). Mean + 15 standard deviations has the best mean IoU (0.307, 0.268, 0.364; mean 0.313),
measured 2026-11-25; theirs reaches 0.111, 0.117, 0.239; mean 0.156. About 0.8 s an image at 256×256 and 4.7 s at
512×512 on one core. ``frames`` counts in ``score_sequence`` only.
"""
method = dict(
    name="mslstipt", title="MSLSTIPT", type="Traditional", year=2021, trainable=False, reconstruction=False,
    paper="Sun et al., Infrared dim and small target detection via multiple subspace learning and spatial-temporal "
          "patch-tensor model, IEEE TGRS 59(5), 2021",
)
custom_imports = dict(imports=["baselines.classical.registered"])
model = dict(type="MSLSTIPT", patch=100, frames=6, weight=1e-4, power=0.8, rule="std", level=15.0, device="cpu")
