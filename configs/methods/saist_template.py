"""SAIST, every image with the dataset's template; a row of the suite ``captions``.

Network and recipe are those of ``saist_captions``.
"""
_base_ = "./saist_captions.py"

method = dict(name="saist_template", title="SAIST (template only)", variant_of="saist_t")
texts = dict(captions="template")
