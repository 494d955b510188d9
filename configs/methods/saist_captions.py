"""SAIST-T, each image with its own caption; a row of the suite ``captions``.

Parameters: 30,683,378
"""
_base_ = "./saist_t.py"

method = dict(name="saist_captions", title="SAIST (captions)", variant_of="saist_t")
texts = dict(captions="file")
