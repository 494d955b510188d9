"""MSLSTIPT: the side of the spatial patches, the weight of the subspaces, and how many deviations make a target."""
space = {
    "model.patch": dict(low=40, high=160, step=20),
    "model.weight": dict(low=1e-5, high=1e-2, log=True),
    "model.level": dict(low=5.0, high=30.0),
}
