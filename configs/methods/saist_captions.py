"""SAIST-T, each image with its own caption; a row of the suite ``captions``.

Network and recipe are those of ``saist_t``.
"""
_base_ = "./saist_t.py"

method = dict(name="saist_captions", title="SAIST (captions)", variant_of="saist_t")
texts = dict(captions="file")
