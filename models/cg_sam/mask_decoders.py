"""Mask decoders behind one interface: SAM's, HQ-SAM's, and CG-SAM with the infrared imaging equation.

Each is ``decoder(maps, image_pe, no_mask, prompts) -> Decoded`` for a batch of different images in one pass (upstream's
decoder repeats one image for many prompts and fails on a batch, facebookresearch/segment-anything#277). Weights carry
the official names, so that SAM's and HQ-SAM's files load.
"""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.modeling.mask_decoder import MLP, MaskDecoder
from torch import Tensor, nn

from models.cg_sam.depth import DepthHead
from models.cg_sam.imaging import MAX_EXPONENT, inverse_infrared_imaging
from models.cg_sam.maps import Decoded, EncoderMaps, Prompts
from models.cg_sam.two_way import MaskedTwoWayTransformer
from models.frozen import fixed_seed, freeze

WIDTH, MAP_WIDTH = 256, 32


class BatchedMaskDecoder(MaskDecoder):
    """SAM's mask decoder with official weights; mask token 0 is the only one read, as without prompts upstream does.

    The heads of masks 1 to 3 and of predicted IoU take no part and stay frozen.
    """

    def __init__(self) -> None:
        super().__init__(transformer_dim=WIDTH, transformer=MaskedTwoWayTransformer(
            depth=2, embedding_dim=WIDTH, mlp_dim=2048, num_heads=8))
        with fixed_seed():
            for module in (self.iou_prediction_head, *self.output_hypernetworks_mlps[1:]):
                freeze(module.apply(lambda part: part.reset_parameters() if isinstance(part, nn.Linear) else None))

    def attend(self, embedding: Tensor, image_pe: Tensor, prompts: Prompts | None,
               extra_tokens: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Run the transformer and upscale.

        Args:
            embedding: (B, 256, h, w) image embedding, dense prompt added.
            image_pe: (1, 256, h, w).
            prompts: Sparse prompts, or None.
            extra_tokens: (E, 256) more output tokens, between SAM's own and the prompts.

        Returns:
            Mask token 0 (B, 256), the extra tokens (B, E, 256), and the upscaled map (B, 32, 4h, 4w).
        """
        batch, _, height, width = embedding.shape
        own = [self.iou_token.weight, self.mask_tokens.weight]
        own = torch.cat(own if extra_tokens is None else [*own, extra_tokens])
        tokens, valid = own.expand(batch, -1, -1), None
        if prompts is not None:
            tokens = torch.cat([tokens, prompts.tokens], dim=1)
            valid = torch.cat([prompts.valid.new_ones(batch, len(own)), prompts.valid], dim=1)
        attended, image = self.transformer(embedding, image_pe, tokens, valid)
        image = image.transpose(1, 2).unflatten(2, (height, width))
        return attended[:, 1], attended[:, 1 + self.num_mask_tokens: len(own)], self.output_upscaling(image)

    def mask(self, token: Tensor, upscaled: Tensor) -> Tensor:
        """Logits (B, 1, 4h, 4w) of mask 0 from its token and the upscaled map."""
        return dynamic_mask(self.output_hypernetworks_mlps[0](token), upscaled)


def dynamic_mask(weights: Tensor, feature: Tensor) -> Tensor:
    """(B, C) weights over (B, C, H, W) features: a 1×1 convolution of its own for each image, (B, 1, H, W)."""
    return torch.einsum("bc,bchw->bhw", weights, feature).unsqueeze(1)


def _upscaled_mask(weights: Tensor, feature: Tensor, upscaling: nn.ConvTranspose2d) -> Tensor:
    """``dynamic_mask(weights, upscaling(feature))`` without its many-channel map: both are linear and become one."""
    kernel = torch.einsum("bo,coij->bcij", weights, upscaling.weight)
    mask = torch.einsum("bchw,bcij->bhiwj", feature, kernel)
    return mask.flatten(3).flatten(1, 2).unsqueeze(1) + (weights @ upscaling.bias)[:, None, None, None]


@MODELS.register_module()
class SAMDecoder(nn.Module):
    """SAM's mask decoder with the prompts as sparse prompts: the plain decoder of the paper's tables 2, 3 and 5."""

    def __init__(self, early_channels: int) -> None:
        super().__init__()
        self.sam = BatchedMaskDecoder()

    def forward(self, maps: EncoderMaps, image_pe: Tensor, no_mask: Tensor, prompts: Prompts | None) -> Decoded:
        """Logits of mask 0; see the module's docstring for the interface."""
        token, _, upscaled = self.sam.attend(maps.late + no_mask, image_pe, prompts)
        return Decoded(self.sam.mask(token, upscaled))


@MODELS.register_module()
class HQSAMDecoder(nn.Module):
    """HQ-SAM's mask decoder (Ke et al., NeurIPS 2023): an own token over fused early, late and upscaled maps.

    Its logits are added to SAM's, which is the authors' default. HQ parts for ViT-B: 1,071,104 parameters.
    """

    def __init__(self, early_channels: int) -> None:
        super().__init__()
        self.sam = BatchedMaskDecoder()
        self.hf_token = nn.Embedding(1, WIDTH)
        self.hf_mlp = MLP(WIDTH, WIDTH, MAP_WIDTH, 3)
        self.compress_vit_feat = _upscaling(early_channels, WIDTH, MAP_WIDTH)
        self.embedding_encoder = _upscaling(WIDTH, WIDTH // 4, MAP_WIDTH)
        self.embedding_maskfeature = nn.Sequential(
            nn.Conv2d(MAP_WIDTH, 2 * MAP_WIDTH, 3, padding=1), LayerNorm2d(2 * MAP_WIDTH), nn.GELU(),
            nn.Conv2d(2 * MAP_WIDTH, MAP_WIDTH, 3, padding=1),
        )

    def forward(self, maps: EncoderMaps, image_pe: Tensor, no_mask: Tensor, prompts: Prompts | None) -> Decoded:
        """Sum of SAM's logits and the high-quality token's, with SAM's own as a part."""
        token, high_quality, upscaled = self.sam.attend(maps.late + no_mask, image_pe, prompts, self.hf_token.weight)
        feature = self.compress_vit_feat(maps.early) + self.embedding_encoder(maps.late)
        feature = feature + self.embedding_maskfeature(upscaled)
        own = self.sam.mask(token, upscaled)
        return Decoded(own + dynamic_mask(self.hf_mlp(high_quality[:, 0]), feature), {"sam": own})


@MODELS.register_module()
class CGSAMDecoder(nn.Module):
    """CG-SAM (SAIST, section 3.3.2): degraded image I and background A from SAM's maps, scene J by Eq. 14.

    I comes from SAM's own output tokens over the image embedding, without prompts. A comes from the prompts over the
    sum of early and late maps, through a two-way transformer of its own. The depth is d = F(I), β is one learnable
    positive number.

    The paper leaves open, and chosen here: the background transformer's size; that A is read from its upscaled
    32-channel map by weights that the mean prompt token gives, as SAM reads masks; β = softplus of a parameter with
    ``initial_beta``, so that β·d starts at no more than that.

    Args:
        early_channels: Channels of the encoder's early map.
        early_hidden: Channels between the two convolutions on that map.
        background_depth, background_mlp: Layers and MLP width of the background transformer; with no layer there
            remains its closing attention of the prompts to the map.
        depth: Arguments of ``DepthHead``.
        initial_beta: β before training.
        max_exponent: Bound of β·d in Eq. 14.
        equation: False gives J = I, the same net without the imaging equation.
    """

    def __init__(self, early_channels: int, background_depth: int = 2, background_mlp: int = 512,
                 depth: dict | None = None, initial_beta: float = 0.1, max_exponent: float = MAX_EXPONENT,
                 equation: bool = True, early_hidden: int = 64) -> None:
        super().__init__()
        self.sam = BatchedMaskDecoder()
        self.equation, self.max_exponent = equation, max_exponent
        if not equation:
            return
        self.early = nn.Sequential(
            nn.Conv2d(early_channels, early_hidden, 1), LayerNorm2d(early_hidden), nn.GELU(),
            nn.Conv2d(early_hidden, WIDTH, 3, padding=1))
        self.background = MaskedTwoWayTransformer(depth=background_depth, embedding_dim=WIDTH,
                                                  mlp_dim=background_mlp, num_heads=8)
        self.upscaling = _upscaling(WIDTH, WIDTH // 4, MAP_WIDTH)
        self.background_mlp = MLP(WIDTH, WIDTH, MAP_WIDTH, 3)
        self.depth = DepthHead(**(depth or {}))
        self.raw_beta = nn.Parameter(torch.tensor(initial_beta).expm1().log())

    @property
    def beta(self) -> Tensor:
        """β ≥ 0, the infrared radiation coefficient, a scalar."""
        return nn.functional.softplus(self.raw_beta)

    def forward(self, maps: EncoderMaps, image_pe: Tensor, no_mask: Tensor, prompts: Prompts | None) -> Decoded:
        """J with the parts it is made of."""
        token, _, upscaled = self.sam.attend(maps.late + no_mask, image_pe, None)
        degraded = self.sam.mask(token, upscaled).float()
        if not self.equation:
            return Decoded(degraded, {"degraded": degraded})
        background = self._background(maps, image_pe, prompts).float()
        depth = self.depth(degraded)
        radiation = inverse_infrared_imaging(degraded, background, self.beta * depth, self.max_exponent)
        return Decoded(radiation, {"degraded": degraded, "background": background, "depth": depth})

    def _background(self, maps: EncoderMaps, image_pe: Tensor, prompts: Prompts) -> Tensor:
        fused = self.early(maps.early) + maps.late
        tokens, image = self.background(fused, image_pe, prompts.tokens, prompts.valid)
        valid = prompts.valid.unsqueeze(-1)
        mean = (tokens * valid).sum(dim=1) / valid.sum(dim=1)
        *first, last = self.upscaling
        hidden = nn.Sequential(*first)(image.transpose(1, 2).unflatten(2, fused.shape[-2:]))
        return _upscaled_mask(self.background_mlp(mean), hidden, last)


def _upscaling(channels: int, hidden: int, out: int) -> nn.Sequential:
    """Two transposed convolutions, four times the size."""
    return nn.Sequential(
        nn.ConvTranspose2d(channels, hidden, 2, stride=2), LayerNorm2d(hidden), nn.GELU(),
        nn.ConvTranspose2d(hidden, out, 2, stride=2),
    )
