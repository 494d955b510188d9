"""What one large GPU can measure in hours: authors' recipes as published, or 200 epochs of 256×256 crops for all alike.

Settings are those of ``paper`` where a method has its own (its authors' crop, batch and epochs), on the official splits
that most published numbers use. ``--recipe common`` gives every network the budget below instead.
"""
_base_ = "../_base_/common.py"

profile = dict(
    name="gpu", like="paper", recipe="authors", title="one large GPU (authors' budgets, or 256×256 for 200 epochs)",
    split="official", seeds=(0,), datasets=("nuaa-sirst", "nudt-sirst", "irstd-1k"),
)
train_cfg = dict(max_epochs=200, val_interval=10)
train_dataloader = dict(batch_size=8, num_workers=2)
