"""What two CPU cores can measure in days: every network under one recipe with the same number of seen images.

Settings are those of ``fast``, of which this is the equal-budget form: the common recipe for all, official splits, the
same epochs for every network on a dataset. SAM and SAIST keep their input of 512×512 and their learning rates.

Networks run in bfloat16 with channels-last weights, which processors with matrix units take 1.3 to 2.2 times as fast
as float32 (``perf.py train``); weights, losses and scores stay float32. An epoch of NUAA-SIRST then takes the seven
networks below 15 GMACs 9 minutes of one core together, so that twenty take 3 hours; SAM, SAM-HQ and SAIST take about
2.5, the twelve trainings of SAIST-T as long.
"""
_base_ = "./fast.py"

profile = dict(
    name="cpu", like="fast", recipe="common", title="equal budget on CPU cores (256×256, 20 epochs)",
    notes=("Equal budget: every network has seen each training image twenty times under the common recipe, a tenth of "
           "its authors' epochs or less. Nothing here is reproduced; it says what a network has learned by then.",),
)
networks = dict(model=dict(autocast="bfloat16", channels_last=True))
train_cfg = dict(max_epochs=20)
