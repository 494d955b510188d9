"""Prompts for the mask decoder, behind one interface: SR-CLIP, plain CLIP, CoOp, and none.

Each is ``prompts(texts, features) -> (Prompts, losses)`` with B captions and CLIP's ``ImageFeatures``; ``losses`` maps
names to scalars. ``needs_clip`` says whether captions and features are used at all.
"""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from models.cg_sam.maps import Prompts
from models.sr_clip.captioning import ImageCaptioner, VisualDescription
from models.sr_clip.clip import FrozenCLIP, ImageFeatures
from models.sr_clip.decoders import CrossModalDecoder
from models.sr_clip.mmd import mmd
from models.sr_clip.text_encoder import CrossModalTextEncoder

PROMPT_WIDTH = 256

Output = tuple[Prompts, dict[str, Tensor]]


@MODELS.register_module()
class SRCLIPPrompts(nn.Module):
    """SR-CLIP (SAIST, section 3.2): captioned visual tokens refine the text, and both become prompts.

    Args:
        clip: The frozen CLIP.
        objects: n, object tokens of the visual description set.
        context: M, learnable context vectors.
        temperature: Of the softmaxes of Eq. 1 and 2.
        heads, mlp_ratio: Of text and visual decoder. The paper leaves them open; the ratio is chosen so that SAIST
            adds about the 6.29 M parameters of the paper's Table 3.
        mmd_weight: λ of the MMD loss; 0 leaves it out.
    """

    needs_clip = True

    def __init__(self, clip: FrozenCLIP, objects: int = 3, context: int = 4, temperature: float = 1.0, heads: int = 8,
                 mlp_ratio: float = 2.0, mmd_weight: float = 0.1) -> None:
        super().__init__()
        self.mmd_weight = mmd_weight
        self.description = VisualDescription(clip.dim, objects)
        self.captioner = ImageCaptioner(clip.dim, temperature)
        self.into_text = nn.Linear(clip.dim, clip.text_width)
        self.encoder = CrossModalTextEncoder(clip, context, visual=1 + objects)
        self.text_projection = nn.Linear(clip.text_width, PROMPT_WIDTH)
        self.visual_projection = nn.Linear(clip.dim, PROMPT_WIDTH)
        self.text_decoder = CrossModalDecoder(PROMPT_WIDTH, heads, mlp_ratio)
        self.visual_decoder = CrossModalDecoder(PROMPT_WIDTH, heads, mlp_ratio)

    def forward(self, texts: list[str], features: ImageFeatures) -> Output:
        """See the module's docstring; the loss is ``loss_mmd``."""
        description = self.captioner(*self.description(features.scene, features.patches))
        encoded, valid = self.encoder(texts, self.into_text(description))
        text, visual = self.text_projection(encoded), self.visual_projection(description)
        prompts = Prompts(
            text=self.text_decoder(text, visual, own_valid=valid), text_valid=valid,
            visual=self.visual_decoder(visual, text, other_valid=valid),
        )
        if not (self.training and self.mmd_weight):
            return prompts, {}
        return prompts, {"loss_mmd": self.mmd_weight * mmd(prompts.text[valid], prompts.visual.flatten(0, 1))}


@MODELS.register_module()
class CLIPPrompts(nn.Module):
    """Plain CLIP: one prompt from the caption's sentence feature, one from the image's global feature.

    Args:
        clip: The frozen CLIP.
        context: Learnable context vectors; more than 0 makes it CoOp.
    """

    needs_clip = True

    def __init__(self, clip: FrozenCLIP, context: int = 0) -> None:
        super().__init__()
        self.encoder = CrossModalTextEncoder(clip, context, visual=0)
        self.text_projection = nn.Linear(clip.dim, PROMPT_WIDTH)
        self.visual_projection = nn.Linear(clip.dim, PROMPT_WIDTH)

    def forward(self, texts: list[str], features: ImageFeatures) -> Output:
        """See the module's docstring; no loss."""
        text = self.text_projection(self.encoder.sentence(texts)).unsqueeze(1)
        valid = torch.ones(text.shape[:2], dtype=torch.bool, device=text.device)
        return Prompts(text, valid, self.visual_projection(features.scene).unsqueeze(1)), {}


@MODELS.register_module()
class CoOpPrompts(CLIPPrompts):
    """CoOp (Zhou et al., IJCV 2022): plain CLIP with learnable context vectors before the text."""

    def __init__(self, clip: FrozenCLIP, context: int = 4) -> None:
        super().__init__(clip, context)


@MODELS.register_module()
class NoPrompts(nn.Module):
    """Learnable prompts that are the same for every image and every text: SAIST without language.

    Args:
        clip: Ignored, so that all prompts are built alike.
        tokens: Number of prompts.
    """

    needs_clip = False

    def __init__(self, clip: FrozenCLIP | None = None, tokens: int = 4) -> None:
        super().__init__()
        self.tokens = nn.Parameter(0.02 * torch.randn(tokens, PROMPT_WIDTH))

    def forward(self, texts: list[str], features: ImageFeatures | None) -> Output:
        """See the module's docstring; no loss."""
        batch = len(texts)
        none = self.tokens.new_zeros(batch, 0, PROMPT_WIDTH)
        return Prompts(none, none.new_zeros(batch, 0, dtype=torch.bool), self.tokens.expand(batch, -1, -1)), {}
