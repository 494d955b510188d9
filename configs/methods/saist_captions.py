"""SAIST from scratch, each image with its own caption; a row of the suite ``captions``.

Half the layers of ``saist_t``, so that the suite's nine trainings end within an hour on two cores.
"""
_base_ = "../_base_/saist_scratch.py"

method = dict(name="saist_captions", title="SAIST (captions)", variant_of="saist_t")
model = dict(sam=dict(encoder="vit_t_conv"))
texts = dict(captions="file")
