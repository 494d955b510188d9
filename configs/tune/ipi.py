"""IPI: the patch and its step, lambda of the sparse part, and the share of the maximum that makes a target."""
space = {
    "model.patch": dict(low=20, high=80, step=5),
    "model.step": dict(low=8, high=20, step=2),
    "model.lam": dict(of=("image", "patch", 0.02, 0.04, 0.06, 0.08, 0.1)),
    "model.level": dict(low=0.05, high=0.8),
}
