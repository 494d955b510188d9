"""SAM's image encoders, returning an early and a late map; any input size whose sides are multiples of 16.

``SamViT`` is segment_anything's ViT (Kirillov et al., ICCV 2023), ``SamTinyViT`` is MobileSAM's TinyViT-5M (Zhang et
al. 2023) built from timm. Both keep names that the official files can be mapped to.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import timm
import torch
import torch.nn.functional as F
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.modeling.image_encoder import ImageEncoderViT
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from models.cg_sam.maps import EncoderMaps

SIZE_MULTIPLE = 16
SAM_WIDTH = 256


class SamViT(ImageEncoderViT):
    """SAM's ViT. The early map is the output of the first block with global attention.

    Position embeddings are interpolated (bicubic) where the input is not ``img_size``; relative positions of global
    blocks are interpolated (linear) by segment_anything itself.

    Args:
        embed_dim, depth, num_heads, global_attn_indexes, window_size, img_size: As in segment_anything; the defaults
            are those of ViT-B at 1024.
        stem: Channels of a ``ConvStem`` in place of the 16×16 patch embedding, for training from scratch.
        gradient_checkpointing: Recompute each block in the backward pass instead of keeping its activations.
    """

    def __init__(self, embed_dim: int = 768, depth: int = 12, num_heads: int = 12,
                 global_attn_indexes: tuple[int, ...] = (2, 5, 8, 11), window_size: int = 14, img_size: int = 1024,
                 stem: tuple[int, ...] | None = None, gradient_checkpointing: bool = False) -> None:
        super().__init__(
            img_size=img_size, patch_size=SIZE_MULTIPLE, embed_dim=embed_dim, depth=depth, num_heads=num_heads,
            mlp_ratio=4, out_chans=SAM_WIDTH, qkv_bias=True, norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True, window_size=window_size, global_attn_indexes=tuple(global_attn_indexes),
        )
        if stem is not None:
            self.patch_embed = ConvStem(stem, embed_dim)
        # segment_anything leaves position embeddings at zero for a checkpoint to fill; from scratch they need noise.
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.early_block, self.early_channels = min(global_attn_indexes), embed_dim
        self.gradient_checkpointing = gradient_checkpointing

    def forward(self, image: Tensor) -> EncoderMaps:
        """(B, 3, H, W) normalised image, H and W multiples of 16, to maps of (H/16, W/16)."""
        x = self.patch_embed(image)
        x = x + self._positions(x.shape[1:3])
        early = x
        for index, block in enumerate(self.blocks):
            x = _maybe_checkpointed(block, x, self.gradient_checkpointing)
            if index == self.early_block:
                early = x
        return EncoderMaps(early.permute(0, 3, 1, 2), self.neck(x.permute(0, 3, 1, 2)))

    def _positions(self, size: tuple[int, int]) -> Tensor:
        if self.pos_embed.shape[1:3] == tuple(size):
            return self.pos_embed
        resized = F.interpolate(self.pos_embed.permute(0, 3, 1, 2), size=tuple(size), mode="bicubic",
                                align_corners=False)
        return resized.permute(0, 2, 3, 1)

    @staticmethod
    def official_name(name: str) -> str:
        """Name of the parameter in an official SAM file, without its ``image_encoder.`` prefix."""
        return name


class ConvStem(nn.Sequential):
    """Four 3×3 convolutions of stride 2 with batch normalisation in place of one of 16×16 (Xiao et al., NeurIPS 2021).

    From scratch, a projection of whole patches has to learn a target of three pixels anew at each of 256 places, and
    layer normalisation takes away the brightness by which it stands out: on NUAA-SIRST neither that, nor these
    convolutions with layer normalisation, learned anything in 2000 steps. So normalised they do within 50.

    Args:
        channels: Of the first three convolutions.
        width: Of the tokens.
    """

    def __init__(self, channels: tuple[int, ...], width: int) -> None:
        layers: list[nn.Module] = []
        for source, target in zip((3, *channels), (*channels, width), strict=True):
            layers += [nn.Conv2d(source, target, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(target),
                       nn.ReLU(inplace=True)]
        super().__init__(*layers, nn.Conv2d(width, width, 1))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) to tokens (B, H/16, W/16, width)."""
        return super().forward(image).permute(0, 2, 3, 1)


class SamTinyViT(nn.Module):
    """MobileSAM's image encoder: TinyViT-5M whose last stage does not halve the size, and SAM's neck.

    The early map is the output of the third stage (160 channels), as in light HQ-SAM: TinyViT has no global attention.

    Args:
        gradient_checkpointing: Recompute each stage in the backward pass instead of keeping its activations.
    """

    early_channels = 160

    def __init__(self, gradient_checkpointing: bool = False) -> None:
        super().__init__()
        body = timm.create_model("tiny_vit_5m_224", pretrained=False, num_classes=0, drop_path_rate=0.0)
        body.stages[3].downsample.conv2.conv.stride = (1, 1)
        self.patch_embed, self.stages = body.patch_embed, body.stages
        self.neck = nn.Sequential(
            nn.Conv2d(320, SAM_WIDTH, 1, bias=False), LayerNorm2d(SAM_WIDTH),
            nn.Conv2d(SAM_WIDTH, SAM_WIDTH, 3, padding=1, bias=False), LayerNorm2d(SAM_WIDTH),
        )
        self.gradient_checkpointing = gradient_checkpointing

    def forward(self, image: Tensor) -> EncoderMaps:
        """(B, 3, H, W) normalised image, H and W multiples of 16, to maps of (H/16, W/16)."""
        x = self.patch_embed(image)
        early = x
        for index, stage in enumerate(self.stages):
            x = _maybe_checkpointed(stage, x, self.gradient_checkpointing)
            if index == 2:
                early = x
        return EncoderMaps(early, self.neck(x))

    @staticmethod
    def official_name(name: str) -> str:
        """Name of the parameter in MobileSAM's file, without its ``image_encoder.`` prefix.

        MobileSAM calls stages ``layers`` and puts the downsampling to the stage before; a convolution with its
        normalisation is ``c`` and ``bn``; the stem's two are ``seq.0`` and ``seq.2``.
        """
        if name.startswith("neck."):
            return name
        name = name.replace(".conv.", ".c.")
        if name.startswith("patch_embed."):
            return name.replace("conv1", "seq.0").replace("conv2", "seq.2")
        stage, rest = name.removeprefix("stages.").split(".", 1)
        if rest.startswith("downsample."):
            return f"layers.{int(stage) - 1}.{rest}"
        return f"layers.{stage}.{rest.replace('local_conv.conv.', 'local_conv.c.')}"


def _maybe_checkpointed(module: nn.Module, x: Tensor, active: bool) -> Any:
    return checkpoint(module, x, use_reentrant=False) if active and torch.is_grad_enabled() else module(x)


VIT: dict[str, dict[str, Any]] = {
    "vit_t": dict(embed_dim=192, depth=6, num_heads=6, global_attn_indexes=(2, 5), window_size=7, img_size=256),
    "vit_t_conv": dict(embed_dim=192, depth=6, num_heads=6, global_attn_indexes=(2, 5), window_size=7, img_size=256,
                       stem=(24, 48, 96)),
    # Width and depth of ViT-Tiny (Touvron et al., ICML 2021).
    "vit_t12_conv": dict(embed_dim=192, depth=12, num_heads=6, global_attn_indexes=(2, 5, 8, 11), window_size=7,
                         img_size=256, stem=(24, 48, 96)),
    "vit_b": dict(embed_dim=768, depth=12, num_heads=12, global_attn_indexes=(2, 5, 8, 11)),
    "vit_l": dict(embed_dim=1024, depth=24, num_heads=16, global_attn_indexes=(5, 11, 17, 23)),
    "vit_h": dict(embed_dim=1280, depth=32, num_heads=16, global_attn_indexes=(7, 15, 23, 31)),
}
ENCODERS = (*VIT, "tiny_vit")


def build_encoder(name: str, gradient_checkpointing: bool = False) -> SamViT | SamTinyViT:
    """SAM's ViT-B, L or H, their small sibling ``vit_t``, with a stem for training from scratch ``vit_t_conv`` and, at
    twice the depth, ``vit_t12_conv``, or MobileSAM's ``tiny_vit``.

    Raises ``ValueError`` for another name.
    """
    if name not in ENCODERS:
        raise ValueError(f"unknown SAM encoder {name!r}; known: {', '.join(ENCODERS)}")
    if name == "tiny_vit":
        return SamTinyViT(gradient_checkpointing)
    return SamViT(**VIT[name], gradient_checkpointing=gradient_checkpointing)
