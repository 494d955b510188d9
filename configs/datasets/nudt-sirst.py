"""NUDT-SIRST: 1327 images of 256×256, real backgrounds with synthetic targets, 1863 targets.

Source: Li et al., "Dense Nested Attention Network for Infrared Small Target Detection", IEEE TIP 2022.
Layout: ``images/<id>.png``, ``masks/<id>.png``. About 8 % of the official test images are near-duplicates of training
images. ``mean`` and ``std`` are the grey levels (0-255) that XinyiYing/BasicIRSTD normalises with.
"""
dataset = dict(
    name="nudt-sirst", title="NUDT-SIRST", layout="folder", real=True, folder="NUDT-SIRST",
    images="images/{id}.png", masks="masks/{id}.png",
    default_split="official",
    splits=dict(
        official=dict(train="splits/train_NUDT-SIRST.txt", test="splits/test_NUDT-SIRST.txt"),
        dnanet=dict(train="50_50/train.txt", test="50_50/test.txt"),
        irsam=dict(train="splits/IRSAM_trainval.txt", test="splits/IRSAM_test.txt"),
        yangbo=dict(train="splits/YangBo_train.txt", val="splits/YangBo_val.txt", test="splits/YangBo_test.txt"),
    ),
    mean=107.809, std=33.023,
    pairs=1327, homepage="https://github.com/YeRen123455/Infrared-Small-Target-Detection",
    licence="published for research without a licence text",
    text=dict(captions="file", file="", scene="landscape"),
)
