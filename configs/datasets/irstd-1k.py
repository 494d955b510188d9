"""IRSTD-1k: 1001 real images of 512×512, 1492 targets.

Source: Zhang et al., "ISNet: Shape Matters for Infrared Small Target Detection", CVPR 2022.
Layout: ``IRSTD1k_Img/<id>.png``, ``IRSTD1k_Label/<id>.png``; 85 masks hold intermediate greys, foreground is above 127.
About 4.5 % of the official test images are near-duplicates of training images. ``mean`` and ``std`` are the grey
levels (0-255) that XinyiYing/BasicIRSTD normalises with.
"""
dataset = dict(
    name="irstd-1k", title="IRSTD-1k", layout="folder", real=True, folder="IRSTD-1k",
    images="IRSTD1k_Img/{id}.png", masks="IRSTD1k_Label/{id}.png",
    default_split="official",
    splits=dict(
        official=dict(train="splits/train_IRSTD-1K.txt", test="splits/test_IRSTD-1K.txt"),
        irsam=dict(train="splits/IRSAM_trainval.txt", test="splits/IRSAM_test.txt"),
        yangbo=dict(train="splits/YangBo_train.txt", val="splits/YangBo_val.txt", test="splits/YangBo_test.txt"),
    ),
    mean=87.466, std=39.720,
    pairs=1001, homepage="https://github.com/RuiZhang97/ISNet",
    licence="MIT, as offered by its authors",
    text=dict(captions="file", file="", scene="landscape"),
)
