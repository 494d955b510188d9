"""SAIST-T, each image with the caption of another image of its part; a row of the suite ``captions``.

Network and recipe are those of ``saist_t``.
"""
_base_ = "./saist_t.py"

method = dict(name="saist_shuffled", title="SAIST (shuffled captions)", variant_of="saist_t")
texts = dict(captions="shuffled")
