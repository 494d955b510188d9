"""What two CPU cores can measure in days: every network under one recipe with the same number of seen images.

Settings are those of ``fast``, of which this is the equal-budget form: the common recipe for all, official splits, the
same epochs for every network on a dataset. SAM and SAIST keep their input of 512×512 and their learning rates.

An epoch of NUAA-SIRST takes the seven networks below 15 GMACs 15 minutes of one core together (``perf.py models``), so
that twenty take 5 hours; SAM, SAM-HQ and SAIST take about 6, the twelve trainings of SAIST-T about 4.
"""
_base_ = "./fast.py"

profile = dict(
    name="cpu", like="fast", recipe="common", title="equal budget on CPU cores (256×256, 20 epochs)",
    notes=("Equal budget: every network has seen each training image twenty times under the common recipe, a tenth of "
           "its authors' epochs or less. Nothing here is reproduced; it says what a network has learned by then.",),
)
train_cfg = dict(max_epochs=20)
