"""SAM without prompts, encoder frozen, decoder alone trained: what SAM's features know of targets of a few pixels.

Parameters: 93,735,472
"""
_base_ = "./sam.py"

method = dict(name="sam_decoder", title="SAM (decoder only)")
model = dict(sam=dict(tune="frozen"))
