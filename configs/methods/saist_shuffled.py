"""SAIST, each image with the caption of another image of its part; a row of the suite ``captions``.

Network and recipe are those of ``saist_captions``.
"""
_base_ = "./saist_captions.py"

method = dict(name="saist_shuffled", title="SAIST (shuffled captions)", variant_of="saist_t")
texts = dict(captions="shuffled")
