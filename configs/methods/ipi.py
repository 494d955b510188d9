"""placeholder"""
method = dict(
    name="ipi", title="IPI", type="Traditional", year=2013, trainable=False, reconstruction=False,
    paper="Gao et al., Infrared patch-image model for small target detection in a single image, IEEE TIP 22(12), 2013",
)
custom_imports = dict(imports=["baselines.classical.registered"])
model = dict(type="IPI", patch=50, step=10, max_patches=500, lam="image", solver="apg", rule="max", level=0.4)
