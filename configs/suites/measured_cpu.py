"""What two cores can finish in the background, resumable over days: the project's own evidence without a GPU.

``python benchmark/run.py --suite measured_cpu --jobs 2`` and the same again after every interruption.
"""
suite = dict(
    name="measured_cpu",
    title="Measured on CPU cores",
    profile="cpu",
    suites=("measured_classical", "measured_networks", "measured_ablations"),
)
