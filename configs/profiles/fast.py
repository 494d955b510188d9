"""A real run that one GPU, or two patient CPU cores, can finish: 256×256 crops, tens of epochs, official splits.

Crops at original resolution instead of resized images, because resizing loses targets of a few pixels; the test
image is seen whole at its own size. Small batches and a high learning rate, because a short run needs many long steps:
at 5e-4 GCI-Net still gives all of the background a probability of a third after ten epochs. The two larger sets
get fewer epochs, so that two cores can finish all three; a method at a tenth of its authors' epochs is not reproduced
by this.
"""
_base_ = "../_base_/common.py"

profile = dict(
    name="fast", recipe="authors", title="fast setting (256×256, tens of epochs)", split="official", seeds=(0,),
    datasets=("nudt-sirst", "irstd-1k", "nuaa-sirst"),
)
train_cfg = dict(max_epochs=45, val_interval=5)
train_dataloader = dict(batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
per_dataset = {
    "nudt-sirst": dict(train_cfg=dict(max_epochs=3)),
    "irstd-1k": dict(train_cfg=dict(max_epochs=2)),
}
