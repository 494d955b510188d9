"""NUAA-SIRST: 427 real single frames, 533 targets, images from 135 to 456 pixels wide.

Source: Dai et al., "Asymmetric Contextual Modulation for Infrared Small Target Detection", WACV 2021.
Layout: ``images/<id>.png``, ``masks/<id>_pixels0.png`` (0/255). Mask and image of ``Misc_111`` differ in size by a
pure rescale. ``mean`` and ``std`` are the grey levels (0-255) that XinyiYing/BasicIRSTD normalises with.
"""
dataset = dict(
    name="nuaa-sirst", title="NUAA-SIRST", layout="folder", real=True, folder="NUAA-SIRST",
    images="images/{id}.png", masks="masks/{id}_pixels0.png",
    default_split="official",
    splits=dict(
        official=dict(train="splits/train_NUAA-SIRST.txt", test="splits/test_NUAA-SIRST.txt"),
        idx_427=dict(train="idx_427/train.txt", val="idx_427/val.txt", test="idx_427/test.txt"),
        yangbo=dict(train="splits/YangBo_train.txt", val="splits/YangBo_val.txt", test="splits/YangBo_test.txt"),
    ),
    mean=101.064, std=34.620,
    pairs=427, homepage="https://github.com/YimianDai/sirst",
    licence="published for research without a licence text",
    download="https://github.com/YimianDai/sirst/archive/refs/heads/master.zip",
    text=dict(captions="file", file="", scene="cloudy sky"),
)
