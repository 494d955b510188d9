"""Table 1 as one large GPU can measure it, several trainings side by side; the same command again goes on.

``python benchmark/run.py --suite measured_gpu --jobs 4 --seeds 0,1,2`` for the authors' recipes, and for the common
one the same with ``--recipe common --work-dir work_dirs_common``: two recipes are two configs of one cell, and in one
folder each would make the other stale.
"""
suite = dict(
    name="measured_gpu",
    title="Measured on one GPU",
    profile="gpu",
    suites=("measured_classical", "measured_gpu_networks", "measured_gpu_sam"),
)
