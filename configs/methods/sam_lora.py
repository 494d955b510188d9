"""SAM without prompts, encoder frozen but for low-rank adapters (r = 4 on qkv), decoder trained.

Parameters: 93,882,928
"""
_base_ = "./sam.py"

method = dict(name="sam_lora", title="SAM (LoRA)")
model = dict(sam=dict(tune="lora"))
