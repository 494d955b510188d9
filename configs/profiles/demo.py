"""Minutes on two CPU cores, on the built-in synthetic set: shows that it works, measures nothing."""
_base_ = "../_base_/common.py"

profile = dict(
    name="demo", recipe="common", title="demonstration", split="generated", seeds=(0,), datasets=("synth-sirst",),
    notes=("Demonstration: small runs on generated images; these numbers say nothing about the methods.",),
)
synthetic = dict(size=(128, 128), counts=dict(train=48, val=12, test=24), mean=80.3, std=38.0)
view = dict(size=(128, 128), train="resize", test="native")
train_cfg = dict(max_epochs=8, val_interval=2)
train_dataloader = dict(batch_size=4)
optim_wrapper = dict(optimizer=dict(type="Adam", lr=2e-3))
evaluation = dict(bootstrap=500)
