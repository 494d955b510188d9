"""The paper's setting (SAIST, section 4.1): 1024×1024, 400 epochs, batch 4, Adam 1e-4, cosine decay, 50/30/20 split.

For one GPU of 80 GB or several smaller ones; on two CPU cores it would take weeks.
"""
_base_ = "../_base_/common.py"

profile = dict(
    name="paper", recipe="authors", title="paper setting", split="paper", seeds=(0,),
    datasets=("nudt-sirst", "irstd-1k", "nuaa-sirst"),
)
view = dict(size=(1024, 1024), train="resize", test="resize")
train_cfg = dict(max_epochs=400)
train_dataloader = dict(batch_size=4, num_workers=4)
optim_wrapper = dict(optimizer=dict(type="Adam", lr=1e-4))
