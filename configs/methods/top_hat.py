"""Top-Hat with one set of parameters for all datasets, chosen on training images only.

Every fourth image of the three official training lists, three sizes (ring 11/10 with box 21, 9/4 with 9, 8/7 with 15)
and nine decision rules: ring 11/10, box 21 and mean + 18 standard deviations has the best mean IoU over the three sets
(NUAA-SIRST 0.600, NUDT-SIRST 0.329, IRSTD-1k 0.397; mean 0.442), measured 2026-11-24.
"""
method = dict(
    name="top_hat", title="Top-Hat", type="Traditional", year=2010, trainable=False, reconstruction=False,
    paper="Bai and Zhou, Analysis of new top-hat transformation and the application for infrared dim small target "
          "detection, Pattern Recognition 43(6), 2010",
)
custom_imports = dict(imports=["baselines.classical.registered"])
model = dict(type="TopHat", outer=11, inner=10, box=21, rule="std", level=18.0)
